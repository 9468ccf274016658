"""`log` and `index`."""

from __future__ import annotations

import re

import pytest


@pytest.fixture
def busy(cli, fleet):
    """A fleet in which two agents have written."""
    for agent, path in (("deployer", "a/one.md"), ("scribe", "b/two.md"), ("deployer", "b/three.md")):
        cli("append", path, "--agent", agent, "--run", f"r-{agent}", "-m", f"note in {path}", cwd=fleet, stdin="x\n")
    return fleet


@pytest.mark.parametrize(
    ("argv", "subjects"),
    [
        (("-n", "2"), ["note in b/three.md", "note in b/two.md"]),
        (("--agent", "deployer"), ["note in b/three.md", "note in a/one.md"]),
        (("--run", "r-scribe"), ["note in b/two.md"]),
        (("--path", "b/*"), ["note in b/three.md", "note in b/two.md"]),
        (("--since", "5m", "--agent", "scribe"), ["note in b/two.md"]),
        (("--until", "2020-01-01"), []),
    ],
)
def test_log_selects(cli, busy, argv: tuple[str, ...], subjects: list[str]) -> None:
    """By agent, run, path and time, newest first."""
    assert [item["subject"] for item in cli("log", *argv, "--json", cwd=busy).json["items"]] == subjects


def test_an_agent_that_nobody_knows_is_not_found(cli, busy) -> None:
    """One that has only not written, or not then, is: an empty list."""
    cli("agent", "add", "idle", cwd=busy)
    for argv in (("--agent", "idle"), ("--agent", "deployer", "--until", "2020-01-01")):
        assert cli("log", *argv, "--json", cwd=busy).json == {"items": []}
    done = cli("log", "--agent", "nobody", "--json", cwd=busy)
    assert (done.code, done.json["error"]["fix"]) == (14, "githarness agent list")


def test_log_items_have_the_documented_fields(cli, busy, git) -> None:
    """The fields of the public interface, and the person where it was one."""
    item = cli("log", "-n", "1", "--json", cwd=busy).json["items"][0]
    assert set(item) == {
        "commit", "time", "agent", "human", "run", "chain", "paths", "subject", "signed", "decision",
    }  # fmt: skip
    assert (item["commit"], item["paths"], item["signed"]) == (git(busy, "rev-parse", "HEAD"), ["b/three.md"], True)
    assert item["decision"].startswith("allow rule=role:writer")


def test_log_is_one_line_per_commit_without_colour_in_a_pipe(cli, busy) -> None:
    """Short id, time, who and subject; what people committed themselves is listed too."""
    lines = cli("log", cwd=busy).out.splitlines()
    assert re.fullmatch(r"[0-9a-f]{12} \S+Z deployer  note in b/three\.md", lines[0])
    assert re.fullmatch(r"[0-9a-f]{12} \S+Z Olive Owner \(unsigned\)  start", lines[-1])


def test_index_rebuild_gives_the_same(cli, busy) -> None:
    """The index is disposable: built again it answers as before."""
    before = cli("log", "--json", cwd=busy).out
    assert cli("index", "update", cwd=busy).code == 0
    status = cli("index", "status", "--json", cwd=busy).json
    assert (status["current"], status["commits"]) == (True, len(cli("log", cwd=busy).out.splitlines()))
    assert cli("index", "rebuild", cwd=busy).code == 0
    assert cli("log", "--json", cwd=busy).out == before


def test_log_sees_what_people_commit(cli, busy, git) -> None:
    """A commit that git made is there with the next call."""
    (busy / "c.md").write_text("by hand\n")
    git(busy, "add", "c.md")
    git(busy, "commit", "-qm", "by hand")
    assert cli("index", "status", "--json", cwd=busy).json["current"] is False
    assert cli("log", "-n", "1", "--json", cwd=busy).json["items"][0]["subject"] == "by hand"
