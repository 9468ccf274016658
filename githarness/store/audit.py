"""The audit log of this clone as far as it has grown: the one row of `audit`, and the lines that `events` gives.

Events from `first` on are the log's leaves, in the order of `seq`; those before it were recorded by a version without
a log. Whoever adds events brings size and frontier up to date in the same transaction (`events.py`).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from githarness.audit.line import Leaf
from githarness.audit.merkle import Tree
from githarness.errors import Integrity

# An edited database may hold anything in any column: the casts keep each to its type.
_TEXTS = ("kind", "agent", "human", "run", "operation", "commit_oid", "intent", "outcome")
_LEAF = f"""seq, CAST(id AS TEXT), CAST(time AS REAL), {", ".join(f"CAST({name} AS TEXT)" for name in _TEXTS)},
    coalesce(CAST(safe AS TEXT), ''), coalesce(CAST(digest AS BLOB), x'')"""
_LEAVES = f"SELECT {_LEAF} FROM events WHERE seq >= ? AND seq < ? ORDER BY seq"
_RECORDS = f"SELECT {_LEAF}, CAST(salt AS BLOB), CAST(body AS TEXT) FROM events WHERE seq >= ? ORDER BY seq"


@dataclass(frozen=True, slots=True)
class Log:
    id: str
    first: int  # seq of the first leaf
    size: int
    frontier: bytes
    sealed: int  # how many leaves stand in git, as far as the database knows
    sealed_frontier: bytes

    @property
    def tree(self) -> Tree:
        """Raises Integrity."""
        return Tree(self.size, self.frontier)


class Record(NamedTuple):
    """A row of `events` with all that can be checked of it; an edited database may hold anything."""

    leaf: Leaf
    salt: bytes | None
    body: str


def log(conn: sqlite3.Connection) -> Log:
    return Log(*conn.execute("SELECT log, first, size, frontier, sealed, sealed_frontier FROM audit").fetchone())


def grown(conn: sqlite3.Connection, tree: Tree) -> None:
    conn.execute("UPDATE audit SET size = ?, frontier = ?", (tree.size, tree.frontier))


def settle(conn: sqlite3.Connection) -> Log:
    """The log, in a transaction that is on disk when it ends, and with it every event before: others may be told."""
    conn.execute("UPDATE audit SET seals = seals + 1")  # a transaction that changes nothing is not synchronised
    return log(conn)


def sealed(conn: sqlite3.Connection, tree: Tree) -> None:
    conn.execute("UPDATE audit SET sealed = ?, sealed_frontier = ?", (tree.size, tree.frontier))


def time_of(conn: sqlite3.Connection, seq: int) -> float | None:
    row = conn.execute("SELECT time FROM events WHERE seq = ?", (seq,)).fetchone()
    return float(row[0]) if row else None


def leaves(conn: sqlite3.Connection, start: int, end: int) -> Iterator[Leaf]:
    """Of the events with these `seq`, without `end`."""
    return map(Leaf._make, conn.execute(_LEAVES, (start, end)))


def records(conn: sqlite3.Connection, start: int) -> Iterator[Record]:
    """From this `seq` on, without an end. Raises Integrity where a row is no text."""
    rows = conn.execute(_RECORDS, (start,))
    try:
        for row in rows:
            yield Record(Leaf._make(row[:13]), row[13], row[14])
    except sqlite3.Error as error:
        raise Integrity(f"an event cannot be read: {error}", fix="githarness audit verify") from error


class Told(NamedTuple):
    """An event with its outcome, where another row has that."""

    leaf: Leaf
    outcome: str | None


@dataclass(frozen=True, slots=True)
class EventFilter:
    """What the columns tell; times are Unix seconds. Without `kind`, outcomes are told with their intents."""

    agent: str | None = None
    run: str | None = None
    kind: str | None = None
    outcome: str | None = None
    since: float | None = None
    until: float | None = None
    after: int = 0  # seq


_PLAIN = ", ".join(f"CAST(events.{name} AS TEXT)" for name in _TEXTS)
_TOLD = f"""SELECT events.seq, events.id, CAST(events.time AS REAL), {_PLAIN},
    coalesce(CAST(events.safe AS TEXT), '{{}}'), coalesce(events.digest, x''),
    coalesce(events.outcome, ended.outcome) AS told
    FROM events LEFT JOIN events AS ended ON events.kind = 'intent' AND ended.id = events.id || '.o'
    WHERE events.seq > ? AND """


def told(conn: sqlite3.Connection, wanted: EventFilter, *, oldest_first: bool) -> Iterator[Told]:
    clauses: dict[str, object] = {
        "events.agent = ?": wanted.agent, "events.run = ?": wanted.run, "events.kind = ?": wanted.kind,
        "told = ?": wanted.outcome, "events.time >= ?": wanted.since, "events.time <= ?": wanted.until}
    chosen = {clause: value for clause, value in clauses.items() if value is not None}
    where = " AND ".join([*chosen, "1" if wanted.kind else "events.kind <> 'outcome'"])
    rows = conn.execute(f"{_TOLD} {where} ORDER BY events.seq {'ASC' if oldest_first else 'DESC'}",
                        (wanted.after, *chosen.values()))
    return (Told(Leaf._make(row[:13]), row[13]) for row in rows)
