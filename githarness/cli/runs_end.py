"""`githarness runs finish` and `beat`: what a script says of the run that it began."""

from __future__ import annotations

from typing import Annotated

import typer

from githarness.cli.cmd_run import stage, told
from githarness.cli.options import agent_option, command
from githarness.cli.runs_shown import item, line
from githarness.cli.shell import shell
from githarness.errors import Conflict, Usage
from githarness.runner import cancel
from githarness.work import guard, people, runs, runs_own

_Run = Annotated[str, typer.Argument(metavar="RUN", help="The run.")]
_Agent = Annotated[str | None, agent_option("The agent whose run it is [GITHARNESS_AGENT].")]


@command
def finish(
    ctx: typer.Context,
    run: _Run,
    *,
    status: Annotated[str, typer.Option(metavar="ok|failed", help="How it ended.")],
    note: Annotated[str, typer.Option(metavar="TEXT", help="A word on it.")] = "",
    agent: _Agent = None,
) -> None:
    """End a run that runs start began, as that run, its agent or an operator; an operator may say so too how one ended
    that was interrupted.

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
        row = cancel.conclude(stage(sh, harness), row, status, note or "said by an operator").run
    else:
        runs_own.must_be_own(harness, row, agent)
        if row.status == "open" and row.pid:
            raise Conflict(f"run '{run}' ends when its command does", fix=f"githarness runs cancel {run}")
        row = runs.finish(harness.parts, run, status, note=note)
    told(sh, harness)
    sh.document(item(row))
    line(sh, row)


@command
def beat(ctx: typer.Context, run: _Run, *, agent: _Agent = None) -> None:
    """Say that a run of runs start is alive; what runs under githarness run says so by itself.

    Example: githarness runs beat "$GITHARNESS_RUN"
    """
    sh = shell(ctx)
    harness = sh.open()
    with harness.db.read() as conn:
        runs_own.must_be_own(harness, runs.get(conn, run), agent)
    if not guard.beat(harness.parts, run):
        raise Conflict(f"run '{run}' has finished already", fix=f"githarness runs show {run}")
    with harness.db.read() as conn:
        sh.document(item(runs.get(conn, run)))
