"""State entries: every version of every key, newest last; a version without a value says that the key was deleted."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import NamedTuple

_COLUMNS = "key, version, value, agent, human, run, time, expires, boot, until_boot, undoes, seq"
_SELECT = f"SELECT {_COLUMNS} FROM state"


class Entry(NamedTuple):
    key: str
    version: int  # 1, 2, … for ever, also over deletions
    value: str | None  # canonical JSON; None: deleted
    agent: str | None
    human: str | None
    run: str | None
    time: float
    expires: float | None = None  # Unix seconds, for people and for other boots
    boot: str | None = None
    until_boot: float | None = None  # seconds of the clock of that boot
    undoes: int | None = None  # the version whose value this one brings back (rollback); 0: that there was none
    seq: int = 0  # given by the database, over all keys


def latest(conn: sqlite3.Connection, key: str) -> Entry | None:
    row = conn.execute(f"{_SELECT} WHERE key = ? ORDER BY version DESC LIMIT 1", (key,)).fetchone()
    return Entry(*row) if row else None


def version(conn: sqlite3.Connection, key: str, number: int) -> Entry | None:
    row = conn.execute(f"{_SELECT} WHERE key = ? AND version = ?", (key, number)).fetchone()
    return Entry(*row) if row else None


def at(conn: sqlite3.Connection, key: str, time: float) -> Entry | None:
    """The newest version that was there at that time."""
    row = conn.execute(f"{_SELECT} WHERE key = ? AND time <= ? ORDER BY version DESC LIMIT 1", (key, time)).fetchone()
    return Entry(*row) if row else None


def history(conn: sqlite3.Connection, key: str, limit: int = -1) -> Sequence[Entry]:
    """Newest first; `limit` < 0 means all."""
    rows = conn.execute(f"{_SELECT} WHERE key = ? ORDER BY version DESC LIMIT ?", (key, limit))
    return [Entry(*row) for row in rows]


def newest(conn: sqlite3.Connection, prefix: str) -> Sequence[Entry]:
    """The last version of every key that begins so, by key."""
    rows = conn.execute(f"""{_SELECT} WHERE (key, version) IN (SELECT key, max(version) FROM state
        WHERE substr(key, 1, ?) = ? AND key >= ? GROUP BY key) ORDER BY key""", (len(prefix), prefix, prefix))
    return [Entry(*row) for row in rows]


def since(conn: sqlite3.Connection, seq: int, prefix: str) -> Sequence[Entry]:
    """What was set or deleted after `seq`, oldest first."""
    rows = conn.execute(f"{_SELECT} WHERE seq > ? AND substr(key, 1, ?) = ? ORDER BY seq", (seq, len(prefix), prefix))
    return [Entry(*row) for row in rows]


def last(conn: sqlite3.Connection) -> int:
    return int(conn.execute("SELECT coalesce(max(seq), 0) FROM state").fetchone()[0])


def add(conn: sqlite3.Connection, entry: Entry) -> None:
    """Its version is the next one of its key."""
    conn.execute(f"INSERT INTO state ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, NULL)", entry[:11])


class Author(NamedTuple):
    """Whose versions are meant; what is None does not matter. Times are Unix seconds."""

    agent: str | None = None
    run: str | None = None
    since: float | None = None
    until: float | None = None


def written_by(conn: sqlite3.Connection, author: Author) -> dict[str, list[int]]:
    """Versions by key, oldest first; those that brought a value back are nobody's."""
    clauses = {"agent = ?": author.agent, "run = ?": author.run, "time >= ?": author.since, "time <= ?": author.until}
    wanted = {clause: value for clause, value in clauses.items() if value is not None}
    where = " AND ".join(("undoes IS NULL", *wanted))
    found: dict[str, list[int]] = {}
    for key, number in conn.execute(f"SELECT key, version FROM state WHERE {where} ORDER BY seq", (*wanted.values(),)):
        found.setdefault(key, []).append(number)
    return found


def marks(conn: sqlite3.Connection, key: str) -> Sequence[tuple[int, int | None]]:
    """Every version with what it undoes, newest first."""
    return conn.execute("SELECT version, undoes FROM state WHERE key = ? ORDER BY version DESC", (key,)).fetchall()
