"""The commit index as a function of git alone: which rows it has, in which order, and how it follows the branch.

Order: the first-parent chain, oldest first; right before each merge the commits that it brought in, parents before
children, the merge's parents in their order. Rows up to a commit of the chain depend on that commit only, so a rewound
or rebased branch is followed by cutting the index behind the last commit that both chains have, and going on there.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from githarness import canon
from githarness.git.objects import PathChange
from githarness.git.reader import Commit, Reader
from githarness.policy import renames, trailers
from githarness.store import commits, operations
from githarness.store.db import Connection, Database
from githarness.store.rows import ChangeRow, CommitRow
from githarness.work.asks import Progress

Verify = Callable[[Commit], bool]
_CHUNK = 500  # commits per transaction: writers of other processes wait no longer than that takes
_OID = re.compile(r"[0-9a-f]{40}")
_EVENT = re.compile(r"\bevent=(\S+)")


@dataclass(frozen=True, slots=True)
class IndexStatus:
    indexed: str | None
    head: str | None
    commits: int

    @property
    def current(self) -> bool:
        return self.indexed == self.head


def status(db: Database, head: str | None) -> IndexStatus:
    with db.read() as conn:
        return IndexStatus(commits.head(conn), head, commits.count(conn))


def update(db: Database, reader: Reader, head: str | None, verify: Verify, progress: Progress | None = None) -> int:
    """Makes the index that of `head`, None for an unborn branch; how many commits were added. Safe beside others."""
    return _Follower(db, reader, head, verify).run(progress, fresh=False)


def rebuild(db: Database, reader: Reader, head: str | None, verify: Verify, progress: Progress | None = None) -> int:
    """The same from nothing. Operations that are known stay known while it runs."""
    return _Follower(db, reader, head, verify).run(progress, fresh=True)


def row_of(commit: Commit, changes: Sequence[PathChange], verify: Verify, *, main: bool = True) -> CommitRow:
    """What the index says about a commit. Whom its trailers name is a claim; `signed`: that `verify` believes it."""
    named, signed = _Named(trailers.parse(commit.message)), verify(commit)
    # Whoever says falsely that a commit was undone would keep it from being undone: people sign what they roll back.
    undone = named.all("Rolls-Back") if signed and named.one("Human") else ()
    return CommitRow(
        commit.oid, commit.parents, main, commit.time, commit.author, trailers.subject_of(commit.message),
        agent=named.one("Agent"), human=named.one("Human"), run=named.one("Run"),
        chain=tuple(value.split(" ")[0] for value in named.all("On-Behalf-Of")), operation=named.one("Operation"),
        decision=named.one("Decision"), signed=signed,
        rolls_back=tuple(value for value in undone if _OID.fullmatch(value)),
        renames=tuple(pair for value in named.all("Rename") if (pair := renames.parse(value))),
        changes=tuple(map(_change, changes)))


def answer_of(row: CommitRow) -> str:
    """The answer of an operation as its commit alone tells it: the form that `work/group.py` stores."""
    event = _EVENT.search(row.decision or "")
    paths = [[change.path, change.new_oid, change.old_oid, False] for change in row.changes]
    return canon.dumps({"event": event[1] if event else None, "paths": paths})


class _Follower:
    """One update: works from snapshots, outside of any lock, and starts again where somebody else was faster."""

    def __init__(self, db: Database, reader: Reader, head: str | None, verify: Verify) -> None:
        self.db, self.reader, self.head, self.verify = db, reader, head, verify
        self.added = 0
        self._known = 0  # rows up to this seq stay as they are
        self._seen: set[str] = set()  # commits that this attempt adds
        self._gone: set[tuple[str, str, str]] = set()  # operations whose commits were cut off
        self._again: list[tuple[str, str, str, str]] = []  # those of them that came back

    def run(self, progress: Progress | None, *, fresh: bool) -> int:
        while not self._attempt(progress, fresh=fresh and self.added == 0):
            self._seen.clear()
        return self.added

    def _attempt(self, progress: Progress | None, *, fresh: bool) -> bool:
        with self.db.read() as conn:
            at = commits.head(conn)
            fork, chain = self._missing(conn, fresh=fresh)
        if not chain and fork == at:
            return True
        cut = fresh or fork != at
        for done, rows in self._chunks(chain):
            if not self._store(at, rows, cut=cut, fork=fork):
                return False
            at, cut = (rows[-1].oid if rows else fork), False
            if progress:
                progress(done, len(chain))
        return True

    def _missing(self, conn: Connection, *, fresh: bool) -> tuple[str | None, list[str]]:
        """The commit of the chain behind which to go on, and the chain from there to head, oldest first."""
        chain: list[str] = []
        oid = self.head
        self._known = 0
        while oid is not None:
            place = None if fresh else commits.place(conn, oid)
            if place and place.main:
                self._known = place.seq
                break
            chain.append(oid)
            oid = next(iter(self.reader.commit(oid).parents), None)
        return oid, chain[::-1]

    def _chunks(self, chain: Sequence[str]) -> Iterator[tuple[int, list[CommitRow]]]:
        """Rows that end in a commit of the chain, with its number; a last chunk always, if need be an empty one."""
        rows: list[CommitRow] = []
        for number, oid in enumerate(chain, 1):
            commit = self.reader.commit(oid)
            rows += [self._row(side, main=False) for side in self._brought_in(commit)]
            rows.append(self._row(commit, main=True))
            self._seen.add(oid)
            if len(rows) >= _CHUNK and number < len(chain):
                yield number, rows
                rows = []
        yield len(chain), rows

    def _brought_in(self, merge: Commit) -> Iterator[Commit]:
        """What a merge made reachable, depth first, parents before children."""
        stack = list(merge.parents[:0:-1])
        while stack:
            if self._has(stack[-1]):
                stack.pop()
                continue
            commit = self.reader.commit(stack[-1])
            missing = [parent for parent in commit.parents if not self._has(parent)]
            stack += missing[::-1]
            if not missing:
                self._seen.add(stack.pop())
                yield commit

    def _has(self, oid: str) -> bool:
        if oid in self._seen:
            return True
        with self.db.read() as conn:
            place = commits.place(conn, oid)
        return place is not None and place.seq <= self._known

    def _row(self, commit: Commit, *, main: bool) -> CommitRow:
        return row_of(commit, self.reader.changes(commit.oid), self.verify, main=main)

    def _store(self, at: str | None, rows: Sequence[CommitRow], *, cut: bool, fork: str | None) -> bool:
        with self.db.write(durable=False) as conn:
            if commits.head(conn) != at:
                return False
            if cut:
                self._gone |= commits.cut(conn, fork)
            commits.extend(conn, rows)
            self._answer(conn, rows)
            if not rows or rows[-1].oid == self.head:
                self._settle(conn)
        self.added += len(rows)
        return True

    def _answer(self, conn: Connection, rows: Sequence[CommitRow]) -> None:
        """Operations of signed commits; the oldest commit of an operation is its answer."""
        gone = {(who, key) for who, key, _ in self._gone}
        for row in rows:
            who = row.agent or row.human
            if row.signed and row.operation and who:
                operations.put(conn, who, row.operation, row.oid, answer := answer_of(row))
                if (who, row.operation) in gone:
                    self._again.append((who, row.operation, row.oid, answer))

    def _settle(self, conn: Connection) -> None:
        """Only now, so that a repetition meanwhile still found its answer."""
        operations.forget(conn, self._gone)
        for who, key, oid, answer in self._again:
            operations.put(conn, who, key, oid, answer)


class _Named:
    """Trailers by name."""

    def __init__(self, pairs: Sequence[tuple[str, str]]) -> None:
        self._pairs = pairs

    def all(self, name: str) -> list[str]:
        return [value for key, value in self._pairs if key == name and value]

    def one(self, name: str) -> str | None:
        return next(iter(self.all(name)), None)


def _change(change: PathChange) -> ChangeRow:
    old, new = change.old, change.new
    return ChangeRow(change.path, old.mode if old else None, old.oid if old else None,
                     new.mode if new else None, new.oid if new else None)
