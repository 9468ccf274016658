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
    command, note, token_hash, boot, beat, attempt, retries, once_key, outcome"""
_SELECT = f"SELECT {_COLUMNS} FROM runs"
_FORGET = """DELETE FROM runs WHERE started < ? AND status = 'open' AND id GLOB 'r-session-*'
    AND id NOT IN (SELECT run FROM bases) AND id NOT IN (SELECT run FROM events WHERE id >= ? AND run IS NOT NULL)"""
_ADD = f"INSERT INTO runs ({_COLUMNS}) VALUES ({', '.join('?' * 21)}) ON CONFLICT (id) DO NOTHING"
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
    conn.execute(_ADD, (
        row.id, row.agent, row.started, row.parent, json.dumps(row.chain), row.status, row.finished, row.tier,
        row.start_commit, row.worktree, row.pid, row.pid_start, row.command, row.note, row.token_hash, row.boot,
        row.beat, row.attempt, row.retries, row.once_key, row.outcome))


def placed(conn: sqlite3.Connection, run: str, worktree: str | None) -> None:
    """The run's own worktree is there, whole, and its command is about to start in it; None: another run has it now."""
    conn.execute("UPDATE runs SET worktree = ? WHERE id = ?", (worktree, run))


def beat(conn: sqlite3.Connection, run: str, boot: str, at: float) -> bool:
    """It is alive at that moment of that boot; False where it is not open."""
    return conn.execute("UPDATE runs SET boot = ?, beat = ? WHERE id = ? AND status = 'open'",
                        (boot, at, run)).rowcount > 0


def finish(conn: sqlite3.Connection, run: str, status: str, now: float, note: str = "",
           outcome: str | None = None) -> bool:
    """Ends a run that is open, or was interrupted, once, and forgets its bases; False where it has ended."""
    ended = conn.execute(
        "UPDATE runs SET status = ?, finished = ?, note = ?, outcome = ? WHERE id = ?"
        " AND status IN ('open', 'interrupted')", (status, now, note, outcome, run)).rowcount > 0
    if ended:
        bases.forget(conn, run)
    return ended


def interrupt(conn: sqlite3.Connection, run: str, now: float, note: str) -> bool:
    """Nobody runs it any more. What it has seen is kept: what lies in its worktree may still be captured."""
    return conn.execute("UPDATE runs SET status = 'interrupted', finished = ?, note = ? WHERE id = ?"
                        " AND status = 'open'", (now, note, run)).rowcount > 0


def adopt(conn: sqlite3.Connection, row: RunRow, runner: tuple[int, int], boot: str, at: float) -> bool:
    """An interrupted run is ours to end; `runner`: our pid and its start. False where somebody else was first."""
    return conn.execute(
        """UPDATE runs SET status = 'open', finished = NULL, pid = ?, pid_start = ?, boot = ?, beat = ?
        WHERE id = ? AND status = ? AND status IN ('open', 'interrupted') AND pid IS ? AND pid_start IS ?""",
        (*runner, boot, at, row.id, row.status, row.pid, row.pid_start)).rowcount > 0


def doing(conn: sqlite3.Connection, key: str) -> RunRow | None:
    """The run that has done, or does, what is to be done once."""
    row = conn.execute(f"{_SELECT} WHERE once_key = ?", (key,)).fetchone()
    return _row(row) if row else None


def free_key(conn: sqlite3.Connection, run: str) -> None:
    """It did not begin with what is to be done once, or another run has taken it over."""
    conn.execute("UPDATE runs SET once_key = NULL WHERE id = ?", (run,))


def beating(conn: sqlite3.Connection, limit: int) -> Sequence[RunRow]:
    """Open runs that say now and then that they are alive, those first that have not for longest."""
    rows = conn.execute(f"{_SELECT} WHERE status = 'open' AND beat IS NOT NULL ORDER BY beat LIMIT ?", (limit,))
    return [_row(row) for row in rows]


def ended(conn: sqlite3.Connection, agent: str, after: float, limit: int) -> Sequence[RunRow]:
    """Of an agent, since a moment, newest first; what somebody cancelled says nothing of it and is left out."""
    rows = conn.execute(f"{_SELECT} WHERE agent = ? AND finished > ? AND status <> 'cancelled'"
                        " ORDER BY finished DESC LIMIT ?", (agent, after, limit))
    return [_row(row) for row in rows]


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
    return RunRow(id_, agent, began, parent, tuple(json.loads(chain)) if chain != "[]" else (), *rest)
