"""The table `events`: what was intended, what became of it, what was refused; rows are only ever added.

An intent without its outcome stands in `open_intents`; after a crash those are what recovery has to look at.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence

from githarness.store.rows import EventRow

_COLUMNS = "id, time, kind, agent, human, run, operation, commit_oid, intent, outcome, body"
_ADD = f"INSERT INTO events ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_SELECT = f"SELECT {_COLUMNS}, seq FROM events"


def add(conn: sqlite3.Connection, rows: Iterable[EventRow]) -> None:
    """Adds events; an intent counts as open from here on."""
    rows = tuple(rows)
    conn.executemany(_ADD, map(_values, rows))
    conn.executemany("INSERT INTO open_intents VALUES (?)", [(row.id,) for row in rows if row.kind == "intent"])


def close(conn: sqlite3.Connection, outcomes: Iterable[EventRow]) -> None:
    """Adds outcomes; the intents that they name are open no longer."""
    outcomes = tuple(outcomes)
    conn.executemany(_ADD, map(_values, outcomes))
    conn.executemany("DELETE FROM open_intents WHERE id = ?", [(row.intent,) for row in outcomes])


def open_intents(conn: sqlite3.Connection) -> Sequence[EventRow]:
    """Oldest first."""
    rows = conn.execute(f"{_SELECT} WHERE id IN (SELECT id FROM open_intents) ORDER BY seq")
    return [EventRow(*row) for row in rows]


def late_intents(conn: sqlite3.Connection, seconds: float) -> Sequence[EventRow]:
    """The intents of the last `seconds` before the newest event, oldest first."""
    late = """WHERE kind = 'intent' AND seq > (SELECT max(seq) - 40000 FROM events)
        AND time >= (SELECT time FROM events ORDER BY seq DESC LIMIT 1) - ? ORDER BY seq DESC LIMIT 20000"""
    rows = conn.execute(f"{_SELECT} {late}", (seconds,))
    return [EventRow(*row) for row in rows][::-1]


def any_open(conn: sqlite3.Connection) -> bool:
    return conn.execute("SELECT 1 FROM open_intents LIMIT 1").fetchone() is not None


def find(conn: sqlite3.Connection, event: str) -> EventRow | None:
    row = conn.execute(f"{_SELECT} WHERE id = ?", (event,)).fetchone()
    return EventRow(*row) if row else None


def _values(row: EventRow) -> tuple[object, ...]:
    return (row.id, row.time, row.kind, row.agent, row.human, row.run, row.operation, row.commit_oid, row.intent,
            row.outcome, row.body)
