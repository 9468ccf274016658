"""`githarness task`: work that is asked for once, claimed by one agent, and done once."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from typing import Annotated

import typer

from githarness import clock
from githarness.canon import Json
from githarness.cli.acting import Acting, caller
from githarness.cli.options import command, group
from githarness.cli.out import Painted
from githarness.cli.shell import Shell, shell
from githarness.store.tasks import STATUSES
from githarness.work import channels, handoff, tasks
from githarness.work.state import RAW

app = group("Tasks: work that is asked for once, claimed by one agent, and done once.")
Id = Annotated[str, typer.Argument(metavar="ID", help="A task, as add and claim print it.")]
Token = Annotated[
    int | None, typer.Option(metavar="N", min=1, help="The token of the claim, where one run has several.")]
Source = Annotated[str | None, typer.Option("--from", metavar="FILE", help="Read FILE instead of stdin.")]
_COLOURS = {"open": "cyan", "claimed": "yellow", "done": "green", "failed": "red", "blocked": "red"}


@dataclass(frozen=True, slots=True)
class Wanted:
    needs: Annotated[list[str] | None, typer.Option(metavar="ID", help="A task to be done first; repeatable.")] = None
    key: Annotated[str | None, typer.Option(metavar="K", help="Ask for it once: the same key is the same task.")] = None
    role: Annotated[str | None, typer.Option(metavar="R", help="Only for agents with this role.")] = None
    skill: Annotated[str | None, typer.Option(metavar="S", help="Only for who claims with this skill.")] = None
    retries: Annotated[int, typer.Option(metavar="N", min=0, help="How often it is tried again.")] = 2


@app.command("add")
@command
def add(
    ctx: typer.Context, text: Annotated[str, typer.Argument(metavar="TEXT")], *, wanted: Wanted, acting: Acting,
) -> None:
    """Ask for something to be done, and print the task.

    Example: githarness task add "review yesterday's changes" --key review-2026-11-28 --role writer
    """
    sh = shell(ctx)
    harness = sh.open()
    ask = tasks.AddAsk(text, wanted.needs or (), wanted.key, wanted.role, wanted.skill, wanted.retries)
    found = harness.table.ask(caller(harness, acting), ask)
    sh.document(found)
    sh.line(str(found["task"]))
    if found["repeated"]:
        sh.note(Painted("note:", "yellow"), f" it was asked for before with the key '{wanted.key}'; it is ",
                str(found["status"]))


@app.command("claim")
@command
def claim(
    ctx: typer.Context,
    *,
    skill: Annotated[list[str] | None, typer.Option(metavar="S", help="What this agent can do; repeatable.")] = None,
    ttl: Annotated[str, typer.Option(metavar="T", help="The claim ends after this time without a beat.")] = "10m",
    wait: Annotated[str, typer.Option(metavar="T", help="Wait for so long for a task.")] = "0s",
    acting: Acting,
) -> None:
    """Take the first task that this agent can do, and print it; exit 14 where there is none.

    Example: githarness task claim --agent deployer --ttl 10m --wait 5m --json
    """
    sh = shell(ctx)
    harness = sh.open()
    found = tasks.wait_for(harness.parts, caller(harness, acting), tasks.ClaimAsk(skill or (), clock.seconds(ttl)),
                           harness.table.ask, wait=clock.seconds(wait))
    sh.document(found)
    sh.line(Painted(str(found["task"]), "cyan"), f" {found['text']}")


@app.command("beat")
@command
def beat(ctx: typer.Context, task: Id, *, token: Token = None, acting: Acting) -> None:
    """Say that the work goes on: the claim ends later, from now on.

    Example: githarness task beat t-01m8gdznchc832hdc1fk --agent deployer
    """
    sh = shell(ctx)
    harness = sh.open()
    _changed(sh, harness.table.ask(caller(harness, acting), tasks.BeatAsk(task, token)))


@app.command("done")
@command
def done(ctx: typer.Context, task: Id, *, source: Source = None, token: Token = None, acting: Acting) -> None:
    """Say that a task is done, with the result on stdin where there is one: JSON, or a text.

    Example: echo '{"commit": "2dc96d90"}' | githarness task done t-01m8gdznchc832hdc1fk --agent deployer
    """
    sh = shell(ctx)
    result = _given(sh, source)
    harness = sh.open()
    _changed(sh, harness.table.ask(caller(harness, acting), tasks.DoneAsk(task, result, token)))


@app.command("fail")
@command
def fail(
    ctx: typer.Context,
    task: Id,
    *,
    note: Annotated[str, typer.Option(metavar="TEXT", help="Why; shown in lists.")] = "",
    token: Token = None,
    acting: Acting,
) -> None:
    """Say that it did not work: the task is tried again, or has failed where that was the last attempt.

    Example: githarness task fail t-01m8gdznchc832hdc1fk --note "tests are red" --agent deployer
    """
    sh = shell(ctx)
    harness = sh.open()
    _changed(sh, harness.table.ask(caller(harness, acting), tasks.FailAsk(task, note, token)))


@dataclass(frozen=True, slots=True)
class Passed:
    to: Annotated[str, typer.Option(metavar="WHO", help="An agent, or human:NAME, who alone can claim it then.")] = ""
    note: Annotated[str, typer.Option(metavar="TEXT", help="What was done, and what is left.")] = ""
    ref: Annotated[
        list[str] | None, typer.Option(metavar="PATH|RUN", help="An artifact or a run beside its own; repeatable.")
    ] = None
    token: Token = None


@app.command("handoff")
@command
def hand_off(ctx: typer.Context, task: Id, *, passed: Passed, source: Source = None, acting: Acting) -> None:
    """Hand a task on, with this run, its artifacts and journal, and the open questions on stdin where there are any.

    Example: echo '["is v45 frozen?"]' | githarness task handoff t-01m8gdznchc832hdc1fk --to scribe --agent deployer
    """
    sh = shell(ctx)
    questions = _given(sh, source)
    harness = sh.open()
    harness.fresh_index()
    ask = handoff.HandoffAsk(task, passed.to, passed.note, questions, passed.ref or (), passed.token)
    _changed(sh, harness.table.ask(caller(harness, acting), ask))


@app.command("list")
@command
def show_all(
    ctx: typer.Context,
    *,
    status: Annotated[str | None, typer.Option(metavar="STATUS", help=f"One of {', '.join(STATUSES)}.")] = None,
    number: Annotated[int, typer.Option("-n", metavar="N", min=1, max=10_000, help="The last N.")] = 200,
    acting: Acting,
) -> None:
    """List tasks in the order of asking: what is to be done, and who does it.

    Example: githarness task list --status claimed
    """
    sh = shell(ctx)
    harness = sh.open()
    found = harness.table.ask(caller(harness, acting), tasks.ListAsk(status, number))
    sh.document(found)
    items = found["items"]
    for item in items if isinstance(items, list) else []:
        _line(sh, item if isinstance(item, dict) else {})


@app.command("show")
@command
def show(
    ctx: typer.Context,
    task: Id,
    *,
    bundle: Annotated[bool, typer.Option("--bundle", help="With what was handed on with it.")] = False,
    acting: Acting,
) -> None:
    """Show a task; with --bundle also the context that the last handoff left.

    Example: githarness task show t-01m8gdznchc832hdc1fk --bundle --json
    """
    sh = shell(ctx)
    harness = sh.open()
    found = harness.table.ask(caller(harness, acting), handoff.ShowAsk(task, bundle))
    sh.document(found)
    _line(sh, found)
    for name in ("needs", "key", "to", "by", "created", "updated", "note", "result", "bundle"):
        if name in found and found[name] not in (None, [], ""):
            value = found[name]
            text = value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False)
            sh.line(f"  {name}: ", text.replace("\n", "\n  "))


def _given(sh: Shell, source: str | None) -> str | None:
    """What is on stdin or in a file, as canonical JSON; None where that is nothing, or a terminal."""
    data = b"" if source is None and sys.stdin.isatty() else sh.content(source, most=RAW)
    return channels.body_of(data) if data.strip() else None


def _changed(sh: Shell, item: dict[str, Json]) -> None:
    sh.document(item)
    _line(sh, item)


def _line(sh: Shell, item: dict[str, Json]) -> None:
    status, who = str(item["status"]), item["agent"] or item["human"]
    by = f" by {who}" if who else f" for {item['to']}" if item["to"] else ""
    until = f" until {item['expires']}" if status == "claimed" else ""
    text = str(item["text"]).split("\n")[0]
    sh.line(Painted(str(item["task"]), "cyan"), " ", Painted(status, _COLOURS.get(status, "dim")), f"{by}{until}  ",
            text if len(text) <= 80 else text[:79] + "…")
