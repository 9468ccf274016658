"""What the SQLite that Python is linked with can do, and whether a database is sound: for `doctor`."""

from __future__ import annotations

import sqlite3

from githarness.store.db import Connection


def version() -> str:
    return sqlite3.sqlite_version


def has_fts5(conn: Connection) -> bool:
    return conn.execute("SELECT 1 FROM pragma_module_list WHERE name = 'fts5'").fetchone() is not None


def problem(conn: Connection) -> str | None:
    """The first thing that SQLite finds wrong, None where the file is sound."""
    found = str(conn.execute("PRAGMA quick_check(1)").fetchone()[0])
    return None if found == "ok" else found
