"""Tasks: what is to be done, in the order of asking; who has claimed it, until when; and which tasks need which.

`status` is open (may be claimed), waiting (for tasks that it needs), claimed, done, failed, or blocked (it needs, by
however many steps, one that failed). A claim ends with its time on the clock of `boot`, or with its run.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

STATUSES = ("open", "waiting", "claimed", "done", "failed", "blocked")
_COLUMNS = """seq, id, key, text, status, needs, want_role, want_skill, by_agent, by_human, by_run, handed, agent,
    human, run, token, boot, until_boot, ttl, expires, attempts, most, result, note, bundle, created, updated"""
_NAMES = [name.strip() for name in _COLUMNS.split(",")]
_SELECT = f"SELECT {_COLUMNS} FROM tasks"
_ADD = f"INSERT INTO tasks ({', '.join(_NAMES[1:])}) VALUES ({', '.join('?' * (len(_NAMES) - 1))})"
_PUT = f"UPDATE tasks SET {', '.join(f'{name} = ?' for name in _NAMES[2:])} WHERE id = ?"
_OVER = """status = 'claimed' AND (boot <> ? OR until_boot <= ?
    OR EXISTS (SELECT 1 FROM runs WHERE runs.id = tasks.run AND runs.status <> 'open'))"""
_BLOCKED = """WITH RECURSIVE behind (id) AS (SELECT task FROM needs WHERE need = ?
    UNION SELECT task FROM needs JOIN behind ON need = behind.id)
    UPDATE tasks SET status = 'blocked', updated = ? WHERE status = 'waiting' AND id IN (SELECT id FROM behind)"""
_FREED = """UPDATE tasks SET status = 'open', updated = ? WHERE status = 'waiting'
    AND id IN (SELECT task FROM needs WHERE need = ?) AND NOT EXISTS (SELECT 1 FROM needs
    JOIN tasks AS other ON other.id = needs.need WHERE needs.task = tasks.id AND other.status <> 'done')"""


class Task(NamedTuple):
    seq: int  # given by the database
    id: str
    key: str | None
    text: str
    status: str
    needs: str  # canonical JSON, a list of ids
    want_role: str | None = None
    want_skill: str | None = None
    by_agent: str | None = None  # who asked for it
    by_human: str | None = None
    by_run: str | None = None
    handed: str | None = None  # "agent:NAME": who alone may claim it
    agent: str | None = None  # who has claimed it, or did last
    human: str | None = None
    run: str | None = None
    token: int | None = None
    boot: str | None = None
    until_boot: float | None = None
    ttl: float | None = None
    expires: float | None = None
    attempts: int = 0
    most: int = 0
    result: str | None = None  # canonical JSON
    note: str | None = None  # why it failed or went back
    bundle: str | None = None  # canonical JSON, of the last handoff
    created: float = 0.0
    updated: float = 0.0


class Wanted(NamedTuple):
    """What a claimer can take."""

    claimer: str  # "agent:NAME" or "human:NAME"
    roles: Sequence[str]
    skills: Sequence[str]


def get(conn: sqlite3.Connection, task: str) -> Task | None:
    row = conn.execute(f"{_SELECT} WHERE id = ?", (task,)).fetchone()
    return Task(*row) if row else None


def by_key(conn: sqlite3.Connection, key: str) -> Task | None:
    row = conn.execute(f"{_SELECT} WHERE key = ?", (key,)).fetchone()
    return Task(*row) if row else None


def add(conn: sqlite3.Connection, task: Task, needs: Iterable[str]) -> None:
    conn.execute(_ADD, task[1:])
    conn.executemany("INSERT OR IGNORE INTO needs VALUES (?, ?)", [(need, task.id) for need in needs])


def put(conn: sqlite3.Connection, task: Task) -> None:
    conn.execute(_PUT, (*task[2:], task.id))


def ready(conn: sqlite3.Connection, wanted: Wanted) -> Iterator[Task]:
    """Those that may be claimed, in the order of asking."""
    roles, skills = (", ".join("?" * len(one)) for one in (wanted.roles, wanted.skills))
    rows = conn.execute(f"""{_SELECT} WHERE status = 'open' AND (handed IS NULL OR handed = ?)
        AND (want_role IS NULL OR want_role IN ({roles})) AND (want_skill IS NULL OR want_skill IN ({skills}))
        ORDER BY seq""", (wanted.claimer, *wanted.roles, *wanted.skills))
    return map(Task._make, rows)


def over(conn: sqlite3.Connection, boot_id: str, boot: float) -> Sequence[Task]:
    """Claims that have ended by themselves."""
    return [Task(*row) for row in conn.execute(f"{_SELECT} WHERE {_OVER} ORDER BY seq", (boot_id, boot))]


def any_ready(conn: sqlite3.Connection, boot_id: str, boot: float) -> bool:
    """Whether somebody could claim something."""
    row = conn.execute(f"SELECT 1 FROM tasks WHERE status = 'open' OR ({_OVER}) LIMIT 1", (boot_id, boot)).fetchone()
    return row is not None


def claimed(conn: sqlite3.Connection) -> Sequence[tuple[Task, int | None, int | None]]:
    """Every claim, with the process of its run and when that started, as far as a run has one."""
    rows = conn.execute(f"""SELECT {', '.join(f'tasks.{name}' for name in _NAMES)}, runs.pid, runs.pid_start
        FROM tasks LEFT JOIN runs ON runs.id = tasks.run WHERE tasks.status = 'claimed' ORDER BY tasks.seq""")
    return [(Task(*row[:-2]), row[-2], row[-1]) for row in rows]


def block(conn: sqlite3.Connection, failed: str, now: float) -> None:
    """What needs a task that has failed."""
    conn.execute(_BLOCKED, (failed, now))


def free(conn: sqlite3.Connection, done: str, now: float) -> None:
    """What needed a task that is done, and nothing else that is not."""
    conn.execute(_FREED, (now, done))


def end(conn: sqlite3.Connection, agents: Iterable[str]) -> None:
    """Claims of agents that may act no longer are over at once."""
    conn.executemany("UPDATE tasks SET until_boot = 0 WHERE status = 'claimed' AND agent = ?",
                     [(agent,) for agent in agents])


def newest(conn: sqlite3.Connection, status: str | None, most: int) -> Sequence[Task]:
    """The last so many, in the order of asking."""
    where, values = ("WHERE status = ?", [status]) if status else ("", [])
    rows = conn.execute(f"{_SELECT} {where} ORDER BY seq DESC LIMIT ?", (*values, most)).fetchall()
    return [Task(*row) for row in reversed(rows)]
