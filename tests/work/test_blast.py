"""How far a bad write reached: reads by blob, what was written afterwards, runs in worktrees, and what is cut off."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest

from githarness.errors import NotFound, Usage
from githarness.store import reads
from githarness.wiring import Harness
from githarness.work import blast, rollback, runs
from githarness.work.asks import Ask, Op, ReadAsk
from githarness.work.blast import Blast, Node
from githarness.work.rollback_select import Selection
from githarness.work.runs import Cause


class Fleet:
    """`write("scribe", "a.md", "text")` is what the run r-scribe does; each answers with its commit."""

    def __init__(self, harness: Harness) -> None:
        self.harness = harness

    def read(self, agent: str, path: str, run: str = "", at: str | None = None) -> None:
        self.harness.local.read(ReadAsk(path, agent, run or f"r-{agent}", at=at))

    def write(self, agent: str, path: str, text: str, run: str = "", base: str | None = None) -> str:
        entry = self.harness.reader.entry(self.harness.head(), path)
        op = Op("write", path, text.encode(), if_match=base or (entry.oid if entry else "absent"))
        return self.harness.local.write(Ask(agent, run or f"r-{agent}", (op,))).commit or ""

    def append(self, agent: str, path: str, text: str, run: str = "") -> str:
        ask = Ask(agent, run or f"r-{agent}", (Op("append", path, text.encode()),))
        return self.harness.local.write(ask).commit or ""

    def blast(self, **selection: Any) -> Blast:
        most = selection.pop("most", 500)
        return blast.blast(self.harness, Selection(**selection), most=most)


@pytest.fixture
def crew(harness: Harness) -> Fleet:
    return Fleet(harness)


def tree(node: Node) -> tuple[str, list[Any]]:
    return node.row.subject, [(one.read.run, [tree(after) for after in one.commits]) for one in node.reached]


def below(node: Node) -> list[Node]:
    return [node, *(one for reached in node.reached for after in reached.commits for one in below(after))]


def test_what_readers_wrote_afterwards_is_a_tree(crew: Fleet) -> None:
    """A read leads to later writes of that run, these to their readers; what was written before the read stays out."""
    crew.write("scribe", "before.md", "x\n")
    bad = crew.write("deployer", "bad.md", "poison\n")
    crew.read("scribe", "bad.md")
    crew.write("scribe", "after.md", "x\n")
    crew.read("deployer", "after.md", "r-third")
    last = crew.write("deployer", "third.md", "x\n", "r-third")
    found = crew.blast(commits=(bad,))
    assert [tree(node) for node in found.roots] == [("write bad.md", [("r-scribe", [
        ("write after.md", [("r-third", [("write third.md", [])])])])])]
    assert found.consider[0] == last and found.consider[-1] == bad and len(found.consider) == 3
    assert found.command and all(oid[:12] in found.command for oid in found.consider)


def test_who_saw_it_before_or_something_else_is_not_reached(crew: Fleet) -> None:
    """The same blob before the write or at another path, and a version before it that has the same line."""
    start = crew.write("scribe", "a.md", "bad\nother\n")
    crew.write("scribe", "a.md", "bad\n")
    crew.read("scribe", "a.md", "r-early")
    crew.write("scribe", "a.md", "good\n")
    crew.write("scribe", "copy.md", "bad\n")
    bad = crew.write("deployer", "a.md", "bad\n")
    crew.read("scribe", "copy.md", "r-copy")
    crew.read("scribe", "a.md", "r-old", at=start)
    for run in ("r-early", "r-copy", "r-old"):
        crew.write("scribe", f"{run}.md", "x\n", run)
    assert crew.blast(commits=(bad,)).roots[0].reached == []


def test_later_versions_count_as_long_as_they_have_what_it_did(crew: Fleet) -> None:
    """A line that it added, below others' lines and under another name; no more once the line is gone."""
    crew.append("scribe", "log.md", "one\n")
    bad = crew.append("deployer", "log.md", "poison\n")
    crew.append("scribe", "log.md", "two\n")
    crew.harness.local.write(Ask("scribe", "r-mover", (Op("rename", "log.md", to="new.md", if_match=_blob(crew)),)))
    crew.append("scribe", "new.md", "three\n", "r-mover")
    crew.read("scribe", "new.md", "r-late")
    rollback.rollback(crew.harness, Selection(commits=(bad,)))
    crew.read("scribe", "new.md", "r-later")
    found = crew.blast(commits=(bad,))
    assert [one.read.run for one in found.roots[0].reached] == ["r-late"]
    assert found.roots[0].gone and found.consider == [] and found.command is None


def _blob(crew: Fleet) -> str:
    entry = crew.harness.reader.entry(crew.harness.head(), "log.md")
    assert entry
    return entry.oid


def test_a_line_that_was_taken_out_is_missed(crew: Fleet) -> None:
    """Whoever read the file without it has seen what the write did."""
    crew.write("scribe", "a.md", "ask first\nship\n")
    bad = crew.write("deployer", "a.md", "ship\n")
    crew.append("scribe", "a.md", "more\n")
    crew.read("scribe", "a.md", "r-late")
    assert [one.read.run for one in crew.blast(commits=(bad,)).roots[0].reached] == ["r-late"]


