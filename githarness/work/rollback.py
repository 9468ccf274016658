"""Undoes exactly the selected commits, as one new commit by an operator; history is never rewound."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from githarness.errors import Conflict as ConflictError
from githarness.errors import Detail, Dirty, Locked
from githarness.git import refs
from githarness.policy.model import Human
from githarness.seal.signer import Signer
from githarness.store import commits
from githarness.store.commits import CommitFilter
from githarness.store.rows import CommitRow
from githarness.work import operator, people, rollback_plan
from githarness.work.asks import Plan, Progress
from githarness.work.operator import TRIES, Ledger
from githarness.work.rollback_plan import Conflict, PathAction, RollbackPlan
from githarness.work.rollback_select import Excluded, Selection

__all__ = ["Conflict", "Excluded", "PathAction", "Report", "Selection", "attempt", "rollback"]

OnConflict = Literal["stop", "skip"]
_BESIDE = 2  # plans made while others go on writing; the ones after them may be made while they wait


@dataclass(frozen=True, slots=True)
class Report:
    commit: str | None  # None: nothing to roll back, a dry run, or stopped
    reverted: tuple[str, ...]  # with a dry run: what would be
    paths: tuple[PathAction, ...]
    conflicts: tuple[Conflict, ...]
    excluded: tuple[Excluded, ...]
    stopped: bool = False  # on a conflict: nothing was changed
    dirty: tuple[str, ...] = ()  # left as they are, because a person is editing them
    diff: str = ""  # with a dry run
    worktree: str = "none"
    selected: tuple[CommitRow, ...] = ()  # what is undone, or would be

    @property
    def exit_code(self) -> int:
        return 11 if self.stopped else 1 if self.conflicts or self.dirty else 0

    def document(self) -> dict[str, Detail]:
        """The JSON form of CLI.md."""
        shown: dict[str, Detail] = {"diff": self.diff} if self.diff else {}
        return {
            "commit": self.commit,
            "reverted": list(self.reverted),
            "paths": [{"path": one.path, "action": one.action} for one in self.paths],
            "conflicts": [{"path": one.path, "commits": list(one.commits), "ours": one.ours, "theirs": one.theirs}
                          for one in self.conflicts],
            "excluded": [{"commit": one.commit, "why": one.why} if one.commit else {"path": one.path, "why": one.why}
                         for one in self.excluded],
            **shown,
        }


def rollback(ledger: Ledger, selection: Selection, *, on_conflict: OnConflict = "stop", dry_run: bool = False,
             message: str | None = None) -> Report:
    """As `attempt`, but raises errors.Conflict where it stops on one; its details are the report's document."""
    report = attempt(ledger, selection, on_conflict=on_conflict, dry_run=dry_run, message=message)
    if report.stopped and not dry_run:
        raise stopped(report)
    return report


def stopped(report: Report) -> ConflictError:
    where = ", ".join(sorted({f"'{one.path}'" for one in report.conflicts}))
    return ConflictError(f"others have built on the selected lines of {where}; nothing was changed",
                         fix="look with --dry-run, settle these files, or pass --on-conflict skip",
                         details=report.document())


def attempt(ledger: Ledger, selection: Selection, *, on_conflict: OnConflict = "stop", dry_run: bool = False,
            message: str | None = None, progress: Progress | None = None) -> Report:
    """Plans and lands, and plans again where somebody else was faster. Raises Denied for whom is no operator, NotFound
    for an unknown agent, run or commit, Dirty (with "stop"), Locked."""
    human, signer = ledger.human()
    people.require(human, "operator", "rollback")
    one = _Attempt(ledger, selection, stop=on_conflict == "stop")

    def command() -> Plan:
        return _command(one.plan, selection, message, human, signer)

    def again() -> Plan:
        one.make(None)
        if not one.lands:
            raise refs.Moved("what was to be rolled back")
        return command()

    for number in range(TRIES):
        one.make(progress)
        try:
            if dry_run:
                operator.must_be_clean(ledger.parts, () if one.report.stopped else one.plan.changes)
                return replace(one.report, diff=operator.diff(one.plan.changes, ledger.parts.reader))
            if not one.lands:
                return one.report
            done = ledger.local.land(replace(command(), again=again if number >= _BESIDE else None))
            return replace(one.report, commit=done.commit, worktree=done.worktree)
        except refs.Moved:
            continue
        except Dirty as error:
            if on_conflict == "stop":
                raise
            one.skip.update(error.details["paths"])  # type: ignore[arg-type]  # whoever raises Dirty lists paths
    raise Locked("the governed branch kept moving under the rollback", fix="repeat the command")


class _Attempt:
    def __init__(self, ledger: Ledger, selection: Selection, *, stop: bool) -> None:
        self.skip: set[str] = set()
        self._ledger, self._selection, self._stop = ledger, selection, stop

    def make(self, progress: Progress | None) -> None:
        """On head as it is now."""
        self.plan = _planned(self._ledger, self._selection, self.skip, progress)
        self.report = _report(self.plan, self.skip, stop=self._stop)

    @property
    def lands(self) -> bool:
        return bool(self.plan.changes) and not self.report.stopped


def _planned(ledger: Ledger, selection: Selection, skip: set[str], progress: Progress | None) -> RollbackPlan:
    ledger.fresh_index()
    parts = ledger.parts
    with parts.db.read() as conn:
        agent = selection.agent
        if agent and not commits.log(conn, CommitFilter(agent=agent, limit=1)):
            ledger.governance().agent(agent)  # NotFound, unless it has only not written yet
        return rollback_plan.make(conn, parts.reader, selection, skip=skip, progress=progress)


def _report(plan: RollbackPlan, skip: set[str], *, stop: bool) -> Report:
    stopped_here = stop and bool(plan.conflicts)
    reverted = () if stopped_here else tuple(row.oid for row in plan.rows)
    return Report(None, reverted, plan.paths, plan.conflicts, plan.excluded, stopped_here, tuple(sorted(skip)),
                  selected=plan.rows)


def _command(plan: RollbackPlan, selection: Selection, message: str | None, human: Human, signer: Signer) -> Plan:
    subject, _, body = (message or _subject(plan, selection)).strip().partition("\n")
    return Plan("rollback", plan.changes, subject, human, signer, body.strip(), plan.trailers)


def _subject(plan: RollbackPlan, selection: Selection) -> str:
    if len(plan.rows) == 1:
        return f"roll back {plan.rows[0].oid[:12]}: {plan.rows[0].subject[:120]}"
    whose = selection.agent or (f"run {selection.run}" if selection.run else "")
    return f"roll back {len(plan.rows)} commits" + (f" of {whose}" if whose else "")
