"""Quality history: what the gates said of a skill in the version that a commit gave it, one row for each of the two.

A verdict belongs to a row of the commit index and goes with it, so after a rewind there is none of a commit that is not
on the branch. It is derived from git: `missing` names what the index has and nobody judged yet.
"""

from __future__ import annotations

import sqlite3
from typing import NamedTuple

_ADD = """INSERT INTO verdicts SELECT paths.id, seq, ?, ?, ?, ?, ? FROM commits, paths WHERE oid = ? AND paths.path = ?
    ON CONFLICT DO UPDATE SET score = excluded.score, errors = excluded.errors, warnings = excluded.warnings,
    findings = excluded.findings, portability = excluded.portability"""
_HISTORY = """SELECT lower(hex(oid)), lower(hex(new_oid)), agent, human, author, time, main, score, errors, warnings,
    findings, portability FROM verdicts JOIN commits USING (seq) JOIN changes USING (seq, path)
    WHERE verdicts.path = (SELECT id FROM paths WHERE path = ?) ORDER BY seq"""
_MISSING = """SELECT lower(hex(oid)), paths.path, lower(hex(new_oid))
    FROM changes JOIN paths ON paths.id = changes.path JOIN commits USING (seq)
    WHERE changes.seq > ? AND new_mode BETWEEN 100000 AND 100777
    AND NOT EXISTS (SELECT 1 FROM verdicts WHERE verdicts.path = changes.path AND verdicts.seq = changes.seq)
    ORDER BY changes.seq, paths.path"""


class Verdict(NamedTuple):
    score: float
    errors: int
    warnings: int
    findings: str  # JSON
    portability: str  # JSON


class Judged(NamedTuple):
    """A verdict with whose commit it is about."""

    commit: str
    blob: str
    agent: str | None
    human: str | None
    author: str
    time: int  # Unix seconds
    main: bool
    verdict: Verdict


class Unjudged(NamedTuple):
    commit: str
    path: str
    blob: str


def add(conn: sqlite3.Connection, commit: str, path: str, verdict: Verdict) -> None:
    """In the transaction that indexes the commit, or later; nothing happens while it is not indexed."""
    conn.execute(_ADD, (*verdict, bytes.fromhex(commit), _key(path)))


def history(conn: sqlite3.Connection, path: str) -> list[Judged]:
    """In the order of the commit index, oldest first; a trend is the scores of these."""
    rows = conn.execute(_HISTORY, (_key(path),))
    return [Judged._make((*row[:6], bool(row[6]), Verdict._make(row[7:]))) for row in rows]


def present(conn: sqlite3.Connection, path: str, blob: str) -> Judged | None:
    """The newest verdict of what the path has now."""
    return next((one for one in reversed(history(conn, path)) if one.blob == blob), None)


def blame(conn: sqlite3.Connection, path: str, blob: str) -> Judged | None:
    """The oldest verdict of the failing stretch that ends with what the path has now; None where that does not fail."""
    found: Judged | None = None
    rows = history(conn, path)
    while rows and rows[-1].blob != blob:
        rows.pop()
    while rows and rows[-1].verdict.errors:
        found = rows.pop()
    return found


def missing(conn: sqlite3.Connection, after: str | None) -> list[Unjudged]:
    """Files of indexed commits behind `after` (None, or one that is not indexed: of all) without a verdict."""
    row = after and conn.execute("SELECT seq FROM commits WHERE oid = ?", (bytes.fromhex(after),)).fetchone()
    rows = conn.execute(_MISSING, (row[0] if row else 0,))
    return [Unjudged(commit, path.decode("utf-8", "surrogateescape"), blob) for commit, path, blob in rows]


def forget(conn: sqlite3.Connection) -> None:
    """Every verdict, for globs or gates that are others now: `missing` starts at the first commit."""
    conn.execute("DELETE FROM verdicts")
    conn.execute("UPDATE registry SET judged = NULL")


def _key(path: str) -> bytes:
    return path.encode("utf-8", "surrogateescape")