def test_a_named_base_counts_as_seen_and_an_append_does_not(crew: Fleet) -> None:
    """`--if-match` says what the writer had before it, without a read on record."""
    bad = crew.write("deployer", "a.md", "poison\n")
    crew.append("scribe", "a.md", "x\n", "r-append")
    crew.write("scribe", "a.md", "poison\nx\ny\n", "r-base")
    reached = crew.blast(commits=(bad,)).roots[0].reached
    assert [(one.read.run, one.read.how, len(one.commits)) for one in reached] == [("r-base", "base", 1)]


def test_runs_that_a_reader_began_are_reached(crew: Fleet) -> None:
    """What a run caused after it read counts as its own."""
    harness = crew.harness
    parent = runs.start(harness.parts, "scribe", head=harness.head())
    bad = crew.write("deployer", "a.md", "poison\n")
    crew.read("scribe", "a.md", parent.id)
    child = runs.start(harness.parts, "scribe", head=harness.head(), cause=Cause(parent.id))
    crew.write("scribe", "b.md", "x\n", child.id)
    found = crew.blast(commits=(bad,)).roots[0].reached
    assert [(one.read.run, [node.row.run for node in one.commits]) for one in found] == [(parent.id, [child.id])]


def test_circles_end_and_each_commit_comes_once(crew: Fleet) -> None:
    """Two runs that read each other's writes in turn."""
    crew.append("deployer", "a.md", "0\n")
    for number in range(3):
        crew.read("scribe", "a.md")
        crew.append("scribe", "b.md", f"{number}\n")
        crew.read("deployer", "b.md")
        crew.append("deployer", "a.md", f"{number + 1}\n")
    found = crew.blast(agent="deployer")
    shown = [node.row.oid for root in found.roots for node in below(root)]
    assert len(shown) == len(set(shown)) == len(found.nodes) == 7 and found.complete


def test_it_follows_so_many_commits_and_says_so(crew: Fleet) -> None:
    """A limit cuts the tree, not the answer."""
    bad = crew.write("deployer", "a.md", "poison\n")
    crew.read("scribe", "a.md")
    for number in range(5):
        crew.append("scribe", "b.md", f"{number}\n")
    found = crew.blast(commits=(bad,), most=3)
    assert (len(found.nodes), found.complete) == (4, False)


def test_runs_in_worktrees_are_named(crew: Fleet, begin: Callable[..., Any]) -> None:
    """What they read is not on record: those whose worktree has the write are told, earlier ones are not."""
    early = begin("scribe")
    bad = crew.write("deployer", "a.md", "poison\n")
    late = begin("scribe")
    found = crew.blast(commits=(bad,))
    assert [row.id for row in found.unseen] == [late.row.id] != [early.row.id]


def test_unknown_names_are_not_found(crew: Fleet) -> None:
    """And nothing named is wrong usage; an agent that has not written is no error."""
    for wrong in ({"agent": "nobody"}, {"run": "r-nope"}, {"commits": ("abcd1234",)}):
        with pytest.raises(NotFound):
            crew.blast(**wrong)
    with pytest.raises(Usage):
        crew.blast()
    assert crew.blast(agent="scribe").roots == ()


def test_reads_are_looked_up(harness: Harness) -> None:
    """By the partial indexes: no event is looked at that is not about the blob, or the run."""
    plan = "EXPLAIN QUERY PLAN "
    with harness.db.read() as conn:
        assert reads.of_blobs(conn, ["0" * 40]) == []
        shown = [str(row[3]) for query, values in ((reads._OF_BLOBS, ("[]",)), (reads._OF_RUN, ("r", 1)))
                 for row in conn.execute(plan + query, values)]
    assert any("events_blob_reads" in line for line in shown) and any("events_run_reads" in line for line in shown)


def test_the_command_prints_the_tree_and_the_way_back(crew: Fleet, cli: Any) -> None:
    """For people a tree and one line to paste, which works; with --json the same as a document."""
    bad = crew.write("deployer", "a.md", "poison\n")
    crew.read("scribe", "a.md")
    after = crew.write("scribe", "b.md", "x\n")
    folder = crew.harness.repo.worktree
    lines = cli("blast", "deployer", cwd=folder).out.splitlines()
    assert [line.split()[0] for line in lines[:3]] == [bad[:12], "read", after[:12]]
    document = cli("blast", "--commit", bad, "--json", cwd=folder).json
    assert document["commits"] == [after, bad] and document["roots"][0]["reached"][0]["how"] == "read"
    assert lines[-1].strip() == document["command"]
    done = cli(*document["command"].split()[1:-1], "--json", cwd=folder)
    assert (done.code, sorted(done.json["reverted"])) == (0, sorted([bad, after]))
    assert os.listdir(folder).count("b.md") == 0
