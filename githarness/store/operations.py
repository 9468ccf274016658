"""Idempotency keys: which commit answered an operation, and with what, per agent or human."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable


def find(conn: sqlite3.Connection, agent: str, key: str) -> tuple[str, str] | None:
    """The commit and the answer as canonical JSON."""
    row: tuple[str, str] | None = conn.execute(
        "SELECT commit_oid, answer FROM operations WHERE agent = ? AND key = ?", (agent, key)).fetchone()
    return row


def put(conn: sqlite3.Connection, agent: str, key: str, commit: str, answer: str) -> None:
    """Records an operation; one that is recorded already keeps its answer."""
    conn.execute("INSERT INTO operations VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING", (agent, key, commit, answer))


def drop(conn: sqlite3.Connection, agent: str, key: str) -> None:
    conn.execute("DELETE FROM operations WHERE agent = ? AND key = ?", (agent, key))


def forget(conn: sqlite3.Connection, answers: Iterable[tuple[str, str, str]]) -> None:
    """Drops each (agent, key, commit) whose answer is still that commit."""
    conn.executemany("DELETE FROM operations WHERE agent = ? AND key = ? AND commit_oid = ?", answers)
