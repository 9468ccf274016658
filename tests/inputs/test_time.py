"""Clocks that stand in another century, or run backwards."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from githarness import clock, settings
from githarness.git.repo import discover
from githarness.wiring import Harness
from githarness.work.asks import Ask, Op
from tests.inputs.conftest import Desk

DAY = 86400.0
YEARS = {"1970": 0.0, "1970 later": 3 * DAY, "2000": 946684800.0, "2038": 2147483647.0, "2038 later": 2147483648.0,
         "2106": 4294967295.0, "2106 later": 4294967296.0, "9999": 253402300799.0}


class Wrong(clock.Clock):
    """The wall clock says what it is told, and goes on by a second at each look if it is told to."""

    def __init__(self, at: float, step: float = 0.0) -> None:
        self.at = at
        self.step = step

    def now(self) -> float:
        self.at += self.step
        return self.at


@contextmanager
def harness(folder: Path, wrong: Wrong) -> Iterator[Harness]:
    made = Harness(settings.load(), discover(folder), clock=wrong)
    try:
        yield made
    finally:
        made.close()


def write(made: Harness, path: str, content: bytes, operation: str | None = None) -> str:
    done = made.local.write(Ask("deployer", "r-time", (Op("append", path, content),), operation=operation))
    assert done.commit
    return done.commit


@pytest.mark.parametrize("year", YEARS)
def test_a_clock_in_another_century(desk: Desk, year: str) -> None:
    """I43: writes land in order, git takes them, and the log lists them first."""
    with harness(desk.folder, Wrong(YEARS[year])) as made:
        first, second = write(made, "a.md", b"1"), write(made, "a.md", b"2")
    assert desk.git("rev-list", "-2", "main").split() == [second, first]
    assert int(desk.git("log", "-1", "--format=%ct")) == int(YEARS[year])
    items = desk.run("log", "--json").json["items"]
    assert [item["commit"] for item in items[:2]] == [second, first]
    assert desk.run("log").code == 0
    assert desk.run("index", "rebuild").code == 0
    assert desk.run("log", "--json").json["items"] == items
    desk.sound()


def test_a_clock_that_runs_backwards(desk: Desk) -> None:
    """I43: order is that of the commits; repetition, reading and undoing do not ask the clock."""
    with harness(desk.folder, Wrong(2_000_000_000.0, -3600.0)) as made:
        made_commits = [write(made, "a.md", b"%d" % number, f"op-{number}") for number in range(5)]
        assert write(made, "a.md", b"2", "op-2") == made_commits[2]
    assert desk.git("rev-list", "-5", "main").split() == made_commits[::-1]
    assert [item["commit"] for item in desk.run("log", "--json", "-n", "5").json["items"]] == made_commits[::-1]
    assert desk.run("rollback", "deployer").code == 0
    assert not (desk.folder / "a.md").exists()
    desk.sound()


def test_identities_of_another_century(desk: Desk) -> None:
    """I43: an agent added in 1970 or 2106 has a window that stock tools read, and writes."""
    for name, at in (("early", 0.0), ("late", YEARS["2106 later"])):
        with harness(desk.folder, Wrong(at)) as made:
            from githarness.work import agents
            from githarness.work.govern import Desk as Governing

            desk_of = Governing(made.parts, made.local, made.mail, lambda: made.git)
            agents.add(desk_of, name, wanted=(), purpose="", owner="")
        desk.good("write", f"{name}.md", stdin="x\n", agent=name)
        assert desk.run("agent", "show", name, "--json").code == 0
    desk.sound()


@pytest.mark.parametrize("text", ["0001-01-01", "9999-12-31T23:59:59-23:59", "999999999w", "0s", "1969-12-31T23:59:59Z",
                                  "0001-01-01T00:00:00+23:59"])
def test_a_time_at_the_edge_selects_or_is_wrong_usage(desk: Desk, text: str) -> None:
    """I43: no overflow."""
    for argv in (["log", "--since", text], ["log", "--until", text], ["rollback", "deployer", "--since", text]):
        ran = desk.run(*argv, "--json")
        assert ran.code in (0, 2), ran.out


@pytest.mark.parametrize("text", ["", "tomorrow", "-5m", "5 m", "1e9s", "2026-13-01", "2026-01-01T25:00:00", "٣m",
                                  "9" * 400 + "s",
                                  "\x1b[2J", "now()"])
def test_what_is_no_time_is_wrong_usage(desk: Desk, text: str) -> None:
    """I43: named, with the forms that are."""
    desk.refused("usage", "log", "--since=" + text, agent=None)


@pytest.mark.parametrize("date", ["0 +0000", "-5 +0000", "99999999999999 +0000", "4294967296 +9999", "x"])
def test_odd_dates_of_peoples_commits_are_history(desk: Desk, date: str) -> None:
    """I43: written by other tools, or by broken ones."""
    raw = desk.git("cat-file", "commit", "HEAD").split("\n\n")[0].split("\n")
    lines = [line for line in raw if line.startswith("tree")] + [f"parent {desk.head()}"]
    text = "\n".join([*lines, f"author O <o@x.org> {date}", f"committer O <o@x.org> {date}", "", "odd"])
    commit = desk.git("hash-object", "-t", "commit", "-w", "--literally", "--stdin", stdin=text + "\n")
    desk.git("update-ref", "refs/heads/main", commit)
    desk.good("append", "runbooks/release.md", stdin="x\n")
    with harness(desk.folder, Wrong(2_000_000_000.0)) as made:
        assert made.reader.is_ancestor(desk.git("rev-parse", "HEAD~3"), desk.head())
        assert not made.reader.is_ancestor(desk.head(), commit)
        assert made.reader.merge_base(desk.head(), commit) == commit
    ran = desk.run("log", "--json", "-n", "2")
    assert [item["subject"] for item in ran.json["items"]] == ["append runbooks/release.md", "odd"]
    assert desk.run("log").code == desk.run("index", "rebuild").code == 0
