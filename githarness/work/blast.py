"""How far writes reached: which runs saw what they produced, what those wrote afterwards, who saw that, and so on.

A version of a text has what a commit did as long as it has one of the lines that the commit added, or lacks one that it
took out; of other files the very blob counts. What runs read in worktrees of their own is known by their writes only.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from heapq import heappop, heappush
from typing import NamedTuple

from githarness.errors import Usage
from githarness.git.reader import Reader
from githarness.store import commits, reads, runs
from githarness.store.commits import CommitFilter
from githarness.store.db import Connection
from githarness.store.reads import Read
from githarness.store.rows import ChangeRow, CommitRow, RunRow
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
    """Follows at most so many commits beside those named. Raises NotFound for an unknown agent, run or commit, Usage
    where nothing is named."""
    if selection == Selection():
        raise Usage("nothing is named", fix="githarness blast AGENT, or --run, --commit")
    ledger.fresh_index()
    with ledger.parts.db.read() as conn:
        rows, _ = select(conn, ledger.parts.reader, selection)
        if not rows and selection.agent:
            ledger.governance().agent(selection.agent)
        search = _Search(conn, ledger.parts.reader, most)
        roots = search.run(rows)
        unseen = _unseen(conn, rows, search.reached)
    return Blast(roots, tuple(search.nodes.values()), unseen, search.complete)


def _unseen(conn: Connection, rows: list[CommitRow], reached: set[str]) -> tuple[RunRow, ...]:
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
    """Reads are taken in the order in which they happened, so that each run is met at its first and once."""

    def __init__(self, conn: Connection, reader: Reader, most: int) -> None:
        self.nodes: dict[str, Node] = {}
        self.reached: set[str] = set()
        self.complete = True
        self._conn, self._left = conn, most
        self._gone = {oid for row in commits.rollbacks(conn) for oid in row.rolls_back}
        self._children = _children(runs.list(conn))
        self._files = lru_cache(maxsize=None)(lambda path: _File(conn, path))
        self._contents = _Contents(reader)
        self._watches = 0
        self._next: list[tuple[int, int, Read, _Watch]] = []  # a heap: of each watch the next read

    def run(self, rows: list[CommitRow]) -> tuple[Node, ...]:
        roots = tuple(self._node(row, 0) for row in rows)
        while self._next and self.complete:
            _, number, read, watch = heappop(self._next)
            change = watch.change
            if read.run not in self.reached and self._contents.has(change.old_oid, change.new_oid, read.blob):
                self._reach(watch.node, read)
            self._push(number, watch)
        return roots

    def _reach(self, node: Node, read: Read) -> None:
        self.reached.add(read.run)
        after = [row for row in self._afterwards(read) if row.oid not in self.nodes]
        room = self._left if node.depth < _DEEPEST else 0
        self.complete = len(after) <= room
        nodes = [self._node(row, node.depth + 1) for row in after[:room]]
        self._left -= len(nodes)
        node.reached.append(Reached(read, nodes))

    def _node(self, row: CommitRow, depth: int) -> Node:
        node = self.nodes[row.oid] = Node(row, row.oid in self._gone, depth)
        start = self._event_of([row]).get(row.oid, 0)
        for change in row.changes:
            for path, since, until in self._names(change.path, row.seq) if change.new_oid else ():
                found = self._files(path).seen(since, until, after=start)
                late = (read for read in found if read.run not in self.reached and (start or read.time >= row.time))
                self._watches += 1
                self._push(self._watches, _Watch(node, change, late))
        return node

    def _push(self, number: int, watch: _Watch) -> None:
        read = next(watch.reads, None)
        if read:
            heappush(self._next, (read.seq, number, read, watch))

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


class _Watch(NamedTuple):
    """What a commit did to a file, and who saw the file since, in the order in which they did."""

    node: Node
    change: ChangeRow
    reads: Iterator[Read]


class _File:
    """All versions that one path ever had, and who saw them."""

    def __init__(self, conn: Connection, path: str) -> None:
        touches = commits.history(conn, path)
        self._moves = [(touch.seq, new) for touch in touches for old, new in touch.renames if old == path]
        self._last = {touch.new_oid: touch.seq for touch in touches if touch.new_oid}
        shown = json.loads(audit_record.shown({"path": path})).get("path")  # as an event says it
        found = [read for read in reads.of_blobs(conn, self._last) if read.path == shown]
        found += reads.bases(conn, path, [(touch.seq, touch.old_oid) for touch in touches])
        self._reads = sorted(read for read in found if read.blob in self._last)

    def seen(self, since: int, until: int, *, after: int) -> Iterator[Read]:
        """Reads after an event of versions that commits between these two made, or made again."""
        for read in self._reads[bisect_right(self._reads, after, key=lambda read: read.seq):]:
            if since <= self._last[read.blob] < until:
                yield read

    def moved(self, seq: int) -> tuple[int, str] | None:
        """The commit after this one that gave the file another name, and that name."""
        return next((move for move in self._moves if move[0] > seq), None)


class _Contents:
    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._lines = lru_cache(maxsize=256)(self._read)

    def has(self, old: str | None, new: str | None, blob: str) -> bool:
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
