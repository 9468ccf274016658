"""What SQLite says, in our words: its result codes mapped to the tree of errors."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from githarness.errors import HarnessError, Integrity, Internal, Locked, Unavailable

_UNAVAILABLE = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN,
                sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_TOOBIG,
                sqlite3.SQLITE_PROTOCOL, sqlite3.SQLITE_NOLFS}
_INTEGRITY = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_FORMAT}
_LOCKED = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}


def mapped(error: sqlite3.Error, file: Path) -> HarnessError:
    code = vars(error).get("sqlite_errorcode", 0) & 0xFF  # what Python's module raises by itself has none
    if code == sqlite3.SQLITE_FULL:
        return Unavailable(f"the disk that holds '{file}' is full", fix="free some space and repeat")
    if code in _UNAVAILABLE:
        return Unavailable(f"'{file}' cannot be used: {error}", fix="check the disk and the permissions of the folder")
    if code in _INTEGRITY or "decode to UTF-8" in str(error):  # which Python's module says, without a code
        return Integrity(f"'{file}' is damaged or no database: {error}",
                         fix="move it away together with its -wal and -shm files, then githarness index rebuild")
    if code in _LOCKED:
        return Locked(f"'{file}' is locked by another program")
    return Internal(f"'{file}' refused a statement: {error}")
