"""The table `notices`: what operators were told, by cause, and which events have been looked at for it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from githarness import clock

_SEEN = ""  # the cause whose `seq` is that of the last event that was looked at
_TOLD = ("credential-rejected",)  # outcomes, of any kind
_KINDS = ("guard", "quarantine", "denial")
_NOTABLE = f"""SELECT seq, kind, agent, human, safe, outcome FROM events WHERE seq > ? AND seq <= ?
    AND (kind IN {_KINDS} OR outcome = '{_TOLD[0]}') ORDER BY seq"""
# An outcome has the id of its intent with `.o` behind it; ids sort by time, and have an index.
_DENIALS = """SELECT count(*) FROM events WHERE kind = 'denial' AND agent = :agent AND time > :since
    AND seq > coalesce((SELECT max(wrote.seq) FROM events AS wrote JOIN events AS ended ON ended.id = wrote.id || '.o'
        WHERE wrote.id >= :first AND wrote.kind = 'intent' AND wrote.agent = :agent AND ended.outcome = 'landed'), 0)"""


class Notable(NamedTuple):
    seq: int
    kind: str
    agent: str | None
    human: str | None
    safe: str
    outcome: str | None


def span(conn: sqlite3.Connection, most: int, first: str) -> tuple[int, int]:
    """After which event to look, and up to which: `most` events. `first`: an id that tells where to begin."""
    row = conn.execute("SELECT seq FROM notices WHERE cause = ?", (_SEEN,)).fetchone()
    last = conn.execute("SELECT coalesce(max(seq), 0) FROM events").fetchone()[0]
    if row is None:
        row = conn.execute("SELECT seq - 1 FROM events WHERE id >= ? ORDER BY id LIMIT 1", (first,)).fetchone()
    row = row or (last,)
    return row[0], min(last, row[0] + most)


def notable(conn: sqlite3.Connection, after: int, until: int) -> Sequence[Notable]:
    return [Notable(*row) for row in conn.execute(_NOTABLE, (after, until))]


def denials(conn: sqlite3.Connection, agent: str, since: float) -> int:
    """Of an agent since a moment, as far as nothing of its own landed in between."""
    values = {"agent": agent, "since": since, "first": clock.new_id("e", since)}
    return int(conn.execute(_DENIALS, values).fetchone()[0])


def told(conn: sqlite3.Connection, causes: Iterable[str]) -> dict[str, float]:
    """When each was told last, in Unix seconds."""
    found = {}
    for cause in causes:
        for row in conn.execute("SELECT told FROM notices WHERE cause = ?", (cause,)):
            found[cause] = row[0]
    return found


def put(conn: sqlite3.Connection, causes: Iterable[str], now: float, seen: int) -> None:
    """These are told now; events are looked at up to `seen`."""
    rows = [(cause, now, 0) for cause in causes] + [(_SEEN, now, seen)]
    conn.executemany("INSERT INTO notices VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET told = excluded.told,"
                     " seq = max(seq, excluded.seq)", rows)


def forget(conn: sqlite3.Connection, before: float) -> None:
    conn.execute("DELETE FROM notices WHERE told < ? AND cause <> ?", (before, _SEEN))
