"""Channels: messages numbered from 1 in the order of publishing, and for each subscriber how far it has acknowledged.

`last` is the number of a channel's newest message, `gone` that of the newest one that left because of its age. After a
backup was put back numbers are above `floors.least`, so that a cursor from before it names nothing that came after. A
message is `late` by the clock of the boot that it was published in, in other boots by the wall clock.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import NamedTuple

ALL = "all"
_COLUMNS = "channel, seq, id, time, boot, at_boot, agent, human, run, audience, reply_to, refs, body"
_SELECT = f"SELECT {_COLUMNS} FROM messages"
_ADD = f"INSERT INTO messages ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_PUT = """INSERT INTO channels VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET last = excluded.last,
    most = excluded.most, keep_seconds = excluded.keep_seconds, gone = excluded.gone"""
_LATE = "time < ? AND (boot <> ? OR at_boot < ?)"
# What everybody it is for has acknowledged. A message for all is for whoever has subscribed, one for a role too.
_DONE = """DELETE FROM messages WHERE channel = ? AND CASE
    WHEN audience = 'all' OR audience LIKE 'role:%' THEN seq <= (SELECT min(acked) FROM cursors
        WHERE cursors.channel = messages.channel)
    ELSE seq <= (SELECT acked FROM cursors
        WHERE cursors.channel = messages.channel AND subscriber = audience) END"""


class Channel(NamedTuple):
    name: str
    last: int
    most: int  # messages that may wait
    keep_seconds: float | None  # None: until they are acknowledged
    gone: int


class Message(NamedTuple):
    channel: str
    seq: int
    id: str
    time: float
    boot: str
    at_boot: float
    agent: str | None
    human: str | None
    run: str | None
    audience: str  # "all", "role:NAME", or a subscriber
    reply_to: str | None
    refs: str  # canonical JSON, a list
    body: str  # canonical JSON


class Cursor(NamedTuple):
    channel: str
    subscriber: str  # "agent:NAME" or "human:NAME"
    acked: int
    seen: int  # what lies up to here is not delivered again before `until_boot` of `boot`
    boot: str
    until_boot: float


def get(conn: sqlite3.Connection, name: str) -> Channel | None:
    row = conn.execute("SELECT name, last, most, keep_seconds, gone FROM channels WHERE name = ?", (name,)).fetchone()
    return Channel(*row) if row else None


def fresh(conn: sqlite3.Connection, name: str, most: int) -> Channel:
    """One without a message, as `put` takes it."""
    least = conn.execute("SELECT least FROM floors WHERE name = 'channels'").fetchone()[0]
    return Channel(name, least, most, None, least)


def highest(conn: sqlite3.Connection) -> int:
    """No number that was given to a message is greater."""
    return int(conn.execute("""SELECT max(least, coalesce((SELECT max(last) FROM channels), 0)) FROM floors
        WHERE name = 'channels'""").fetchone()[0])


def renumber(conn: sqlite3.Connection, by: int) -> None:
    """In a copy that takes the place of a database: what waits, and how far it was acknowledged, that much higher."""
    conn.execute("UPDATE floors SET least = max(least, ?) WHERE name = 'channels'", (by,))
    for column, table in (("seq", "messages"), ("last", "channels"), ("gone", "channels"), ("acked", "cursors"),
                          ("seen", "cursors")):
        conn.execute(f"UPDATE {table} SET {column} = {column} + ?", (by,))


def every(conn: sqlite3.Connection) -> Sequence[Channel]:
    """By name."""
    rows = conn.execute("SELECT name, last, most, keep_seconds, gone FROM channels ORDER BY name")
    return [Channel(*row) for row in rows]


def put(conn: sqlite3.Connection, channel: Channel) -> None:
    conn.execute(_PUT, channel)


def add(conn: sqlite3.Connection, message: Message) -> None:
    """Its number is the one behind the channel's last."""
    conn.execute(_ADD, message)
    conn.execute("UPDATE channels SET last = ? WHERE name = ?", (message.seq, message.channel))


def find(conn: sqlite3.Connection, message: str) -> Message | None:
    row = conn.execute(f"{_SELECT} WHERE id = ?", (message,)).fetchone()
    return Message(*row) if row else None


def replies(conn: sqlite3.Connection, message: str) -> Sequence[Message]:
    """Oldest first."""
    return [Message(*row) for row in conn.execute(f"{_SELECT} WHERE reply_to = ? ORDER BY seq", (message,))]


def after(conn: sqlite3.Connection, channel: str, seq: int, audiences: Sequence[str],
          page: tuple[int, int]) -> Sequence[Message]:
    """For these audiences, oldest first; `page`: so many, or fewer where their bodies reach so many characters."""
    marks, (most, size), found = ", ".join("?" * len(audiences)), page, list[Message]()
    for row in conn.execute(f"{_SELECT} WHERE channel = ? AND seq > ? AND audience IN ({marks}) ORDER BY seq LIMIT ?",
                            (channel, seq, *audiences, most)):
        found.append(Message(*row))
        size -= len(found[-1].body)
        if size <= 0:
            break
    return found


def waiting(conn: sqlite3.Connection, channel: str) -> int:
    return int(conn.execute("SELECT count(*) FROM messages WHERE channel = ?", (channel,)).fetchone()[0])


def drop_done(conn: sqlite3.Connection, channel: str) -> None:
    conn.execute(_DONE, (channel,))


def retire(conn: sqlite3.Connection, channel: str, subscriber: str) -> None:
    """Its subscription ends, and what is for it alone leaves."""
    forget(conn, channel, subscriber)
    conn.execute("DELETE FROM messages WHERE channel = ? AND audience = ?", (channel, subscriber))


def drop(conn: sqlite3.Connection, message: str) -> None:
    conn.execute("DELETE FROM messages WHERE id = ?", (message,))


def drop_late(conn: sqlite3.Connection, channel: Channel, now: float, boot_id: str, boot: float) -> Channel:
    """Without what is older than it is kept; the channel as it is then."""
    if channel.keep_seconds is None:
        return channel
    values = (channel.name, now - channel.keep_seconds, boot_id, boot - channel.keep_seconds)
    gone = conn.execute(f"SELECT max(seq) FROM messages WHERE channel = ? AND {_LATE}", values).fetchone()[0]
    if gone is None:
        return channel
    conn.execute(f"DELETE FROM messages WHERE channel = ? AND {_LATE}", values)
    channel = channel._replace(gone=max(channel.gone, gone))
    put(conn, channel)
    return channel


def cursor(conn: sqlite3.Connection, channel: str, subscriber: str) -> Cursor | None:
    row = conn.execute("SELECT * FROM cursors WHERE channel = ? AND subscriber = ?", (channel, subscriber)).fetchone()
    return Cursor(*row) if row else None


def cursors(conn: sqlite3.Connection, channel: str) -> Sequence[Cursor]:
    """Who is furthest behind, first."""
    return [Cursor(*row) for row in conn.execute(
        "SELECT * FROM cursors WHERE channel = ? ORDER BY acked, subscriber", (channel,))]


def put_cursor(conn: sqlite3.Connection, cursor: Cursor) -> None:
    """A trigger holds that it does not go back."""
    conn.execute("""INSERT INTO cursors VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET
        acked = excluded.acked, seen = excluded.seen, boot = excluded.boot,
        until_boot = excluded.until_boot""", cursor)


def forget(conn: sqlite3.Connection, channel: str, subscriber: str) -> bool:
    """Its subscription ends; False where there was none."""
    return conn.execute("DELETE FROM cursors WHERE channel = ? AND subscriber = ?",
                        (channel, subscriber)).rowcount > 0
