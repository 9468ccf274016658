"""Run records: one execution of an agent, who caused it and how it ended."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from typing import Any

from githarness import clock
from githarness.store import bases
from githarness.store.rows import RunRow

_COLUMNS = """id, agent, started, parent, chain, status, finished, tier, start_commit, worktree, pid, pid_start,
    command, note, token_hash"""
_SELECT = f"SELECT {_COLUMNS} FROM runs"
_FORGET = """DELETE FROM runs WHERE started < ? AND status = 'open' AND id GLOB 'r-session-*'
    AND id NOT IN (SELECT run FROM bases) AND id NOT IN (SELECT run FROM events WHERE id >= ? AND run IS NOT NULL)"""
_DAY = 86400.0
_IDLE = 30 * _DAY


def get(conn: sqlite3.Connection, run: str) -> RunRow | None:
    row = conn.execute(f"{_SELECT} WHERE id = ?", (run,)).fetchone()
    return _row(row) if row else None


def add(conn: sqlite3.Connection, row: RunRow) -> None:
    """Records a run; two first uses of one id at once make one record, the earlier.

    The first run of a day also forgets what idle ones have seen, and sessions that did nothing more: often enough, and
    no command waits for it twice. A session that goes on all the same is recorded again.
    """
    last = conn.execute("SELECT started FROM runs ORDER BY rowid DESC LIMIT 1").fetchone()
    if last and row.started // _DAY > last[0] // _DAY:
        before = row.started - _IDLE
        bases.forget_idle(conn, before)
        conn.execute(_FORGET, (before, clock.new_id("e", before)))
    conn.execute(
        f"INSERT INTO runs ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
        (row.id, row.agent, row.started, row.parent, json.dumps(row.chain), row.status, row.finished, row.tier,
         row.start_commit, row.worktree, row.pid, row.pid_start, row.command, row.note, row.token_hash))


def placed(conn: sqlite3.Connection, run: str, worktree: str) -> None:
    """The run's own worktree is there, whole, and its command is about to start in it."""
    conn.execute("UPDATE runs SET worktree = ? WHERE id = ?", (worktree, run))


def finish(conn: sqlite3.Connection, run: str, status: str, now: float, note: str = "") -> bool:
    """Ends an open run, once, and forgets its bases; False where it was not open."""
    ended = conn.execute(
        "UPDATE runs SET status = ?, finished = ?, note = ? WHERE id = ? AND status = 'open'",
        (status, now, note, run)).rowcount > 0
    if ended:
        bases.forget(conn, run)
    return ended


def list(
    conn: sqlite3.Connection, agent: str | None = None, status: str | None = None, limit: int = -1,
) -> Sequence[RunRow]:
    """Newest first; `limit` < 0 means all."""
    clauses = {"agent = ?": agent, "status = ?": status}
    wanted = {clause: value for clause, value in clauses.items() if value is not None}
    where = f"WHERE {' AND '.join(wanted)}" if wanted else ""
    rows = conn.execute(f"{_SELECT} {where} ORDER BY started DESC, id DESC LIMIT ?", (*wanted.values(), limit))
    return [_row(row) for row in rows]


def _row(row: tuple[Any, ...]) -> RunRow:
    id_, agent, began, parent, chain, *rest = row
    return RunRow(id_, agent, began, parent, tuple(json.loads(chain)), *rest)
