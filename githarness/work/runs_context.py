"""What a run worked with: the commit that it is pinned to, the blobs that it read, and what has changed since then."""

from __future__ import annotations

from typing import NamedTuple

from githarness.store import commits, reads
from githarness.store.commits import CommitFilter
from githarness.store.db import Connection
from githarness.store.reads import Read
from githarness.store.rows import RunRow
from githarness.work.parts import Parts

_ALL = (1 << 62) - 1


class Drift(NamedTuple):
    """A path that is not any more what the run read, by another's doing. `now`: None where nothing is there."""

    path: str
    read: str
    now: str | None
    commit: str | None  # the last that changed it, as far as the index knows
    agent: str | None


class Context(NamedTuple):
    read: tuple[Read, ...]  # what it read last of each path, in the order of reading
    drift: tuple[Drift, ...]


def context(parts: Parts, conn: Connection, row: RunRow, head: str) -> Context:
    """By the events of this clone and a fresh index. What lay in a worktree of its own it has by its start commit."""
    last = {one.path: one for one in reads.of_run(conn, row.id, before=_ALL)}
    own = _written(conn, row.id)
    drift = []
    for path, one in last.items():
        entry = parts.reader.entry(head, path)
        now = entry.oid if entry else None
        if now not in (one.blob, own.get(path, one.blob)):
            drift.append(_drift(conn, one, now))
    return Context(tuple(sorted(last.values(), key=lambda one: one.seq)), tuple(drift))


def _written(conn: Connection, run: str) -> dict[str, str | None]:
    """The blobs that the run itself left, by path."""
    made = commits.log(conn, CommitFilter(run=run))
    return {change.path: change.new_oid for commit in reversed(made) for change in commit.changes}


def _drift(conn: Connection, one: Read, now: str | None) -> Drift:
    touches = [touch for touch in commits.history(conn, one.path) if touch.main and touch.new_oid == now]
    last = touches[-1] if touches else None
    return Drift(one.path, one.blob, now, last.oid if last else None, last.agent if last else None)
