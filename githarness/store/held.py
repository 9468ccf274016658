"""Held changes: what could not land yet; the content is kept by `refs/githarness/held/<id>`, this is the record."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from typing import Any

from githarness.store.rows import HeldRow

_SELECT = "SELECT id, agent, run, time, why, base, commit_oid, paths, message FROM held"


def add(conn: sqlite3.Connection, row: HeldRow) -> None:
    conn.execute(
        "INSERT INTO held VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (row.id, row.agent, row.run, row.time, row.why, row.base, row.commit_oid, json.dumps(row.paths), row.message))


def get(conn: sqlite3.Connection, held: str) -> HeldRow | None:
    row = conn.execute(f"{_SELECT} WHERE id = ?", (held,)).fetchone()
    return _row(row) if row else None


def list(conn: sqlite3.Connection) -> Sequence[HeldRow]:
    """Oldest first."""
    return [_row(row) for row in conn.execute(f"{_SELECT} ORDER BY id")]


def drop(conn: sqlite3.Connection, held: str) -> None:
    conn.execute("DELETE FROM held WHERE id = ?", (held,))


def _row(row: tuple[Any, ...]) -> HeldRow:
    held, agent, run, time, why, base, commit_oid, paths, message = row
    return HeldRow(held, agent, run, time, why, base, commit_oid, tuple(json.loads(paths)), message)
