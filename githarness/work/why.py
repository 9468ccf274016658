"""Why a commit is there: what its run had read, what it changed, who allowed it, and whether it rolls back cleanly.

Backwards what `blast` is forwards. The verdict on the commit is that of `verify`; the plan is that of `rollback`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NamedTuple

from githarness.errors import HarnessError, Integrity, NotFound
from githarness.git.reader import Reader
from githarness.policy import approval, trailers
from githarness.policy.approval import Statement
from githarness.policy.model import Grant
from githarness.store import commits, exposures, reads, runs
from githarness.store.db import Connection
from githarness.store.exposures import Exposure
from githarness.store.reads import Read
from githarness.store.rows import ChangeRow, CommitRow
from githarness.work import judge_range, line_origin, rollback_plan
from githarness.work.judge_range import Bench, Range
from githarness.work.judged import Violation
from githarness.work.line_origin import Origin
from githarness.work.operator import Ledger
from githarness.work.parts import Parts
from githarness.work.rollback_plan import RollbackPlan
from githarness.work.rollback_select import Selection, named
from githarness.work.runbook import ASSERTED, name_of

_DECISION = re.compile(r"(\S+) rule=(\S+) grant=(\S+) event=(\S+)")
_LINE = re.compile(r"(.+):([1-9][0-9]{0,8})")


class Changed(NamedTuple):
    """`added` and `removed` count lines; None for what is no text."""

    change: ChangeRow
    added: int | None
    removed: int | None


@dataclass(frozen=True, slots=True)
class Allowed:
    effect: str | None = None
    rule: str | None = None
    grant: Grant | None = None
    event: str | None = None
    approvals: tuple[tuple[str, Statement | None], ...] = ()  # the trailer, and the statement where it is good


@dataclass(frozen=True, slots=True)
class Verdict:
    """`judged`: why nobody could say, else empty."""

    violations: tuple[Violation, ...]
    governed: bool
    judged: str = ""


@dataclass(frozen=True, slots=True)
class Why:
    row: CommitRow
    origin: Origin | None  # of the line that was asked for
    reads: tuple[Read, ...]
    gap: str  # why reads may be missing, else empty
    secrets: tuple[Exposure, ...]  # that its run had used by then
    changed: tuple[Changed, ...]
    allowed: Allowed
    trailers: dict[str, str]
    chain: tuple[tuple[str, bool], ...]  # outermost first, and whether it is asserted only
    verdict: Verdict
    plan: RollbackPlan

    @property
    def clean(self) -> bool:
        return bool(self.plan.changes) and not self.plan.conflicts


def why(ledger: Ledger, target: str) -> Why:
    """`target`: a commit, a path, or PATH:LINE. Raises NotFound, Usage."""
    ledger.fresh_index()
    parts = ledger.parts
    with parts.db.read() as conn:
        row, origin = _target(conn, parts.reader, target)
        seen, gap = _reads(conn, row)
        used = exposures.listed(conn, run=row.run) if row.run else ()
        plan = rollback_plan.make(conn, parts.reader, Selection(commits=(row.oid,)))
    pairs = trailers.parse(parts.reader.commit(row.oid).message)
    links = tuple((name_of(value), value.endswith(" " + ASSERTED)) for key, value in pairs if key == "On-Behalf-Of")
    changed = tuple(_changed(parts.reader, change) for change in row.changes)
    secrets = tuple(one for one in used if one.first < row.time + 1)
    return Why(row, origin, seen, gap, secrets, changed, _allowed(parts, row, pairs), dict(pairs), links,
               _verdict(parts, row), plan)


def _target(conn: Connection, reader: Reader, target: str) -> tuple[CommitRow, Origin | None]:
    """A file that is there comes before a commit of that name."""
    head = commits.head(conn) or ""
    line = _LINE.fullmatch(target)
    if line and _is_file(reader, head, line[1]):
        origin = line_origin.find(conn, reader, line[1], int(line[2]))
        return _row(conn, origin.commit), origin
    if not _is_file(reader, head, target):
        row = named(conn, reader, target)
        if row:
            return row, None
    touches = commits.history(conn, target)
    if not touches:
        raise NotFound(f"'{target}' is no commit of the governed branch and no path that it ever had",
                       fix="githarness log")
    return _row(conn, touches[-1].oid), None


def _is_file(reader: Reader, head: str, path: str) -> bool:
    try:
        return reader.entry(head, path) is not None
    except HarnessError:
        return False


def _row(conn: Connection, oid: str) -> CommitRow:
    row = commits.get(conn, oid)
    if row is None:
        raise NotFound(f"no commit '{oid}' on the governed branch", fix="githarness log")
    return row


def _reads(conn: Connection, row: CommitRow) -> tuple[tuple[Read, ...], str]:
    """The last read of each path before the commit, oldest first."""
    if row.run is None:
        return (), "no run is named"
    decision = _DECISION.fullmatch(row.decision or "")
    start = reads.seqs(conn, [decision[4]]).get(decision[4]) if decision else None
    before = [read for read in reads.of_run(conn, row.run, before=start or 1 << 62) if start or read.time <= row.time]
    run = runs.get(conn, row.run)
    gap = "" if start else "it was not written in this clone, or its event is gone"
    if run and run.worktree:
        gap = f"the run had a worktree of its own at {(run.start_commit or '')[:12]}, where reads are not recorded"
    return tuple(sorted({read.path: read for read in before}.values())), gap


def _changed(reader: Reader, change: ChangeRow) -> Changed:
    old, new = (reader.blob(oid) if oid and mode != "160000" else b"" for oid, mode in (
        (change.old_oid, change.old_mode), (change.new_oid, change.new_mode)))
    if reader.is_binary(old) or reader.is_binary(new):
        return Changed(change, None, None)
    hunks = reader.hunks(old, new)
    return Changed(change, sum(hunk.new_len for hunk in hunks), sum(hunk.old_len for hunk in hunks))


def _allowed(parts: Parts, row: CommitRow, pairs: trailers.Trailers) -> Allowed:
    approvals = tuple((value, _statement(parts.reader, row, value)) for key, value in pairs if key == "Approval")
    found = _DECISION.fullmatch(row.decision or "")
    if found is None:
        return Allowed(approvals=approvals)
    governance = parts.governed.salvaged(row.parents[0]) if row.parents else None
    grant = governance.grants.get(found[3]) if governance else None
    return Allowed(found[1], found[2], grant, found[4], approvals)


def _statement(reader: Reader, row: CommitRow, trailer: str) -> Statement | None:
    path = f"{approval.FOLDER}{trailer.partition(' ')[0]}.json"
    try:
        entry = reader.entry(row.oid, path)
        return approval.parse(reader.blob(entry.oid), path).statement if entry else None
    except Integrity:
        return None


def _verdict(parts: Parts, row: CommitRow) -> Verdict:
    """What `verify` says of this commit, by the state of its first parent."""
    try:
        bench = Bench(parts.reader, parts.clock.now(), ever=parts.governed.ever)
        report = judge_range.judge(bench, Range(row.parents[0] if row.parents else None, row.oid))
    except HarnessError as error:
        return Verdict((), governed=True, judged=error.message)
    violations = tuple(one for one in report.violations if one.commit == row.oid)
    return Verdict(violations, governed=row.oid not in report.ungoverned)
