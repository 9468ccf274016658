"""Who has seen what, from the events of this clone: reads, found by blob or by run, and writes that name their base.

A write whose intent says that its run knows the result had the blob before it as its base, read or named: it counts as
seen, also where no read was recorded (`--if-match`, a capture). Bodies that were purged say nothing of that.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from githarness.store.schema import READ

# An expression of the partial index `events_blob_reads` has to be written as it stands there.
_PLAIN = f"events.seq, events.id, time, agent, run, json_extract(safe, '$.paths[0].path'), {READ}"
_FIELDS = ", ".join(f"json_extract(safe, '$.{name}')" for name in ("revision", "rule", "grant", "tier"))
_OF_BLOBS = f"""SELECT {_PLAIN} FROM json_each(?) CROSS JOIN events ON {READ} = json_each.value
    WHERE kind = 'read' AND run IS NOT NULL AND json_valid(safe)"""
_OF_RUN = f"""SELECT {_PLAIN}, 'read', {_FIELDS} FROM events
    WHERE run = ? AND kind = 'read' AND seq < ? AND json_valid(safe) ORDER BY seq"""
_INTENTS = """SELECT commits.seq, events.seq, events.id, events.time, commits.agent, commits.run, body
    FROM json_each(?) CROSS JOIN commits ON commits.seq = json_each.value
    CROSS JOIN events ON events.id = substr(decision, instr(decision, 'event=') + 6)
    WHERE commits.agent IS NOT NULL AND commits.run IS NOT NULL"""


class Read(NamedTuple):
    """`path` as the log shows it; of what a write had seen, `seq` is the one before its intent's. Only `of_run` tells
    the fields from `revision` on."""

    seq: int
    event: str
    time: float
    agent: str | None
    run: str
    path: str
    blob: str
    how: str = "read"  # read | base
    revision: str | None = None
    rule: str | None = None
    grant: str | None = None
    tier: str | None = None


def of_blobs(conn: sqlite3.Connection, blobs: Iterable[str]) -> list[Read]:
    return [Read(*row) for row in conn.execute(_OF_BLOBS, (json.dumps(list(blobs)),))]


def of_run(conn: sqlite3.Connection, run: str, *, before: int) -> list[Read]:
    """Oldest first; `before` is the `seq` of an event."""
    return [Read(*row) for row in conn.execute(_OF_RUN, (run, before))]


def bases(conn: sqlite3.Connection, path: str, versions: Sequence[tuple[int, str | None]]) -> list[Read]:
    """What the commits with these `seq` had seen of a path, each with the blob that was there before it."""
    before = {seq: blob for seq, blob in versions if blob is not None}
    found = []
    for seq, event_seq, event, time, agent, run, body in conn.execute(_INTENTS, (json.dumps(list(before)),)):
        if body and json.loads(body).get("learned", {}).get(path) is not None:
            found.append(Read(event_seq - 1, event, time, agent, run, path, before[seq], "base"))
    return found


def seqs(conn: sqlite3.Connection, events: Iterable[str]) -> dict[str, int]:
    """By id, of those that this clone has recorded."""
    rows = conn.execute("SELECT id, seq FROM events WHERE id IN (SELECT value FROM json_each(?))",
                        (json.dumps(list(events)),))
    return dict(rows)
