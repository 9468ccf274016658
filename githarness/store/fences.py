"""Fencing tokens: one counter for every lease and claim, so that a newer holder always has the greater number.

`last` may be lost with a transaction that a power cut took; `reserved` is on disk before a token up to it is given. In
a boot that the counter has not seen, counting goes on behind what was reserved.
"""

from __future__ import annotations

import sqlite3

BLOCK = 10_000  # tokens that are reserved at once


class Tokens:
    """The counter within one transaction: what it gave is written once, by `save`."""

    def __init__(self, conn: sqlite3.Connection, boot: str) -> None:
        self._conn = conn
        self._boot = boot
        self._last = 0  # that was given here; never goes back
        self._reserved: int | None = None  # how far this boot may go, as the database has it

    def next(self) -> int | None:
        """The next one; None where none is reserved: then `reserve` first, in a transaction that lasts."""
        if self._reserved is None:
            boot, last, reserved = self._conn.execute("SELECT boot, last, reserved FROM fences").fetchone()
            self._last = max(self._last, last)
            self._reserved = reserved if boot == self._boot else 0
        if self._last >= self._reserved:
            return None
        self._last += 1
        return self._last

    def reserve(self) -> None:
        """Makes room in this boot."""
        self._conn.execute("""UPDATE fences SET last = CASE boot WHEN ? THEN last ELSE reserved END, boot = ?,
            reserved = reserved + ?""", (self._boot, self._boot, BLOCK))
        self.forget()

    def forget(self) -> None:
        """What was reserved may have been undone."""
        self._reserved = None

    def save(self) -> None:
        """What was given beyond what is reserved was undone, and nobody has it."""
        if self._last:
            self._conn.execute("UPDATE fences SET last = max(last, min(?, reserved)) WHERE boot = ?",
                               (self._last, self._boot))


def reserved(conn: sqlite3.Connection) -> int:
    """No token that was ever given is greater: for backups."""
    return int(conn.execute("SELECT reserved FROM fences").fetchone()[0])


def raise_to(conn: sqlite3.Connection, reserved: int) -> None:
    """Every token from here on is greater than `reserved`: for what was restored from a backup."""
    conn.execute("""UPDATE fences SET boot = '', reserved = max(reserved, ?)""", (reserved,))
