"""The commit index gives back what it was given, and finds it by agent, run, time, path and id."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from githarness import clock
from githarness.errors import Usage
from githarness.store import commits
from githarness.store.commits import CommitFilter
from githarness.store.db import Connection, Database
from githarness.store.rows import ChangeRow, CommitRow


def oid(text: str) -> str:
    return hashlib.sha1(text.encode()).hexdigest()


def row(number: int) -> CommitRow:
    """Agents bot-0..2 and runs r-0..3 in turn, one minute apart, on docs/N.md and, every fifth, notes/N.md."""
    paths = [f"docs/{number}.md"] + ([f"notes/{number}.md"] if number % 5 == 0 else [])
    changed = tuple(ChangeRow(path, None, None, "100644", oid(path)) for path in paths)
    return CommitRow(oid(str(number)), (oid(str(number - 1)),), True, 60 * number, "A <a@x>", f"write {number}",
                     agent=f"bot-{number % 3}", run=f"r-{number % 4}", signed=True, changes=changed,
                     chain=("boss",) if number % 6 == 1 else ())


@pytest.fixture
def conn(tmp_path: Path) -> Iterator[Connection]:
    """Thirty commits, numbered from 1."""
    db = Database(tmp_path / "githarness", clock.SYSTEM)
    with db.write() as connection:
        commits.extend(connection, map(row, range(1, 31)))
    with db.read() as connection:
        yield connection
    db.close()


def found(conn: Connection, wanted: CommitFilter) -> list[int]:
    return [one.time // 60 for one in commits.log(conn, wanted)]


def test_a_row_comes_back_as_it_was(conn: Connection) -> None:
    """Every field, with and without content, and an odd path."""
    full = CommitRow(
        oid("full"), (oid("a"), oid("b")), False, 7, "Ä <ä@x>", "subject", "bot", "olive", "r-1", ("boss", "planner"),
        "op", "allow rule=x", True, (oid("c"), oid("d")), (("old", "new => \n"),),
        (ChangeRow("caf\udce9", "120000", oid("e"), None, None), ChangeRow("z", None, None, "160000", oid("f"))))
    bare = CommitRow(oid("bare"), (), True, 0, "", "")
    commits.extend(conn, [full, bare])
    assert commits.get(conn, full.oid) == replace(full, seq=31)
    assert commits.get(conn, bare.oid) == replace(bare, seq=32)
    assert commits.head(conn) == bare.oid and commits.rollbacks(conn) == [replace(full, seq=31)]


def test_an_empty_index_has_no_head(tmp_path: Path) -> None:
    """Nothing is there, and asking is no error."""
    with Database(tmp_path / "githarness", clock.SYSTEM).read() as conn:
        assert commits.head(conn) is None and commits.get(conn, "a" * 40) is None and commits.count(conn) == 0
        assert commits.log(conn, CommitFilter(path="**")) == [] == commits.history(conn, "a")


@pytest.mark.parametrize(("wanted", "expected"), [
    (CommitFilter(limit=3), [30, 29, 28]),
    (CommitFilter(agent="bot-0", limit=2), [30, 27]),
    (CommitFilter(agent="nobody"), []),
    (CommitFilter(agent="boss"), []),
    (CommitFilter(agent="boss", chain=True), [25, 19, 13, 7, 1]),
    (CommitFilter(run="r-1", agent="bot-1"), [25, 13, 1]),
    (CommitFilter(since=28 * 60), [30, 29, 28]),
    (CommitFilter(since=27.5 * 60, until=29 * 60), [29, 28]),
    (CommitFilter(path="notes/*.md", limit=2), [30, 25]),
    (CommitFilter(path="docs/7.md"), [7]),
    (CommitFilter(path="docs/?.md", until=3 * 60), [3, 2, 1]),
    (CommitFilter(path="*"), []),
    (CommitFilter(path="**", limit=1), [30]),
    (CommitFilter(oids=(oid("4"), oid("9"), oid("nobody's"))), [9, 4]),
    (CommitFilter(oids=()), []),
    (CommitFilter(limit=0), []),
])  # fmt: skip
def test_log_selects(conn: Connection, wanted: CommitFilter, expected: list[int]) -> None:
    """Each field narrows the selection; newest first."""
    assert found(conn, wanted) == expected


def test_a_commit_is_found_by_a_unique_beginning(conn: Connection) -> None:
    """Four digits at least, an odd number too; text that is no id finds nothing; two candidates are an error."""
    whole = oid("12")
    assert {commits.get(conn, whole[:length]) for length in (4, 5, 39, 40)} == {commits.get(conn, whole)}
    assert [commits.get(conn, text) for text in ("", whole[:3], "HEAD", "zzzzzz", whole + "0")] == [None] * 5
    commits.extend(conn, [CommitRow(whole[:39] + ("1" if whole[39] == "0" else "0"), (), True, 0, "", "")])
    with pytest.raises(Usage):
        commits.get(conn, whole[:8])
    assert commits.get(conn, whole)


def test_history_of_a_path(conn: Connection) -> None:
    """Oldest first, each commit with what it did to this path only."""
    commits.extend(conn, [replace(row(40), changes=(
        ChangeRow("docs/5.md", "100644", oid("x"), None, None), ChangeRow("other", None, None, "100644", oid("y"))))])
    history = commits.history(conn, "docs/5.md")
    assert [one.oid for one in history] == [oid("5"), oid("40")]
    assert [one.new_oid for one in history] == [oid("docs/5.md"), None]


def test_cutting_forgets_what_came_after(conn: Connection) -> None:
    """Rows, paths and operations behind a commit are gone as if they had never been there."""
    commits.extend(conn, [replace(row(50), operation="k")])
    assert commits.cut(conn, oid("10")) == {("bot-2", "k", oid("50"))}
    assert commits.head(conn) == oid("10") and commits.count(conn) == 10
    assert found(conn, CommitFilter(path="docs/11.md")) == [] == commits.history(conn, "docs/11.md")
    assert found(conn, CommitFilter(agent="boss", chain=True)) == [7, 1]
    commits.extend(conn, [row(number) for number in range(11, 26) if number != 13])
    assert [one.seq for one in commits.log(conn, CommitFilter(agent="boss", chain=True))] == [24, 18, 7, 1]
    assert commits.cut(conn, None) == set() and commits.head(conn) is None
    for table in ("commits", "changes", "chains", "paths"):
        assert conn.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,)


@pytest.mark.parametrize("wanted", [
    CommitFilter(agent="bot-0", limit=5), CommitFilter(agent="boss", chain=True), CommitFilter(run="r-1", limit=5),
    CommitFilter(since=28 * 60), CommitFilter(path="docs/7.md"), CommitFilter(oids=(oid("4"),)),
])  # fmt: skip
def test_selections_use_an_index(conn: Connection, wanted: CommitFilter) -> None:
    """No selection looks at every commit: a log of 100,000 is as quick as one of 100."""
    statements: list[str] = []
    conn.set_trace_callback(statements.append)
    commits.log(conn, wanted)
    conn.set_trace_callback(None)
    selects = [f"EXPLAIN QUERY PLAN {sql}" for sql in statements if sql.startswith("SELECT")]
    plans = [line[3] for sql in selects for line in conn.execute(sql)]
    assert plans and not [line for line in plans if line.startswith(("SCAN commits", "SCAN changes"))], plans


def test_what_a_folder_saw_up_to_a_commit(conn: Connection) -> None:
    """Before and after its first change; nothing is known of a commit that is not indexed or only merged in."""
    asked = [commits.touched(conn, oid(str(number)), "notes") for number in (4, 5, 30)]
    assert asked == [False, True, True]
    assert commits.touched(conn, oid("30"), "note") is False
    commits.extend(conn, [replace(row(31), main=False)])
    assert commits.touched(conn, oid("31"), "notes") is None and commits.touched(conn, oid("99"), "notes") is None
