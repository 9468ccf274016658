"""The tables `stops` and `ends`: who may not act now, and when permissions end by the clock of this boot.

A stop is in force until it is released; its row stays, because what was counted before the release counts no more.
An end is kept as a moment of the boot clock, which nobody sets back, beside the boot that it belongs to.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping
from typing import NamedTuple


class Stop(NamedTuple):
    agent: str
    since: float
    by: str  # "human:NAME", "limit", "breaker" or "guard"
    why: str


def put(conn: sqlite3.Connection, stops: Iterable[Stop]) -> None:
    """In force from here on; who is stopped already stays so since then, for the reason that came first.

    A pause gives way to any other stop.
    """
    conn.executemany("""INSERT INTO stops VALUES (?, ?, ?, ?, NULL) ON CONFLICT DO UPDATE SET since = excluded.since,
        by = excluded.by, why = excluded.why, released = NULL
        WHERE released IS NOT NULL OR (stops.by = 'guard' AND excluded.by <> 'guard')""", stops)


def in_force(conn: sqlite3.Connection) -> dict[str, Stop]:
    rows = conn.execute("SELECT agent, since, by, why FROM stops WHERE released IS NULL")
    return {row[0]: Stop(*row) for row in rows}


def ever(conn: sqlite3.Connection) -> list[Stop]:
    """The last stop of each agent, also where it was released since."""
    return [Stop(*row) for row in conn.execute("SELECT agent, since, by, why FROM stops")]


def release(conn: sqlite3.Connection, agents: Iterable[str], now: float) -> None:
    """Also of who was not stopped here: a release that only git knows of begins its counts anew all the same."""
    conn.executemany("""INSERT INTO stops VALUES (?, ?, 'git', '', ?) ON CONFLICT DO UPDATE SET
        released = excluded.released""", [(agent, now, now) for agent in agents])


def released(conn: sqlite3.Connection, agent: str) -> float:
    """When the agent was last released, 0 where it never was."""
    row = conn.execute("SELECT released FROM stops WHERE agent = ?", (agent,)).fetchone()
    return row[0] or 0.0 if row else 0.0


def put_ends(conn: sqlite3.Connection, boot: str, ends: Mapping[str, float]) -> None:
    """By key, in seconds of the boot clock; what this boot knows already stays."""
    conn.executemany("""INSERT INTO ends VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET boot = excluded.boot,
        at = excluded.at WHERE boot <> excluded.boot""", [(key, boot, at) for key, at in ends.items()])


def ends(conn: sqlite3.Connection, boot: str) -> dict[str, float]:
    return dict(conn.execute("SELECT id, at FROM ends WHERE boot = ?", (boot,)))
