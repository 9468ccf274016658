"""The database of latchkey, formerly credential-proxy: read here, never written.

    credentials(service, url, username, password_encrypted: a Fernet token, note)
"""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from githarness.store import faults


class Entry(NamedTuple):
    service: str
    url: str
    username: str
    token: str
    note: str


def entries(file: Path) -> list[Entry]:
    """By service. Raises Integrity, Unavailable."""
    how = "mode=ro" if file.with_name(file.name + "-wal").exists() else "immutable=1"  # which leaves no files beside it
    try:
        conn = sqlite3.connect(f"file:{quote(str(file.resolve()))}?{how}", uri=True)
        try:
            rows = conn.execute("SELECT service, url, username, password_encrypted, note FROM credentials "
                                "ORDER BY service").fetchall()
        finally:
            conn.close()
    except sqlite3.Error as error:
        raise faults.mapped(error, file) from error
    return [Entry(*(str(cell or "") for cell in row)) for row in rows]
