"""`githarness rollback`: undo exactly what was selected, and show it as a plan that a person can read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

import typer

from githarness import clock
from githarness.cli import out, vault_due
from githarness.cli.cmd_log import shown
from githarness.cli.options import command
from githarness.cli.out import Painted
from githarness.cli.shell import Shell, opened
from githarness.work import rollback as work
from githarness.work import state_undo
from githarness.work.coordination import operator_of
from githarness.work.rollback import Conflict, Report, Selection

_SHOWN = 25  # commits and paths of a plan before "and N more"
_COLOURS = {"conflict": "red", "removed": "yellow", "unchanged": "dim"}
_DIFF = {"+": "green", "-": "red", "@": "cyan"}


class OnConflict(StrEnum):
    stop = "stop"
    skip = "skip"


@dataclass(frozen=True, slots=True)
class Chosen:
    run: Annotated[str | None, typer.Option(metavar="RUN", help="Commits of this run.")] = None
    commit: Annotated[list[str] | None, typer.Option(metavar="C", help="This commit; repeatable.")] = None
    since: Annotated[str | None, typer.Option(metavar="T", help="From T on: RFC 3339, 2h, 3d, yesterday.")] = None
    until: Annotated[str | None, typer.Option(metavar="T", help="Up to T.")] = None
    path: Annotated[list[str] | None, typer.Option(metavar="GLOB", help="Only in matching files; repeatable.")] = None
    with_delegates: Annotated[
        bool, typer.Option("--with-delegates", help="Also what other agents did on its behalf.")
    ] = False
    state: Annotated[bool, typer.Option("--state", help="Also the state entries that it set.")] = False


@command
def rollback(
    ctx: typer.Context,
    agent: Annotated[str | None, typer.Argument(metavar="AGENT", help="Commits of this agent.")] = None,
    *,
    chosen: Chosen,
    on_conflict: Annotated[
        OnConflict, typer.Option(help="Where others built on a selected line: change nothing, or leave that file.")
    ] = OnConflict.stop,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the plan and the diff, change nothing.")] = False,
    message: Annotated[str | None, typer.Option("-m", "--message", metavar="MSG", help="The commit's message.")] = None,
) -> None:
    """Undo the commits of an agent, a run or a time as one new commit; nobody else's lines are touched.

    Example: githarness rollback deployer --since 2h --dry-run
    """
    sh, harness = opened(ctx)
    with sh.progress("replaying") as progress:
        selection = _selection(agent, chosen)

        def commits(look: bool) -> Report:  # noqa: FBT001
            return work.attempt(harness, selection, on_conflict=on_conflict.value, dry_run=look, message=message,
                                progress=progress)

        report = state_undo.attempt(
            harness, operator_of(harness), selection, commits=commits, dry_run=dry_run,
            stop=on_conflict is OnConflict.stop) if chosen.state else commits(dry_run)
    if sh.json:
        sh.document({**(work.stopped(report).document() if report.stopped else {}), **report.document()})
    else:
        _show(sh, report, dry_run=dry_run)
        if report.stopped:
            raise work.stopped(report)
    if report.commit:
        vault_due.remind(sh, harness)
    raise typer.Exit(report.exit_code)


def _selection(agent: str | None, chosen: Chosen) -> Selection:
    now = clock.SYSTEM.now()
    since, until = (clock.instant(text, now) if text is not None else None for text in (chosen.since, chosen.until))
    return Selection(agent, chosen.run, tuple(chosen.commit or ()), since, until, tuple(chosen.path or ()),
                     chosen.with_delegates)


def _show(sh: Shell, report: Report, *, dry_run: bool) -> None:
    if not report.paths:
        sh.line("nothing to roll back")
    if report.selected:
        sh.line(Painted(out.counted(len(report.selected), "commit") + " to undo", "bold"))
        _some(sh, [["  ", *shown(row)] for row in report.selected])
    if report.paths:
        sh.line(Painted(out.counted(len(report.paths), "path"), "bold"))
        _some(sh, [["  ", Painted(f"{one.action:10}", _COLOURS.get(one.action, "green")), f" {one.path}"]
                   for one in report.paths])
    for conflict in report.conflicts:
        _conflict(sh, conflict)
    _some(sh, [[Painted("left out", "yellow"), f" {left.path or (left.commit or '')[:12]}: {left.why}"]
               for left in report.excluded])
    if report.diff:
        sh.line()
        for line in report.diff.split("\n")[:-1]:
            sh.line(Painted(line, _DIFF[line[0]]) if line[:1] in _DIFF else line)
    if report.commit:
        sh.line(Painted("rolled back", "green"), f" as {report.commit}")
        sh.line(f"to undo this: githarness rollback --commit {report.commit[:12]}")
    elif dry_run:
        sh.note("a dry run: nothing was changed")
    elif report.paths and not report.stopped and {one.action for one in report.paths} <= {"unchanged", "conflict"}:
        sh.line("nothing was changed: each of these files is left as it is")


def _some(sh: Shell, lines: Sequence[list[str | Painted]]) -> None:
    for line in lines[:_SHOWN]:
        sh.line(*line)
    if len(lines) > _SHOWN:
        sh.line(f"  … and {len(lines) - _SHOWN} more (all of them with --json)")


def _conflict(sh: Shell, conflict: Conflict) -> None:
    sh.line(Painted("conflict", "red"), f" {conflict.path}: {', '.join(oid[:12] for oid in conflict.commits)}")
    for label, text in (("now", conflict.ours), ("would be", conflict.theirs)):
        for line in text.splitlines() or ["(nothing)"]:
            sh.line(f"    {label:8} | {line}")
