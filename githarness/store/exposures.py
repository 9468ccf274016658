"""The table `exposures`: which run has used which version of a secret, in which mode, how often, from when to when.

Derived from the events of kind `secret`, in the transaction that adds them. A row of mode `get` or `exec` says that the
value left in the clear; with `proxy` and `sign` it stayed where it was. `agent` and `run` are "" for a person, `human`
is "" for an agent.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from githarness.store.rows import EventRow

CLEAR = ("get", "exec")  # modes in which the value itself was handed out
_ADD = """INSERT INTO exposures VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET
    first = min(first, excluded.first), last = max(last, excluded.last), uses = uses + excluded.uses"""

_SAME = """INSERT INTO exposures SELECT secret, ?, agent, human, run, mode, first, last, 0 FROM exposures
    WHERE secret = ? AND version = ? ON CONFLICT DO NOTHING"""


class Exposure(NamedTuple):
    secret: str
    version: int
    agent: str
    human: str
    run: str
    mode: str
    first: float  # Unix seconds
    last: float
    uses: int


def note(conn: sqlite3.Connection, rows: Iterable[EventRow]) -> None:
    """For the transaction in which `events.add` adds these rows: each once; other events are passed over."""
    uses = [(row, json.loads(row.safe)) for row in rows if row.kind == "secret" and not row.outcome]
    conn.executemany(_ADD, [_values(row, used) for row, used in uses if "mode" in used])


def sealed_anew(conn: sqlite3.Connection, rows: Iterable[EventRow]) -> None:
    """For events of records: a new key around the same value is a new version, which was seen by who saw the last."""
    said = [json.loads(row.safe) for row in rows if row.kind == "secret"]
    conn.executemany(_SAME, [(one["version"], one["secret"], one["version"] - 1) for one in said
                             if "what" in one and one["what"] == "rekey"])


def _values(row: EventRow, used: dict[str, str | int]) -> tuple[str | int | float, ...]:
    uses = used.get("uses", 1)  # an event may stand for a crowd
    human = "" if row.agent else row.human or ""
    return (used["secret"], used["version"], row.agent or "", human, row.run or "", used["mode"], row.time, row.time,
            uses)


def listed(conn: sqlite3.Connection, secret: str | None = None, agent: str | None = None, run: str | None = None,
           ) -> Sequence[Exposure]:
    """By secret, the newest version first; what is None selects everything."""
    wanted = {name: value for name, value in (("secret", secret), ("agent", agent), ("run", run)) if value is not None}
    where = "".join(f" AND {name} = ?" for name in wanted)
    rows = conn.execute(f"SELECT * FROM exposures WHERE 1{where} ORDER BY secret, version DESC, last DESC",
                        tuple(wanted.values()))
    return [Exposure(*row) for row in rows]


def any_clear(conn: sqlite3.Connection) -> bool:
    """Whether a value was ever handed out here."""
    return conn.execute("SELECT 1 FROM exposures WHERE mode IN (?, ?) LIMIT 1", CLEAR).fetchone() is not None
