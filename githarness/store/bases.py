"""Bases: the blob that a run last saw or wrote whole at a path, which the stale-write guard compares with head.

Paths are kept as bytes: one that is not UTF-8 may be a file of a worktree, though never an artifact.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping

from githarness import clock

_PUT = """INSERT INTO bases VALUES (?, ?, ?)
    ON CONFLICT DO UPDATE SET blob = excluded.blob WHERE blob <> excluded.blob"""
_IDLE = """SELECT DISTINCT bases.run FROM bases JOIN runs ON runs.id = bases.run
    WHERE runs.started < ? AND runs.worktree IS NULL
    AND runs.id NOT IN (SELECT run FROM events WHERE id >= ? AND run IS NOT NULL)"""


def get(conn: sqlite3.Connection, run: str, path: str) -> str | None:
    row = conn.execute("SELECT blob FROM bases WHERE run = ? AND path = ?", (run, _key(path))).fetchone()
    return None if row is None else str(row[0])


def readers(conn: sqlite3.Connection, path: str) -> int:
    """How many runs that are not forgotten have read the path, or written it whole."""
    return int(conn.execute("SELECT count(*) FROM bases WHERE path = ?", (_key(path),)).fetchone()[0])


def recorded_since(conn: sqlite3.Connection) -> float:
    """The time from which on this clone knows who read what."""
    return float(conn.execute("SELECT min(applied) FROM migrations").fetchone()[0])


def seen(conn: sqlite3.Connection, run: str) -> dict[str, str]:
    """All that the run has seen, by path."""
    rows = conn.execute("SELECT path, blob FROM bases WHERE run = ?", (run,))
    return {path.decode("utf-8", "surrogateescape"): blob for path, blob in rows}


def put(conn: sqlite3.Connection, run: str, blobs: Mapping[str, str]) -> None:
    conn.executemany(_PUT, [(run, _key(path), blob) for path, blob in blobs.items()])


def drop(conn: sqlite3.Connection, run: str, paths: Iterable[str]) -> None:
    conn.executemany("DELETE FROM bases WHERE run = ? AND path = ?", [(run, _key(path)) for path in paths])


def hand_over(conn: sqlite3.Connection, run: str, to: str) -> None:
    """What one run has seen, another has seen from here on."""
    conn.execute("INSERT OR IGNORE INTO bases SELECT ?, path, blob FROM bases WHERE run = ?", (to, run))


def forget(conn: sqlite3.Connection, run: str) -> None:
    """All of a run that has ended."""
    conn.execute("DELETE FROM bases WHERE run = ?", (run,))


def forget_idle(conn: sqlite3.Connection, before: float) -> None:
    """All of runs that began before this and have written nothing since: sessions never say that they end.

    One that goes on all the same reads again before it writes.
    """
    conn.execute(f"DELETE FROM bases WHERE run IN ({_IDLE})", (before, clock.new_id("e", before)))


def _key(path: str) -> bytes:
    return path.encode("utf-8", "surrogateescape")
