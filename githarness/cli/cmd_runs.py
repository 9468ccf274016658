"""`githarness runs`: the records of runs; start and finish are for shell scripts and cron."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import typer

from githarness import clock
from githarness.cli import runs_end, runs_watch
from githarness.cli.captured import note_of
from githarness.cli.cmd_run import cause, lend, report, stage, told
from githarness.cli.options import agent_option, command, group
from githarness.cli.runs_shown import LONG, item, line, worktree
from githarness.cli.shell import opened, shell
from githarness.cli.write_options import agent_name
from githarness.daemon import place
from githarness.runner import again
from githarness.runner import cancel as canceller
from githarness.runner.run import Order
from githarness.store import commits
from githarness.store import runs as rows
from githarness.work import runs, runs_context

app = group("Runs: one execution of an agent each, from start to outcome.")
Run = Annotated[str, typer.Argument(metavar="RUN", help="The run.")]


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
        line(sh, row)


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
    sh, harness = opened(ctx)
    harness.fresh_index()
    with harness.db.read() as conn:
        row = runs.get(conn, run)
        made = [one.oid for one in commits.log(conn, commits.CommitFilter(run=run))]
        seen = runs_context.context(harness.parts, conn, row, harness.head()) if context else None
    sh.document({**item(row), "commits": made, **(runs_watch.context_document(seen) if seen else {})})
    line(sh, row)
    for label, value in (("on behalf of", " > ".join(row.chain)), ("parent", row.parent),
                         ("command", row.command[:LONG]), ("worktree", worktree(row)), ("note", row.note),
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
    sh, harness = opened(ctx)
    row = runs.start(harness.parts, agent_name(sh, agent), head=harness.head(), cause=cause(sh, harness, parent))
    sh.document({**item(row), "token_file": str(runs.token_file(harness.repo, row.id))})
    sh.line(row.id)


app.command("finish")(runs_end.finish)
app.command("beat")(runs_end.beat)


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
    line(sh, done.run)
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
    sh, harness = opened(ctx)
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
