"""`githarness runs`: the records of runs; start and finish are for shell scripts and cron."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from githarness import clock
from githarness.cli import runs_watch
from githarness.cli.captured import note_of
from githarness.cli.cmd_run import cause, lend, report, stage, told
from githarness.cli.options import agent_option, command, group
from githarness.cli.out import Painted
from githarness.cli.shell import Shell, shell
from githarness.cli.write_options import agent_name
from githarness.daemon import place
from githarness.errors import Conflict, Usage
from githarness.runner import again
from githarness.runner import cancel as canceller
from githarness.runner.run import Order
from githarness.store import commits
from githarness.store import runs as rows
from githarness.store.rows import RunRow
from githarness.work import guard, people, runs, runs_context
from githarness.work.runbook import name_of

app = group("Runs: one execution of an agent each, from start to outcome.")
Run = Annotated[str, typer.Argument(metavar="RUN", help="The run.")]
_COLOURS = {"open": "cyan", "ok": "green", "failed": "red", "timeout": "red", "cancelled": "yellow",
            "interrupted": "red"}
_LONG = 1000  # characters of a command that are shown


@app.command("list")
@command
def show_all(
    ctx: typer.Context,
    *,
    agent: Annotated[str | None, agent_option("Runs of this agent.")] = None,
    status: Annotated[
        str | None, typer.Option(metavar="S", help="open, ok, failed, cancelled, timeout or interrupted.")] = None,
    number: Annotated[int, typer.Option("-n", metavar="N", min=1, help="At most N runs.")] = 50,
) -> None:
    """List runs, newest first.

    Example: githarness runs list --agent deployer
    """
    sh = shell(ctx)
    with sh.open().db.read() as conn:
        found = rows.list(conn, agent, status, number)
    sh.document({"items": [item(row) for row in found]})
    for row in found:
        _line(sh, row)


@app.command("show")
@command
def show(
    ctx: typer.Context,
    run: Run,
    *,
    context: Annotated[bool, typer.Option("--context", help="Also what it read, and what has changed since.")] = False,
) -> None:
    """Show a run: who, on whose behalf, when, how it ended, and its commits.

    Example: githarness runs show r-01j2x7k3m9q4v8b2n6t0
    """
    sh = shell(ctx)
    harness = sh.open()
    harness.fresh_index()
    with harness.db.read() as conn:
        row = runs.get(conn, run)
        made = [one.oid for one in commits.log(conn, commits.CommitFilter(run=run))]
        seen = runs_context.context(harness.parts, conn, row, harness.head()) if context else None
    sh.document({**item(row), "commits": made, **(runs_watch.context_document(seen) if seen else {})})
    _line(sh, row)
    for label, value in (("on behalf of", " > ".join(row.chain)), ("parent", row.parent),
                         ("command", row.command[:_LONG]), ("worktree", _worktree(row)), ("note", row.note),
                         ("commits", " ".join(o[:12] for o in made))):
        if value:
            sh.line(f"  {label:13} {value}")
    if seen:
        runs_watch.context_lines(sh, seen)


@app.command("start")
@command
def start(
    ctx: typer.Context,
    *,
    agent: Annotated[str | None, agent_option("The agent that acts [GITHARNESS_AGENT].")] = None,
    parent: Annotated[str | None, typer.Option(metavar="RUN", help="The run that caused it [GITHARNESS_RUN].")] = None,
) -> None:
    """Begin a run and print its id; pass it as --run or GITHARNESS_RUN, and end it with runs finish.

    Example: export GITHARNESS_RUN=$(githarness runs start --agent deployer)
    """
    sh = shell(ctx)
    harness = sh.open()
    row = runs.start(harness.parts, agent_name(sh, agent), head=harness.head(), cause=cause(sh, harness, parent))
    sh.document({**item(row), "token_file": str(runs.token_file(harness.repo, row.id))})
    sh.line(row.id)


@app.command("finish")
@command
def finish(
    ctx: typer.Context,
    run: Run,
    *,
    status: Annotated[str, typer.Option(metavar="ok|failed", help="How it ended.")],
    note: Annotated[str, typer.Option(metavar="TEXT", help="A word on it.")] = "",
) -> None:
    """End a run that runs start began; an operator may say so too how one ended that was interrupted.

    Example: githarness runs finish "$GITHARNESS_RUN" --status ok
    """
    sh = shell(ctx)
    if status not in ("ok", "failed"):
        raise Usage(f"'{status}' is not how a run ends", fix="pass --status ok or --status failed")
    harness = sh.open()
    with harness.db.read() as conn:
        row = runs.get(conn, run)
    if row.status == "interrupted" or (row.status == "open" and row.pid and guard.is_gone(row)):
        people.require(harness.human()[0], "operator", "say how an interrupted run ended")
        row = canceller.conclude(stage(sh, harness), row, status, note or "said by an operator").run
    elif row.status == "open" and row.pid:
        raise Conflict(f"run '{run}' ends when its command does", fix=f"githarness runs cancel {run}")
    else:
        row = runs.finish(harness.parts, run, status, note=note)
    told(sh, harness)
    sh.document(item(row))
    _line(sh, row)


@app.command("beat")
@command
def beat(ctx: typer.Context, run: Run) -> None:
    """Say that a run of runs start is alive; what runs under githarness run says so by itself.

    Example: githarness runs beat "$GITHARNESS_RUN"
    """
    sh = shell(ctx)
    harness = sh.open()
    alive = guard.beat(harness.parts, run)
    with harness.db.read() as conn:
        row = runs.get(conn, run)
    if not alive:
        raise Conflict(f"run '{run}' has finished already ({row.status})", fix=f"githarness runs show {run}")
    sh.document(item(row))


@app.command("cancel")
@command
def cancel(ctx: typer.Context, run: Run) -> None:
    """End a run with its whole process tree; what it changed so far is captured.

    Example: githarness runs cancel r-01j2x7k3m9q4v8b2n6t0
    """
    sh = shell(ctx)
    done = canceller.cancel(stage(sh, sh.open()), run)
    note_of(sh, done.captured)
    sh.document(item(done.run))
    _line(sh, done.run)
    if done.run.note:
        sh.note(done.run.note)


@dataclass(frozen=True, slots=True)
class More:
    timeout: Annotated[str | None, typer.Option(metavar="T", help="End the process tree after T: 30s, 10m.")] = None
    message: Annotated[str | None, typer.Option("-m", "--message", metavar="MSG", help="The commit's message.")] = None
    env: Annotated[list[str] | None, typer.Option(
        "--env", metavar="VAR=NAME", help="A secret as a variable, as the first run had it; repeatable.")] = None


@app.command("resume")
@command
def resume(ctx: typer.Context, run: Run, *, more: More) -> None:
    """Capture what an interrupted run left in its worktree, and start its command again there, as a run of its own.

    Example: githarness runs resume r-01j2x7k3m9q4v8b2n6t0
    """
    sh = shell(ctx)
    harness = sh.open()
    with harness.db.read() as conn:
        row = runs.get(conn, run)
    running = place.announced(harness.repo)
    order = Order(row.agent, (), clock.seconds(more.timeout) if more.timeout else None, message=more.message,
                  socket=running.socket if running else None, own_stdout=not sh.json, lend=lend(harness, more.env))
    try:
        done = again.resume(stage(sh, harness), row, order, harness.head())
    finally:
        told(sh, harness)
    report(sh, done)


app.command("tail")(runs_watch.tail)
app.command("health")(runs_watch.health)


def item(row: RunRow) -> dict[str, object]:
    found = json.loads(row.outcome or "{}")
    return {
        "run": row.id, "agent": row.agent, "parent": row.parent,
        "chain": [name_of(link) for link in row.chain], "status": row.status,
        "started": clock.rfc3339(row.started), "finished": clock.rfc3339(row.finished) if row.finished else None,
        "tier": row.tier, "start_commit": row.start_commit, "worktree": _worktree(row), "command": row.command[:_LONG],
        "note": row.note, "beat": runs_watch.heard(row), "attempt": row.attempt, "retries": row.retries,
        "once": row.once_key, "exit": found.get("exit"), "held": found.get("held", [])}


def _worktree(row: RunRow) -> str | None:
    """None once it was removed."""
    return row.worktree if row.worktree and Path(row.worktree).is_dir() else None


def _line(sh: Shell, row: RunRow) -> None:
    status = Painted(f"{row.status:9}", _COLOURS[row.status])
    sh.line(row.id, " ", clock.rfc3339(row.started), " ", status, " ", row.agent)
    if row.worktree and (row.status == "interrupted" or (row.status == "open" and guard.is_gone(row))):
        sh.note(f"the runner of {row.id} is gone; githarness runs cancel {row.id} captures what is in its worktree, "
                f"githarness runs resume {row.id} goes on in it")
