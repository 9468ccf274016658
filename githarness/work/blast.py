"""How far writes reached: which runs saw what they produced, what those wrote afterwards, who saw that, and so on.

A version of a text has what a commit did as long as it has one of the lines that the commit added, or lacks one that it
took out; of other files the very blob counts. What runs read in worktrees of their own is known by their writes only.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_left
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple

from githarness.git.reader import Reader
from githarness.store import commits, reads, runs
from githarness.store.commits import CommitFilter
from githarness.store.db import Connection
from githarness.store.reads import Read
from githarness.store.rows import ChangeRow, CommitRow, RunRow, Touch
from githarness.work import audit_record
from githarness.work.operator import Ledger
from githarness.work.rollback_select import Selection, select

_DEEPEST = 60  # links from cause to effect
_EVENT = re.compile(r"\bevent=(\S+)")


@dataclass(slots=True)
class Reached:
    """A run that saw what a commit produced, and what it, or runs that it began, wrote afterwards."""

    read: Read
    commits: list[Node]


@dataclass(slots=True)
class Node:
    row: CommitRow
    gone: bool  # rolled back already
    depth: int
    reached: list[Reached] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Blast:
    roots: tuple[Node, ...]
    nodes: tuple[Node, ...]  # every commit once, roots too
    unseen: tuple[RunRow, ...]  # runs with a worktree that had the files: what they read there is not on record
    complete: bool

    @property
    def consider(self) -> list[str]:
        """The commits that still stand, newest first."""
        standing = [node.row for node in self.nodes if not node.gone]
        return [row.oid for row in sorted(standing, key=lambda row: -row.seq)]

    @property
    def command(self) -> str | None:
        named = " ".join(f"--commit {oid[:12]}" for oid in self.consider)
        return f"githarness rollback {named} --dry-run" if named else None


def blast(ledger: Ledger, selection: Selection, *, most: int = 500) -> Blast:
    """Follows at most so many commits. Raises NotFound for an unknown agent, run or commit, Usage for none."""
    ledger.fresh_index()
    with ledger.parts.db.read() as conn:
        rows, _ = select(conn, selection)
        if not rows and selection.agent:
            ledger.governance().agent(selection.agent)
        search = _Search(conn, ledger.parts.reader, most)
        roots = search.run(rows)
        unseen = _unseen(conn, rows, search.since)
    return Blast(roots, tuple(search.nodes.values()), unseen, search.complete)


def _unseen(conn: Connection, rows: list[CommitRow], reached: dict[str, int]) -> tuple[RunRow, ...]:
    """Runs whose worktree was made of one of these commits, or of a later one, and that are not known to have seen."""
    own = {row.run for row in rows}
    first = min((row.seq for row in rows), default=0)
    found = []
    for run in runs.list(conn) if rows else ():
        start = commits.place(conn, run.start_commit) if run.worktree and run.start_commit else None
        if start and start.seq >= first and run.id not in own and run.id not in reached:
            found.append(run)
    return tuple(found)


class _Search:
    def __init__(self, conn: Connection, reader: Reader, most: int) -> None:
        self.nodes: dict[str, Node] = {}
        self.since: dict[str, int] = {}  # run -> the event with which it first saw something
        self.complete = True
        self._conn, self._most = conn, most
        self._gone = {oid for row in commits.rollbacks(conn) for oid in row.rolls_back}
        self._children = _children(runs.list(conn))
        self._files = lru_cache(maxsize=None)(lambda path: _File(conn, path))
        self._contents = _Contents(reader)
        self._queue: deque[Node] = deque()

    def run(self, rows: list[CommitRow]) -> tuple[Node, ...]:
        roots = tuple(self._nodes(rows, 0))
        while self._queue:
            node = self._queue.popleft()
            for read in self._seen(node.row):
                if read.seq < self.since.get(read.run, 1 << 62):
                    self.since[read.run] = read.seq
                    node.reached.append(Reached(read, list(self._nodes(self._afterwards(read), node.depth + 1))))
        return roots

    def _nodes(self, rows: Iterable[CommitRow], depth: int) -> Iterator[Node]:
        for row in rows:
            if row.oid in self.nodes:
                continue
            if len(self.nodes) >= self._most or depth > _DEEPEST:
                self.complete = False
                return
            node = self.nodes[row.oid] = Node(row, row.oid in self._gone, depth)
            self._queue.append(node)
            yield node

    def _seen(self, row: CommitRow) -> list[Read]:
        """Who saw what a commit produced, after it, in the order of events; of each run the first time."""
        start = self._event_of([row]).get(row.oid, 0)
        first: dict[str, Read] = {}
        for change in row.changes:
            for read in self._of_change(row, change):
                late = read.seq > start if start else read.time >= row.time
                if late and (read.run not in first or read.seq < first[read.run].seq):
                    first[read.run] = read
        return sorted(first.values())

    def _of_change(self, row: CommitRow, change: ChangeRow) -> Iterator[Read]:
        """Reads of all versions from the commit on, at whatever name they were, that have what it did."""
        if change.new_oid is None:
            return
        for path, since, until in self._names(change.path, row.seq):
            for read in self._files(path).between(since, until):
                known = read.seq >= self.since.get(read.run, 1 << 62)
                if not known and self._contents.has(change.old_oid, change.new_oid, read.blob):
                    yield read

    def _names(self, path: str, seq: int) -> Iterator[tuple[str, int, int]]:
        """The names that a file had from a commit on, each with the commits between which it had it."""
        seen: set[str] = set()
        while path not in seen:
            seen.add(path)
            moved = self._files(path).moved(seq)
            yield path, seq, moved[0] if moved else 1 << 62
            if not moved:
                return
            seq, path = moved

    def _afterwards(self, read: Read) -> list[CommitRow]:
        """Oldest first: of the run, and all of the runs that it began since."""
        begun = self._begun(read.run, read.time)
        rows = [row for run in begun for row in commits.log(self._conn, CommitFilter(run=run))]
        events = self._event_of(rows)
        late = [row for row in rows if row.run != read.run or (
            events[row.oid] > read.seq if row.oid in events else row.time >= read.time)]
        return sorted(late, key=lambda row: row.seq)

    def _begun(self, run: str, time: float) -> list[str]:
        found = [run]
        for name in found:
            found += [child.id for child in self._children.get(name, ()) if child.started >= time
                      and child.id not in found]
        return found

    def _event_of(self, rows: list[CommitRow]) -> dict[str, int]:
        """The `seq` of the intents by commit, where this clone made them."""
        names = {row.oid: found[1] for row in rows if row.decision and (found := _EVENT.search(row.decision))}
        seqs = reads.seqs(self._conn, names.values())
        return {oid: seqs[name] for oid, name in names.items() if name in seqs}


def _children(rows: Iterable[RunRow]) -> dict[str, list[RunRow]]:
    found: dict[str, list[RunRow]] = {}
    for row in rows:
        if row.parent:
            found.setdefault(row.parent, []).append(row)
    return found


class _Seen(NamedTuple):
    last: int  # the commit that last made the version
    read: Read


class _File:
    """All versions that one path ever had, and who saw them."""

    def __init__(self, conn: Connection, path: str) -> None:
        self._path = path
        self._touches = commits.history(conn, path)
        last = {touch.new_oid: touch.seq for touch in self._touches if touch.new_oid}
        shown = json.loads(audit_record.shown({"path": path})).get("path")  # as an event says it
        found = [read for read in reads.of_blobs(conn, last) if read.path == shown]
        found += reads.bases(conn, path, [(touch.seq, touch.old_oid) for touch in self._touches])
        self._seen = sorted(_Seen(last[read.blob], read) for read in found if read.blob in last)

    def between(self, since: int, until: int) -> Iterator[Read]:
        for last, read in self._seen[bisect_left(self._seen, (since,)):]:
            if last < until:
                yield read

    def moved(self, seq: int) -> tuple[int, str] | None:
        """The commit after this one that gave the file another name, and that name."""
        later: Iterator[Touch] = (touch for touch in self._touches if touch.seq > seq and touch.renames)
        return next(((touch.seq, new) for touch in later for old, new in touch.renames if old == self._path), None)


class _Contents:
    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._lines = lru_cache(maxsize=256)(self._read)

    def has(self, old: str | None, new: str, blob: str) -> bool:
        """Whether a version still has what the change of `old` into `new` did."""
        if blob == new:
            return True
        before, after, here = self._lines(old), self._lines(new), self._lines(blob)
        if before is None or after is None or here is None:
            return False
        return not here.isdisjoint(after - before) or not (before - after) <= here

    def _read(self, oid: str | None) -> frozenset[bytes] | None:
        """The lines that are not blank; None for what is no text."""
        data = self._reader.blob(oid) if oid else b""
        return None if self._reader.is_binary(data) else frozenset(data.split(b"\n")) - {b""}
