"""What a copy of the database says of itself, and what is made of one before it takes the database's place."""

from __future__ import annotations

import secrets
import sqlite3
from typing import NamedTuple

from githarness.store import audit, fences
from githarness.store.audit import Log

# What was stopped, ended or seen since the copy stays so.
_KEPT = ("stops", "ends", "exposures")
_COUNTED = ("state", "leases", "messages", "tasks", "runs", "events")
_FREED = """UPDATE tasks SET status = 'open', agent = NULL, human = NULL, run = NULL, token = NULL, boot = NULL,
    until_boot = NULL, expires = NULL WHERE status = 'claimed'"""


class Facts(NamedTuple):
    log: Log
    reserved: int  # no fencing token that was given is greater
    rows: dict[str, int]  # of some tables


def facts(conn: sqlite3.Connection) -> Facts:
    rows = {table: int(conn.execute(f"SELECT count(*) FROM {table}").fetchone()[0]) for table in _COUNTED}
    return Facts(audit.log(conn), fences.reserved(conn), rows)


def later(conn: sqlite3.Connection, image: sqlite3.Connection) -> int:
    """How many events the database has that the copy does not: what would be lost."""
    known = {row[0] for row in image.execute("SELECT id FROM events")}
    return sum(row[0] not in known for row in conn.execute("SELECT id FROM events"))


def keep(conn: sqlite3.Connection, image: sqlite3.Connection) -> None:
    """Brings over what no backup undoes."""
    for table in _KEPT:
        rows = conn.execute(f"SELECT * FROM {table}").fetchall()
        if rows:
            image.executemany(f"INSERT OR REPLACE INTO {table} VALUES ({', '.join('?' * len(rows[0]))})", rows)


def begin_anew(image: sqlite3.Connection, reserved: int) -> str:
    """Leases and claims are nobody's, tokens grow from `reserved` on, and events go to a new log: its id."""
    image.execute("DELETE FROM leases")
    image.execute("DELETE FROM lease_waits")
    image.execute(_FREED)
    fences.raise_to(image, reserved)
    log = f"l-{secrets.token_hex(10)}"
    image.execute("DELETE FROM audit")
    image.execute("""INSERT INTO audit SELECT 1, ?, coalesce(max(seq), 0) + 1, 0, x'', 0, x'', 0 FROM events""", (log,))
    return log
