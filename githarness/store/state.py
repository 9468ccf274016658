"""State entries: versions of keys, newest last; a version without a value says that the key was deleted.

A version stays for a time after the moment that it was the value `until`, and the newest, while it has a value, for
ever. Where versions left right before one, that has a `gap`. Numbers are not given twice: new ones are above
`floors.least`, where a whole key has left or a backup was put back.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import NamedTuple

THINNED, LOST = 1, 2  # a gap: only the run of the version before which it is was there; anybody was
_COLUMNS = "key, version, value, agent, human, run, chain, time, expires, boot, until_boot, undoes, gap, seq"
_SELECT = f"SELECT {_COLUMNS} FROM state"
_NEXT = "1 + max(least, coalesce((SELECT max(seq) FROM state), 0))"
_PART = 4096  # versions that leave at once


class Entry(NamedTuple):
    key: str
    version: int  # greater each time, also over deletions
    value: str | None  # canonical JSON; None: deleted
    agent: str | None
    human: str | None
    run: str | None
    chain: str  # canonical JSON: on whose behalf, outermost first
    time: float
    expires: float | None = None  # Unix seconds, for people and for other boots
    boot: str | None = None
    until_boot: float | None = None  # seconds of the clock of that boot
    undoes: int | None = None  # the version whose value this one brings back (rollback); 0: that there was none
    gap: int = 0  # THINNED or LOST: what was right before it is no longer kept
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


def later(conn: sqlite3.Connection, key: str, number: int) -> Entry | None:
    """The next version that is kept."""
    row = conn.execute(f"{_SELECT} WHERE key = ? AND version > ? ORDER BY version LIMIT 1", (key, number)).fetchone()
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
    """No version and no `seq` that was given is greater."""
    return int(conn.execute(f"SELECT {_NEXT} - 1 FROM floors WHERE name = 'state'").fetchone()[0])


def following(conn: sqlite3.Connection, found: Entry | None) -> int:
    """The number of the version after `found`, which no other value of its key ever had."""
    least = int(conn.execute("SELECT least FROM floors WHERE name = 'state'").fetchone()[0])
    return max(found.version if found else 0, least) + 1


def add(conn: sqlite3.Connection, entry: Entry) -> int:
    """Its version is the one `following` that of its key before. Its `seq`."""
    until = entry.time if entry.value is None else entry.expires
    conn.execute("UPDATE state SET until = min(coalesce(until, ?), ?) WHERE key = ? AND version = (SELECT max(version)"
                 " FROM state WHERE key = ?)", (entry.time, entry.time, entry.key, entry.key))
    return conn.execute(f"""INSERT INTO state ({_COLUMNS}, until) VALUES ({"?, " * 13}(SELECT {_NEXT} FROM floors
        WHERE name = 'state'), ?)""", (*entry[:13], until)).lastrowid or 0


def put_back(conn: sqlite3.Connection, least: int, who: tuple[str, str], time: float) -> None:
    """In a copy that takes the place of a database: numbers grow from `least` on, and what is newest in the copy is a
    new version by `who` (a person, a run), so that no number names two values, and watchers see what is there now."""
    conn.execute("UPDATE floors SET least = max(least, ?) WHERE name = 'state'", (least,))
    conn.execute(f"""INSERT INTO state ({_COLUMNS}, until) SELECT key, ?1, value, NULL, ?2, ?3, '[]', ?4, expires, boot,
        until_boot, coalesce(undoes, version), ?5, seq + ?1, CASE WHEN value IS NULL THEN ?4 ELSE expires END
        FROM state WHERE (key, version) IN (SELECT key, max(version) FROM state GROUP BY key)""",
                 (least, *who, time, LOST))
    conn.execute("UPDATE state SET until = min(coalesce(until, ?1), ?1) WHERE version < ?2", (time, least))


def thin(conn: sqlite3.Connection, key: str, number: int) -> None:
    """A version leaves where the same run has set the next one too: nobody else's value came between."""
    found = conn.execute("""SELECT old.seq, next.seq FROM state AS old JOIN state AS next ON next.key = old.key
        AND next.version = old.version + 1 AND next.run IS old.run AND next.chain = old.chain AND next.undoes IS NULL
        WHERE old.key = ? AND old.version = ? AND old.undoes IS NULL""", (key, number)).fetchone()
    if found:
        conn.execute("UPDATE state SET gap = max(gap, ?, (SELECT gap FROM state WHERE seq = ?)) WHERE seq = ?",
                     (THINNED, *found))
        conn.execute("DELETE FROM state WHERE seq = ?", found[:1])


def let_go(conn: sqlite3.Connection, before: float, boot_id: str, boot: float) -> None:
    """What was the value until `before` leaves, a part of it each time; of a key that is gone for so long, all."""
    found = conn.execute("""SELECT key, max(version), max(seq) FROM (SELECT key, version, seq FROM state WHERE until < ?
        AND (until_boot IS NULL OR boot <> ? OR until_boot < ?) ORDER BY until LIMIT ?) GROUP BY key""",
                         (before, boot_id, boot, _PART)).fetchall()
    for key, number, seq in found:
        conn.execute("DELETE FROM state WHERE key = ? AND version <= ?", (key, number))
        if not conn.execute("UPDATE state SET gap = ? WHERE key = ? AND version = (SELECT min(version) FROM state"
                            " WHERE key = ?)", (LOST, key, key)).rowcount:
            conn.execute("UPDATE floors SET least = max(least, ?) WHERE name = 'state'", (seq,))


class Author(NamedTuple):
    """Whose versions are meant; what is None does not matter. Times are Unix seconds."""

    agent: str | None = None
    run: str | None = None
    since: float | None = None
    until: float | None = None
    on_behalf: str | None = None  # the agent itself, or whom others acted for


class Version(NamedTuple):
    number: int
    undoes: int | None
    gap: int
    run: str | None


def written_by(conn: sqlite3.Connection, author: Author) -> dict[str, list[Version]]:
    """Versions by key, oldest first; those that brought a value back are nobody's, and without a name only agents' are
    meant."""
    clauses = {"agent = ?": author.agent, "run = ?": author.run, "time >= ?": author.since, "time <= ?": author.until,
               "? IN (SELECT agent UNION SELECT replace(value, ' asserted', '') FROM json_each(chain))":
               author.on_behalf}
    wanted = {clause: value for clause, value in clauses.items() if value is not None}
    anybody = [] if author.run or author.agent or author.on_behalf else ["agent IS NOT NULL"]
    where = " AND ".join(("undoes IS NULL", *wanted, *anybody))
    found: dict[str, list[Version]] = {}
    for key, *one in conn.execute(f"SELECT key, version, undoes, gap, run FROM state WHERE {where} ORDER BY seq",
                                  (*wanted.values(),)):
        found.setdefault(key, []).append(Version(*one))
    return found


def marks(conn: sqlite3.Connection, key: str) -> Sequence[Version]:
    """What is kept, newest first."""
    return [Version(*row) for row in conn.execute(
        "SELECT version, undoes, gap, run FROM state WHERE key = ? ORDER BY version DESC", (key,))]
