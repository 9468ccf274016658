"""Fencing tokens: one counter for every lease and claim, so that a newer holder always has the greater number.

`last` may be lost with a transaction that a power cut took; `reserved` is on disk before a token up to it is given. In
a boot that the counter has not seen, counting goes on behind what was reserved.
"""

from __future__ import annotations

import sqlite3

BLOCK = 10_000  # tokens that are reserved at once


def next_token(conn: sqlite3.Connection, boot: str) -> int | None:
    """The next one; None where none is reserved: then `reserve` first, in a transaction that lasts."""
    if not conn.execute("UPDATE fences SET last = last + 1 WHERE boot = ? AND last < reserved", (boot,)).rowcount:
        return None
    return int(conn.execute("SELECT last FROM fences").fetchone()[0])


def reserve(conn: sqlite3.Connection, boot: str) -> None:
    """Makes room in this boot."""
    conn.execute("""UPDATE fences SET last = CASE boot WHEN ? THEN last ELSE reserved END, boot = ?,
        reserved = reserved + ?""", (boot, boot, BLOCK))


def reserved(conn: sqlite3.Connection) -> int:
    """No token that was ever given is greater: for backups."""
    return int(conn.execute("SELECT reserved FROM fences").fetchone()[0])


def raise_to(conn: sqlite3.Connection, reserved: int) -> None:
    """Every token from here on is greater than `reserved`: for what was restored from a backup."""
    conn.execute("""UPDATE fences SET boot = '', reserved = max(reserved, ?)""", (reserved,))
