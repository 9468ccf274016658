"""What limits are measured by: counts since a moment that each take an index, and end at the number that decides."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from githarness import clock
from githarness.store import commits, counts, events, runs
from githarness.store.counts import Span
from githarness.store.db import Connection, Database
from githarness.store.rows import ChangeRow, CommitRow, EventRow, RunRow


def row(number: int, agent: str, *, chain: tuple[str, ...] = (), gone: int = 0, signed: bool = True,
        decision: str = "") -> CommitRow:
    changes = tuple(ChangeRow(f"{number}-{one}.md", "100644", "a" * 40, None, None) for one in range(gone))
    return CommitRow(f"{number:040x}", (), main=True, time=number, author="x", subject="x", agent=agent, chain=chain,
                     signed=signed, decision=decision or None, changes=changes)


@pytest.fixture
def conn(tmp_path: Path) -> Iterator[Connection]:
    with Database(tmp_path / "githarness", clock.SYSTEM).write() as opened:
        commits.extend(opened, [
            row(1, "bot", gone=2), row(2, "bot", decision="allow rule=grant grant=g-1 event=e-1"),
            row(3, "child", chain=("bot",), gone=1), row(4, "bot", signed=False), row(5, "bot", chain=("bot",))])
        yield opened


def test_writes_are_those_that_are_signed_and_later(conn: Connection) -> None:
    """A commit that only claims to be the agent's counts for nobody."""
    assert counts.writes(conn, Span("bot", 0), 9) == 3
    assert counts.writes(conn, Span("bot", 2), 9) == 1
    assert counts.writes(conn, Span("bot", 0), 2) == 2


def test_a_tree_has_what_was_done_on_behalf(conn: Connection) -> None:
    """Once each, also where an agent acts on its own behalf."""
    assert counts.writes(conn, Span("bot", 0, tree=True), 9) == 4
    assert counts.deletes(conn, Span("bot", 0, tree=True), 9) == 3
    assert counts.deletes(conn, Span("bot", 0), 9) == 2


def test_uses_are_what_decisions_name(conn: Connection) -> None:
    """By the trailer, in the tree of whom the grant is for."""
    assert counts.uses(conn, Span("bot", 0, tree=True), "g-1", 9) == 1
    assert counts.uses(conn, Span("bot", 2, tree=True), "g-1", 9) == 0


def test_denials_calls_and_failures(conn: Connection) -> None:
    """Events of those kinds, runs that failed; with the tree also calls in runs on the agent's behalf."""
    runs.add(conn, RunRow("r-1", "child", 1.0, chain=("bot asserted",)))
    runs.finish(conn, "r-1", "failed", 7.0)
    events.add(conn, [EventRow("e-1", 5.0, "denial", "bot"), EventRow("e-2", 6.0, "tool", "child", run="r-1"),
                      EventRow("e-3", 6.0, "read", "bot"), EventRow("e-4", 6.0, "api", "bot")])
    assert counts.denials(conn, Span("bot", 4.0), 9) == 1
    assert (counts.calls(conn, Span("bot", 4.0), 9), counts.calls(conn, Span("bot", 4.0, tree=True), 9)) == (1, 2)
    assert (counts.failures(conn, Span("child", 6.0), 9), counts.failures(conn, Span("child", 7.0), 9)) == (1, 0)


def test_no_count_reads_a_whole_table(conn: Connection) -> None:
    """Each is answered from an index that begins at the moment."""
    said: list[str] = []
    conn.set_trace_callback(said.append)
    for tree in (False, True):
        span = Span("bot", 0, tree)
        counts.writes(conn, span, 9)
        counts.deletes(conn, span, 9)
        counts.uses(conn, span, "g-1", 9)
        counts.calls(conn, span, 9)
    counts.denials(conn, span, 9)
    counts.failures(conn, span, 9)
    conn.set_trace_callback(None)
    for sql in said:
        plan = [line[3] for line in conn.execute(f"EXPLAIN QUERY PLAN {sql}")]
        assert not [line for line in plan if line.startswith(("SCAN commits", "SCAN events", "SCAN chains"))], plan
