"""Leases, one row per name that is held or was let go while others waited; and the queue of those that wait.

A row without an id is free since `until_boot`. Times that decide are seconds of the clock of `boot`; `acquired` and
`expires` are Unix seconds for people.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from typing import NamedTuple

PATHS = "path:"  # before a glob: a lease on matching artifacts
_COLUMNS = """name, id, token, agent, human, run, boot, pid, pid_start, pid_space, ttl, acquired, expires, until_boot,
    note"""
_SELECT = f"SELECT {_COLUMNS} FROM leases"
_LOOK = f"""SELECT EXISTS (SELECT 1 FROM lease_waits WHERE lease_waits.name = asked), {_COLUMNS}
    FROM (SELECT ? AS asked) LEFT JOIN leases ON name = asked"""
_PUT = f"INSERT OR REPLACE INTO leases ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"


class Lease(NamedTuple):
    name: str
    id: str | None
    token: int
    agent: str | None
    human: str | None
    run: str | None
    boot: str
    pid: int | None
    pid_start: int | None  # clock.process_start of pid
    pid_space: int | None  # inode of the PID namespace in which pid means that process
    ttl: float
    acquired: float
    expires: float
    until_boot: float
    note: str = ""

    def held(self, boot_id: str, boot: float) -> bool:
        """Whether somebody holds it: let go, expired and from before a start of the machine it is free."""
        return self.id is not None and self.boot == boot_id and boot < self.until_boot

    @property
    def holder(self) -> str:
        return f"agent '{self.agent}'" if self.agent else f"human '{self.human}'"


class Wait(NamedTuple):
    """A place in the queue of a name."""

    ticket: int
    name: str
    boot: str
    pid: int
    pid_start: int
    until_boot: float
    run: str


def get(conn: sqlite3.Connection, name: str) -> Lease | None:
    row = conn.execute(f"{_SELECT} WHERE name = ?", (name,)).fetchone()
    return Lease(*row) if row else None


def look(conn: sqlite3.Connection, name: str) -> tuple[Lease | None, bool]:
    """The lease, and whether anybody has a place in its queue."""
    awaited, *row = conn.execute(_LOOK, (name,)).fetchone()
    return Lease(*row) if row[0] is not None else None, bool(awaited)


def by_id(conn: sqlite3.Connection, lease: str) -> Lease | None:
    row = conn.execute(f"{_SELECT} WHERE id = ?", (lease,)).fetchone()
    return Lease(*row) if row else None


def all_held(conn: sqlite3.Connection, boot_id: str, boot: float, prefix: str = "") -> Sequence[Lease]:
    """By name, of those that begin so."""
    rows = conn.execute(f"""{_SELECT} WHERE substr(name, 1, ?) = ? AND name >= ? AND id IS NOT NULL AND boot = ?
        AND until_boot > ? ORDER BY name""", (len(prefix), prefix, prefix, boot_id, boot))
    return [Lease(*row) for row in rows]


def put(conn: sqlite3.Connection, lease: Lease) -> None:
    conn.execute(_PUT, lease)


def renew(conn: sqlite3.Connection, lease: Lease) -> None:
    conn.execute("UPDATE leases SET ttl = ?, expires = ?, until_boot = ? WHERE name = ?",
                 (lease.ttl, lease.expires, lease.until_boot, lease.name))


def let_go(conn: sqlite3.Connection, name: str, boot: float) -> None:
    """Where somebody waits the row stays and says since when the lease is free."""
    done = conn.execute("""DELETE FROM leases WHERE name = ?
        AND NOT EXISTS (SELECT 1 FROM lease_waits WHERE lease_waits.name = leases.name)""", (name,))
    if not done.rowcount:
        conn.execute("UPDATE leases SET id = NULL, until_boot = ? WHERE name = ?", (boot, name))


def sweep(conn: sqlite3.Connection, boot_id: str, before: float) -> None:
    """Forgets what ended long ago."""
    conn.execute("DELETE FROM leases WHERE boot <> ? OR until_boot < ?", (boot_id, before))
    conn.execute("DELETE FROM lease_waits WHERE boot <> ? OR until_boot < ?", (boot_id, before))


def end(conn: sqlite3.Connection, agents: Iterable[str]) -> None:
    """Of agents that may act no longer; free at once, whoever waits."""
    conn.executemany("UPDATE leases SET id = NULL, until_boot = 0 WHERE agent = ?", [(agent,) for agent in agents])


def end_of_run(conn: sqlite3.Connection, run: str) -> None:
    """Nobody who acted in it can renew them any more."""
    conn.execute("UPDATE leases SET id = NULL, until_boot = 0 WHERE run = ?", (run,))


def waits(conn: sqlite3.Connection, name: str) -> Sequence[Wait]:
    """Who came first, first."""
    rows = conn.execute("""SELECT ticket, name, boot, pid, pid_start, until_boot, run FROM lease_waits WHERE name = ?
        ORDER BY ticket""", (name,))
    return [Wait(*row) for row in rows]


def wait(conn: sqlite3.Connection, place: Wait) -> int:
    """The ticket of a new place at the end of the queue."""
    done = conn.execute("""INSERT INTO lease_waits (name, boot, pid, pid_start, until_boot, run)
        VALUES (?, ?, ?, ?, ?, ?)""",
                        place[1:])
    return int(done.lastrowid or 0)


def give_up(conn: sqlite3.Connection, ticket: int, run: str) -> None:
    conn.execute("DELETE FROM lease_waits WHERE ticket = ? AND run = ?", (ticket, run))


def leave(conn: sqlite3.Connection, tickets: Iterable[int]) -> None:
    conn.executemany("DELETE FROM lease_waits WHERE ticket = ?", [(ticket,) for ticket in tickets])
