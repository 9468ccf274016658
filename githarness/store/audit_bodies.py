"""Bodies of events that may go, and the table `audit_holds` of those that may not; lines and digests always stay."""

from __future__ import annotations

import sqlite3
from typing import NamedTuple

BATCH = 1000  # bodies of one transaction
_CLOSED = "id NOT IN (SELECT id FROM open_intents)"
_HELD = """(id IN (SELECT id FROM audit_holds) OR coalesce(run, '') IN (SELECT id FROM audit_holds)
    OR coalesce(intent, '') IN (SELECT id FROM audit_holds))"""
_OLD = f"seq >= ? AND seq < ? AND time < ? AND salt IS NOT NULL AND {_CLOSED}"


def purgeable(conn: sqlite3.Connection, start: int, end: int, before: float) -> int:
    """How many of the events with these `seq`, without `end`, have a body that may go."""
    return int(conn.execute(f"SELECT count(*) FROM events WHERE {_OLD} AND NOT {_HELD}",
                            (start, end, before)).fetchone()[0])


def held_back(conn: sqlite3.Connection, start: int, end: int, before: float) -> int:
    return int(conn.execute(f"SELECT count(*) FROM events WHERE {_OLD} AND {_HELD}",
                            (start, end, before)).fetchone()[0])


def purge(conn: sqlite3.Connection, start: int, end: int, before: float) -> bool:
    """Overwrites some of them, BATCH at most, and says whether there were any: whoever waits has a turn between two.

    Nothing of a body stays in the file once `Database.flush` has copied the log into it.
    """
    conn.execute("PRAGMA secure_delete = ON")
    some = f"SELECT seq FROM events WHERE {_OLD} AND NOT {_HELD} LIMIT ?"
    done = conn.execute(f"UPDATE events SET body = '', salt = NULL WHERE seq IN ({some})", (start, end, before, BATCH))
    conn.execute("PRAGMA secure_delete = OFF")
    return done.rowcount > 0


def is_there(conn: sqlite3.Connection, what: str) -> bool:
    """Whether an event or a run has this id."""
    return conn.execute("SELECT 1 FROM events WHERE id = ?1 UNION ALL SELECT 1 FROM runs WHERE id = ?1 LIMIT 1",
                        (what,)).fetchone() is not None


def hold(conn: sqlite3.Connection, what: str, now: float, why: str) -> bool:
    """False where it is held already."""
    added = conn.execute("INSERT INTO audit_holds VALUES (?, ?, ?) ON CONFLICT DO NOTHING", (what, now, why))
    return added.rowcount > 0


def release(conn: sqlite3.Connection, what: str) -> bool:
    return conn.execute("DELETE FROM audit_holds WHERE id = ?", (what,)).rowcount > 0


class Hold(NamedTuple):
    id: str
    time: float
    why: str


def holds(conn: sqlite3.Connection) -> list[Hold]:
    """Oldest first."""
    return [Hold(*row) for row in conn.execute("SELECT id, time, why FROM audit_holds ORDER BY time, id")]
