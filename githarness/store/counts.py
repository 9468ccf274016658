"""How much an agent did since a moment: what limits, uses of grants and the breaker are measured by.

Writes are counted from the index of commits, which git gives back whole; times are those of the commits. With `tree`
what others did on the agent's behalf counts too. No count goes on past `most`, the number that decides.
"""

from __future__ import annotations

import sqlite3
from typing import NamedTuple

from githarness.store.schema import CALLS

_OWN = "SELECT seq FROM commits WHERE agent = ? AND time > ? AND signed"
_FOR_IT = """SELECT chains.seq FROM chains CROSS JOIN commits ON commits.seq = chains.seq
    WHERE chains.agent = ? AND chains.time > ? AND commits.signed AND commits.agent IS NOT chains.agent"""
_RUN_FOR_IT = "run IN (SELECT runs.id FROM runs, json_each(runs.chain) WHERE value IN (?2, ?2 || ' asserted'))"
_GONE = "SELECT 1 FROM ({}) AS done CROSS JOIN changes ON changes.seq = done.seq WHERE changes.new_oid IS NULL"
_USES = "SELECT 1 FROM ({}) AS done CROSS JOIN commits ON commits.seq = done.seq WHERE instr(commits.decision, ?)"


class Span(NamedTuple):
    """Whose doings are counted, and from which moment on (excluded), in Unix seconds."""

    agent: str
    after: float
    tree: bool = False

    @property
    def commits(self) -> tuple[str, tuple[str | float, ...]]:
        values = (self.agent, self.after)
        return (f"{_OWN} UNION ALL {_FOR_IT}", values * 2) if self.tree else (_OWN, values)


def writes(conn: sqlite3.Connection, span: Span, most: int) -> int:
    sql, values = span.commits
    return _count(conn, sql, values, most)


def deletes(conn: sqlite3.Connection, span: Span, most: int) -> int:
    """Paths that went away, by deleting or renaming."""
    sql, values = span.commits
    return _count(conn, _GONE.format(sql), values, most)


def uses(conn: sqlite3.Connection, span: Span, grant: str, most: int) -> int:
    """Commits that the grant allowed, as their Decision trailers say."""
    sql, values = span.commits
    return _count(conn, _USES.format(sql), (*values, grant), most)


def denials(conn: sqlite3.Connection, span: Span, most: int) -> int:
    """Of the agent itself."""
    return _count(conn, "SELECT 1 FROM events WHERE kind = 'denial' AND agent = ? AND time > ?",
                  (span.agent, span.after), most)


def calls(conn: sqlite3.Connection, span: Span, most: int) -> int:
    """Calls of tools, programs and interfaces, and uses of secrets, that were recorded."""
    whose = f"agent = ?2 OR {_RUN_FOR_IT}" if span.tree else "agent = ?2"
    sql = f"SELECT 1 FROM events WHERE {CALLS} AND time > ?1 AND ({whose})"
    return _count(conn, sql, (span.after, span.agent), most)


def failures(conn: sqlite3.Connection, span: Span, most: int) -> int:
    """Runs of the agent that failed, or ran into their time limit."""
    sql = "SELECT 1 FROM runs WHERE status IN ('failed', 'timeout') AND agent = ? AND finished > ?"
    return _count(conn, sql, (span.agent, span.after), most)


def _count(conn: sqlite3.Connection, sql: str, values: tuple[str | float, ...], most: int) -> int:
    row = conn.execute(f"SELECT count(*) FROM (SELECT 1 FROM ({sql}) LIMIT ?)", (*values, most)).fetchone()
    return int(row[0])
