"""Bases: the blob that a run last saw or wrote whole at a path, which the stale-write guard compares with head."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping

_PUT = """INSERT INTO bases VALUES (?, ?, ?)
    ON CONFLICT DO UPDATE SET blob = excluded.blob WHERE blob <> excluded.blob"""


def get(conn: sqlite3.Connection, run: str, path: str) -> str | None:
    row = conn.execute("SELECT blob FROM bases WHERE run = ? AND path = ?", (run, path)).fetchone()
    return None if row is None else str(row[0])


def seen(conn: sqlite3.Connection, run: str) -> dict[str, str]:
    """All that the run has seen, by path."""
    return dict(conn.execute("SELECT path, blob FROM bases WHERE run = ?", (run,)))


def put(conn: sqlite3.Connection, run: str, blobs: Mapping[str, str]) -> None:
    conn.executemany(_PUT, [(run, path, blob) for path, blob in blobs.items()])


def drop(conn: sqlite3.Connection, run: str, paths: Iterable[str]) -> None:
    conn.executemany("DELETE FROM bases WHERE run = ? AND path = ?", [(run, path) for path in paths])


def forget(conn: sqlite3.Connection, run: str) -> None:
    """All of a run that has ended."""
    conn.execute("DELETE FROM bases WHERE run = ?", (run,))


def _key(path: str) -> bytes:
    return path.encode("utf-8", "surrogateescape")
