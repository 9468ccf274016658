"""The table `events`: what was intended, what became of it, what was refused; rows are only ever added.

An intent without its outcome stands in `open_intents`; after a crash those are what recovery has to look at. Each row
is a leaf of the audit log (`audit.py`) from its first moment on: both are in one transaction.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Sequence

from githarness.audit import line
from githarness.audit.line import Leaf
from githarness.store import audit, exposures
from githarness.store.rows import EventRow

_ADD = "INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_SELECT = """SELECT id, time, kind, agent, human, run, operation, commit_oid, intent, outcome, body,
    coalesce(safe, '{}'), seq FROM events"""


def add(conn: sqlite3.Connection, rows: Iterable[EventRow]) -> None:
    """Adds events; an intent counts as open from here on."""
    rows = tuple(rows)
    _append(conn, rows)
    conn.executemany("INSERT INTO open_intents VALUES (?)", [(row.id,) for row in rows if row.kind == "intent"])
    exposures.sealed_anew(conn, rows)


def close(conn: sqlite3.Connection, outcomes: Iterable[EventRow]) -> None:
    """Adds outcomes; the intents that they name are open no longer."""
    outcomes = tuple(outcomes)
    _append(conn, outcomes)
    conn.executemany("DELETE FROM open_intents WHERE id = ?", [(row.intent,) for row in outcomes])


def _append(conn: sqlite3.Connection, rows: tuple[EventRow, ...]) -> None:
    if not rows:
        return
    log = audit.log(conn)
    tree, seq, salts = log.tree, log.first + log.size, os.urandom(line.SALT * len(rows))
    values = []
    for at, row in enumerate(rows):
        salt = salts[line.SALT * at : line.SALT * (at + 1)]
        leaf = Leaf(seq + at, row.id, float(row.time), *row[2:10], row.safe, line.digest(salt, row.body))
        tree.add(line.line(leaf))
        values.append((*leaf[:11], row.body, leaf.safe, salt, leaf.digest))
    conn.executemany(_ADD, values)
    audit.grown(conn, tree)


def open_intents(conn: sqlite3.Connection) -> Sequence[EventRow]:
    """Oldest first."""
    rows = conn.execute(f"{_SELECT} WHERE id IN (SELECT id FROM open_intents) ORDER BY seq")
    return [EventRow(*row) for row in rows]


def late_intents(conn: sqlite3.Connection, seconds: float) -> Sequence[EventRow]:
    """The intents of the last `seconds` before the newest event, oldest first."""
    late = """WHERE kind = 'intent' AND seq > (SELECT max(seq) - 40000 FROM events) AND body <> ''
        AND time >= (SELECT time FROM events ORDER BY seq DESC LIMIT 1) - ? ORDER BY seq DESC LIMIT 20000"""
    rows = conn.execute(f"{_SELECT} {late}", (seconds,))
    return [EventRow(*row) for row in rows][::-1]


def seq_before(conn: sqlite3.Connection, event: str) -> int:
    """The seq after which come all events whose id, which has their time, is not below this one."""
    row = conn.execute("SELECT min(seq) - 1 FROM events WHERE id >= ?", (event,)).fetchone()
    return int(conn.execute("SELECT coalesce(max(seq), 0) FROM events").fetchone()[0] if row[0] is None else row[0])


def any_open(conn: sqlite3.Connection) -> bool:
    return conn.execute("SELECT 1 FROM open_intents LIMIT 1").fetchone() is not None


def find(conn: sqlite3.Connection, event: str) -> EventRow | None:
    row = conn.execute(f"{_SELECT} WHERE id = ?", (event,)).fetchone()
    return EventRow(*row) if row else None
