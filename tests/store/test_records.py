"""Operations, bases and runs: what is put in is found, and goes when it should."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from githarness import clock
from githarness.store import bases, operations, runs
from githarness.store.db import Connection, Database
from githarness.store.rows import RunRow


@pytest.fixture
def conn(tmp_path: Path) -> Iterator[Connection]:
    db = Database(tmp_path / "githarness", clock.SYSTEM)
    with db.write() as connection:
        yield connection
    db.close()


def test_an_operation_keeps_its_first_answer(conn: Connection) -> None:
    """Per agent; what is dropped can be answered anew."""
    operations.put(conn, "bot", "k", "c1", "{}")
    operations.put(conn, "bot", "k", "c2", "[]")
    operations.put(conn, "other", "k", "c3", "{}")
    assert operations.find(conn, "bot", "k") == ("c1", "{}")
    operations.forget(conn, [("bot", "k", "c2"), ("other", "k", "c3")])
    assert operations.find(conn, "bot", "k") == ("c1", "{}") and operations.find(conn, "other", "k") is None
    operations.drop(conn, "bot", "k")
    assert operations.find(conn, "bot", "k") is None


def test_a_run_knows_what_it_saw_last(conn: Connection) -> None:
    """Bases are per run and path; a later one takes the place of an earlier one."""
    bases.put(conn, "r-1", {"a": "blob1", "b": "blob1"})
    bases.put(conn, "r-1", {"a": "blob2"})
    asked = [("r-1", "a"), ("r-1", "c"), ("r-2", "a")]
    assert [bases.get(conn, run, path) for run, path in asked] == ["blob2", None, None]
    assert bases.seen(conn, "r-1") == {"a": "blob2", "b": "blob1"}
    bases.drop(conn, "r-1", ["a", "c"])
    assert bases.seen(conn, "r-1") == {"b": "blob1"}


def test_a_run_comes_back_as_it_was(conn: Connection) -> None:
    """Every field; a second first use of an id changes nothing."""
    full = RunRow("r-1", "bot", 1.5, "r-0", ("boss",), "open", None, "T1", "c" * 40, "/w", 7, 8, "make", "note", "hash")
    runs.add(conn, full)
    runs.add(conn, RunRow("r-1", "thief", 9.0))
    assert runs.get(conn, "r-1") == full
    runs.placed(conn, "r-1", "/v")
    assert runs.get(conn, "r-1") == full._replace(worktree="/v")


def test_a_run_ends_once_and_forgets_its_bases(conn: Connection) -> None:
    """The first outcome stands."""
    runs.add(conn, RunRow("r-1", "bot", 1.0))
    bases.put(conn, "r-1", {"a": "blob1"})
    assert [runs.finish(conn, "r-1", "ok", 2.0, "done"), runs.finish(conn, "r-1", "failed", 3.0)] == [True, False]
    assert runs.get(conn, "r-1") == RunRow("r-1", "bot", 1.0, status="ok", finished=2.0, note="done")
    assert bases.seen(conn, "r-1") == {} and not runs.finish(conn, "r-9", "ok", 1.0)


def test_runs_are_listed_newest_first(conn: Connection) -> None:
    """By agent and status, up to a limit."""
    for number in range(6):
        runs.add(conn, RunRow(f"r-{number}", f"bot-{number % 2}", float(number), status="ok" if number > 3 else "open"))
    assert [one.id for one in runs.list(conn, limit=2)] == ["r-5", "r-4"]
    assert [one.id for one in runs.list(conn, agent="bot-1", status="open")] == ["r-3", "r-1"]
