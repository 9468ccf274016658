"""`githarness held`: changes that could not land, and what can be done with them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from githarness import clock
from githarness.cli.options import command, group
from githarness.cli.out import Painted
from githarness.cli.shell import Shell, opened, shell
from githarness.cli.write_options import if_match
from githarness.cli.write_options import show_all as show_written
from githarness.errors import Usage
from githarness.git.objects import FOLDER, SUBMODULE, Entry, PathChange
from githarness.wiring import Harness
from githarness.work import approvals, held
from githarness.work.held import Actor, HeldChange, Resolution

app = group("Held changes: kept because they could not land; nothing of them is lost.\n\n"
            "Without a subcommand they are listed.", lists=True)
Held = Annotated[str, typer.Argument(metavar="ID", help="The held change.")]


@app.command("list")
@command
def show_all(ctx: typer.Context) -> None:
    """List the held changes, oldest first.

    Example: githarness held list
    """
    sh = shell(ctx)
    found = held.listed(sh.open().parts)
    sh.document({"items": [_item(one) for one in found]})
    for one in found:
        sh.line(Painted(one.id, "yellow"), f" {clock.rfc3339(one.time)} {one.agent}  {one.why}: ",
                " ".join(change.path for change in one.changes))
    if not found:
        sh.note("nothing is held")


@app.command("show")
@command
def show(ctx: typer.Context, change: Held) -> None:
    """Show a held change: whose, why it is held, its diff against what it was made from, and what changed there since.

    Example: githarness held show h-01j2x7k3m9q4v8b2n6t0
    """
    sh, harness = opened(ctx)
    one = held.show(harness.parts, change)
    diff, since = _diff(harness, one.changes), _diff(harness, held.since(harness.parts, one))
    sh.document({**_item(one), "diff": diff, "since": since})
    sh.line(Painted(one.id, "yellow"), f" {clock.rfc3339(one.time)} {one.agent}, run {one.run}")
    sh.line(f"held because: {one.why}")
    if one.message:
        sh.line(f"message: {one.message}")
    sh.line(diff.rstrip("\n"))
    sh.line(f"what changed there since:\n{since}".rstrip("\n") if since else "nothing changed there since")
    sh.note(f"hint: githarness proposals {one.id}" if one.waits else
            f"hint: githarness held retry {one.id}, or githarness held resolve {one.id} --from FILE")


def _diff(harness: Harness, changes: Sequence[PathChange]) -> str:
    def data(entry: Entry | None) -> bytes:
        return harness.reader.blob(entry.oid) if entry and entry.mode not in (FOLDER, SUBMODULE) else b""

    return "".join(harness.reader.unified(data(one.old), data(one.new), one.path) for one in changes)


@app.command("drop")
@command
def drop(ctx: typer.Context, change: Held) -> None:
    """Let a held change go; it says how to get it back while git has it.

    Example: githarness held drop h-01j2x7k3m9q4v8b2n6t0
    """
    sh, harness = opened(ctx)
    one = held.drop(harness.parts, harness.git, change)
    sh.document({**_item(one), "dropped": True})
    sh.line(f"dropped {one.id}")
    sh.note(f"hint: until git prunes it: git update-ref refs/githarness/held/{one.id} {one.commit}")


@app.command("retry")
@command
def retry(ctx: typer.Context, change: Held) -> None:
    """Try a held change again, merged into what is there now; one that waits for people lands once enough approved.

    Example: githarness held retry h-01j2x7k3m9q4v8b2n6t0
    """
    sh, harness = opened(ctx)
    one = held.show(harness.parts, change)
    if one.waits:
        found = approvals.get(harness.parts, harness.governance(), change)
        show_written(sh, approvals.land(harness.parts, harness.git, harness.local, found))
        return
    show_written(sh, held.retry(harness.parts, harness.git, harness.lane, change, _actor(sh, harness, one)))


@app.command("resolve")
@command
def resolve(
    ctx: typer.Context,
    change: Held,
    *,
    source: Annotated[str | None, typer.Option("--from", metavar="FILE", help="Read FILE instead of stdin.")] = None,
    match: Annotated[
        str | None, typer.Option("--if-match", metavar="BLOB", help="What FILE was made for [what is there now].")
    ] = None,
) -> None:
    """Land what you made of both sides in place of a held change, as your own write, or as its agent's in a run.

    Example: githarness held resolve h-01j2x7k3m9q4v8b2n6t0 --from merged.md
    """
    sh, harness = opened(ctx)
    actor = _actor(sh, harness, held.show(harness.parts, change))
    if not (sh.settings.agent or sh.settings.run):  # the content is the person's, and so is the signature
        actor = Actor(sh.settings.run_of(human := harness.human()[0].name), human=human)
    content = sh.content(source)
    if source is None and not content:
        raise Usage("stdin is empty: nothing was landed", fix=f"githarness held resolve {change} --from FILE")
    lane, wanted = harness.local if actor.human else harness.lane, Resolution(content, if_match(match))
    show_written(sh, held.resolve(harness.parts, harness.git, lane, change, actor=actor, wanted=wanted))


def _actor(sh: Shell, harness: Harness, one: HeldChange) -> Actor:
    return Actor(sh.settings.run_of(one.agent), harness.token() if sh.settings.run else None)


def _item(one: HeldChange) -> dict[str, object]:
    return {"id": one.id, "agent": one.agent, "run": one.run, "time": clock.rfc3339(one.time), "why": one.why,
            "base": one.base, "commit": one.commit, "paths": [change.path for change in one.changes],
            "message": one.message}
