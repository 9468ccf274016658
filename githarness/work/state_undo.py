"""Undoes an agent's, or a run's, state entries beside its commits: key by key, as new versions by an operator.

A key goes back to the last value that somebody else gave it. Where somebody else set it later that is a conflict; where
somebody else deleted it the deletion stands. What was undone already is not undone again. Where the value before is no
longer kept that is a conflict too: no older one is taken for it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from githarness import paths
from githarness.store import state
from githarness.store.db import Connection
from githarness.store.state import LOST, Author, Entry
from githarness.work import rollback_select
from githarness.work.coordination import Act, Caller, do
from githarness.work.operator import Ledger
from githarness.work.rollback import Conflict, PathAction, Report, Selection
from githarness.work.rollback_select import Excluded
from githarness.work.state import PREFIX, tell


@dataclass(frozen=True, slots=True)
class Undo:
    latest: Entry
    target: Entry | None  # None: there was nothing before
    conflict: bool
    lost: bool = False  # what was before is no longer kept

    @property
    def path(self) -> str:
        return PREFIX + self.latest.key

    @property
    def value(self) -> str | None:
        return self.target.value if self.target else None


def attempt(ledger: Ledger, caller: Caller, selection: Selection, *, commits: Callable[[bool], Report], dry_run: bool,
            stop: bool) -> Report:
    """`commits`: undoes the commits of the selection, or only says what that would do; with `stop` a conflict of either
    kind stops both. Raises what `rollback.attempt` raises."""
    with ledger.parts.db.read() as conn:
        found = plan(conn, selection)
    stopped = stop and any(one.conflict for one in found)
    report = commits(dry_run or stopped)
    if stopped or report.stopped:
        return _with(ledger, replace(report, stopped=True, reverted=(), diff=""), found)
    if dry_run:
        return _with(ledger, report, found, diff=True)
    return _with(ledger, report, do(ledger.parts, caller, lambda act: _undo(act, selection)))


def plan(conn: Connection, selection: Selection) -> list[Undo]:
    """Nothing where commits were named: a state entry is in none. Raises NotFound for a run that nobody knows."""
    if selection.commits:
        return []
    found = (_of_key(conn, key, versions, selection) for key, versions in _chosen(conn, selection).items()
             if not selection.paths or any(paths.matches(glob, PREFIX + key) for glob in selection.paths))
    return [one for one in found if one]


def _chosen(conn: Connection, wanted: Selection) -> dict[str, set[int]]:
    """Versions by key; with delegates also those that were set for the agent, or in runs that the run has caused."""
    agent, run = wanted.agent, wanted.run
    if wanted.with_delegates and run and agent is None:
        agent, run = rollback_select.agent_of(conn, run), None
    delegates = wanted.with_delegates and agent is not None
    author = Author(None if delegates else agent, run, wanted.since, wanted.until, agent if delegates else None)
    written = {key: {one.number for one in versions
                     if run == wanted.run or rollback_select.caused(conn, one.run, wanted.run)}
               for key, versions in state.written_by(conn, author).items()}
    return {key: numbers for key, numbers in written.items() if numbers}


def _of_key(conn: Connection, key: str, chosen: set[int], wanted: Selection) -> Undo | None:
    marks = state.marks(conn, key)
    undone = [(one.number, one.undoes) for one in marks if one.undoes is not None]

    def stands(number: int) -> bool:
        return not any(before < number < by for by, before in undone)

    live = {number for number in chosen if stands(number)}
    latest = state.latest(conn, key)
    if not live or latest is None:
        return None
    now = latest.version if latest.undoes is None else latest.undoes
    if now not in live:
        return Undo(latest, None, conflict=True) if latest.value is not None else None
    kept = (one.number for one in marks
            if one.number < now and one.undoes is None and one.number not in chosen and stands(one.number))
    target = next(kept, 0)
    first = next(one for one in reversed(marks) if one.number in live and one.number > target)
    if (not target and marks[-1].gap == LOST) or (wanted.since is not None and first.gap):
        return Undo(latest, None, conflict=True, lost=True)
    return Undo(latest, state.version(conn, key, target) if target else None, conflict=False)


def _undo(act: Act, selection: Selection) -> list[Undo]:
    """Planned anew: nobody sets anything meanwhile."""
    act.require("operator", "rollback")
    found = plan(act.conn, selection)
    for one in found:
        if not one.conflict:
            was, number = one.target, state.following(act.conn, one.latest)
            entry = Entry(one.latest.key, number, one.value, None, act.caller.human, act.caller.run, "[]",
                          act.turn.now, *(was[8:11] if was else (None, None, None)), was.version if was else 0)
            state.add(act.conn, entry)
            tell(act, entry, "rollback", outcome="rolled-back")
    return found


def _with(ledger: Ledger, report: Report, found: Sequence[Undo], *, diff: bool = False) -> Report:
    actions = [PathAction(one.path, "conflict" if one.conflict else "removed" if one.value is None else "restored")
               for one in found]
    conflicts = [Conflict(one.path, (), one.latest.value or "", "") for one in found if one.conflict]
    lost = [Excluded("what was there before is no longer kept", path=one.path) for one in found if one.lost]
    shown = "".join(_diff(ledger, one) for one in found if not one.conflict) if diff else ""
    return replace(report, paths=(*report.paths, *actions), conflicts=(*report.conflicts, *conflicts),
                   excluded=(*report.excluded, *lost), diff=report.diff + shown)


def _diff(ledger: Ledger, one: Undo) -> str:
    old, new = ((value + "\n").encode() if value is not None else b"" for value in (one.latest.value, one.value))
    return ledger.parts.reader.unified(old, new, one.path)
