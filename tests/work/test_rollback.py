"""Rollback and its command in a governed repository: who may, what it says, what stands in the way."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import githarness
from githarness import settings, wiring
from githarness.errors import Conflict
from githarness.wiring import Harness
from githarness.work import rollback
from githarness.work.asks import Ask, Op, Plan, ReadAsk, Written
from tests.conftest import run_cli, run_git

Cli = Callable[..., Any]
Git = Callable[..., str]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A governed repository: agents a and b have each written a log and stock.md; b on top of a."""
    folder = tmp_path_factory.mktemp("built")
    run_git(folder, "init", "-q")
    (folder / "stock.md").write_text("10\n")
    run_git(folder, "add", ".")
    run_git(folder, "commit", "-qm", "start")
    for words in (["init"], ["agent", "add", "a"], ["agent", "add", "b"]):
        assert run_cli(*words, cwd=folder).code == 0
    for who in "aba":
        assert run_cli("append", "log", "--agent", who, cwd=folder, stdin=f"{who}\n").code == 0
    write(run_cli, folder, "a", "stock.md", "9\n")
    return folder, Path(os.environ["XDG_DATA_HOME"])


@pytest.fixture
def repo(built: tuple[Path, Path], home: Path, tmp_path: Path) -> Path:
    """A copy of it, with the keys in this test's home."""
    shutil.copytree(built[1], home / "data")
    return Path(shutil.copytree(built[0], tmp_path / "repo", symlinks=True))


def write(cli: Cli, repo: Path, who: str, path: str, text: str) -> str:
    cli("read", path, "--agent", who, cwd=repo)
    done = cli("write", path, "--agent", who, "--json", cwd=repo, stdin=text)
    assert done.code == 0, done.err
    return str(done.json["commit"])


def test_one_agent_is_undone_in_one_signed_commit(repo: Path, cli: Cli, git: Git) -> None:
    """The answer, the files, the trailers and git's own view of it agree."""
    done = cli("rollback", "a", "--json", cwd=repo)
    assert (done.code, len(done.json["reverted"]), done.json["conflicts"]) == (0, 3, [])
    assert done.json["paths"] == [{"path": "log", "action": "merged"}, {"path": "stock.md", "action": "restored"}]
    assert ((repo / "log").read_text(), (repo / "stock.md").read_text()) == ("b\n", "10\n")
    assert git(repo, "log", "-1", "--format=%(trailers:key=Rolls-Back,valueonly)").split() == done.json["reverted"]
    assert git(repo, "log", "-1", "--format=%H %G?") == f"{done.json['commit']} G"
    assert git(repo, "status", "--porcelain") == ""
    again = cli("rollback", "a", "--json", cwd=repo)
    assert (again.code, again.json["commit"], again.json["reverted"]) == (0, None, [])


def test_people_read_a_plan_and_how_to_undo_it(repo: Path, cli: Cli, git: Git) -> None:
    """Commits, paths and diff with --dry-run, which changes nothing; afterwards the command that undoes it."""
    head = git(repo, "rev-parse", "HEAD")
    plan = cli("rollback", "a", "--dry-run", cwd=repo)
    assert plan.code == 0
    assert [line.split()[0] for line in plan.out.splitlines() if line.startswith("  ")][3:] == ["merged", "restored"]
    assert "3 commits to undo" in plan.out
    assert "-9\n+10\n" in plan.out
    assert git(repo, "rev-parse", "HEAD") == head
    undo = next(line for line in cli("rollback", "a", cwd=repo).out.splitlines() if line.startswith("to undo this: "))
    assert cli(*undo.removeprefix("to undo this: githarness ").split(), cwd=repo).code == 0
    assert git(repo, "diff", "--stat", head, "HEAD") == ""


def test_a_conflict_stops_or_is_left_out(repo: Path, cli: Cli, git: Git) -> None:
    """Exit 11 and no change; with skip the rest is undone, exit 1; dry runs say the same."""
    write(cli, repo, "b", "stock.md", "8\n")
    head = git(repo, "rev-parse", "HEAD")
    for words in (["--dry-run"], []):
        done = cli("rollback", "a", "--json", *words, cwd=repo)
        assert (done.code, done.json["commit"], done.json["error"]["code"]) == (11, None, "conflict")
        conflict = done.json["conflicts"][0]
        assert (conflict["path"], conflict["ours"], conflict["theirs"]) == ("stock.md", "8\n", "10\n")
        assert len(conflict["commits"]) == 2
    assert "now" in cli("rollback", "a", cwd=repo).out
    assert git(repo, "rev-parse", "HEAD") == head
    assert cli("rollback", "a", "--on-conflict", "skip", "--dry-run", cwd=repo).code == 1
    done = cli("rollback", "a", "--on-conflict", "skip", "--json", cwd=repo)
    assert (done.code, len(done.json["reverted"])) == (1, 2)
    assert ((repo / "log").read_text(), (repo / "stock.md").read_text()) == ("b\n", "8\n")
    done = cli("rollback", "a", "--on-conflict", "skip", cwd=repo)
    assert done.code == 1 and done.out.endswith("nothing was changed: each of these files is left as it is\n")


def test_an_uncommitted_edit_stops_or_is_left_out(repo: Path, cli: Cli) -> None:
    """A person's edit is never overwritten."""
    (repo / "stock.md").write_text("a person's\n")
    for words in (["--dry-run"], []):
        done = cli("rollback", "a", "--json", *words, cwd=repo)
        assert (done.code, done.json["error"]["code"]) == (11, "dirty")
    assert (repo / "log").read_text() == "a\nb\na\n"
    done = cli("rollback", "a", "--json", "--on-conflict", "skip", cwd=repo)
    assert (done.code, [one["path"] for one in done.json["excluded"]]) == (1, ["stock.md"])
    assert ((repo / "log").read_text(), (repo / "stock.md").read_text()) == ("b\n", "a person's\n")


@pytest.mark.parametrize("words", [["nobody"], ["--run", "r-0"], ["--commit", "abcdef12"]])
def test_unknown_names_are_not_found(repo: Path, cli: Cli, words: list[str]) -> None:
    """Exit 14, whatever it is that is not there."""
    done = cli("rollback", *words, "--json", cwd=repo)
    assert (done.code, done.json["error"]["code"]) == (14, "not-found")


def test_nothing_selected_is_wrong_usage(repo: Path, cli: Cli) -> None:
    """Everything at once is never meant."""
    assert cli("rollback", cwd=repo).code == 2
    assert cli("rollback", "--path", "/etc/**", cwd=repo).code == 2


def test_an_agent_without_commits_has_nothing_to_roll_back(repo: Path, cli: Cli) -> None:
    """Known, but it has not written: exit 0 and no commit."""
    cli("agent", "add", "idle", cwd=repo)
    done = cli("rollback", "idle", "--json", cwd=repo)
    assert (done.code, done.json["commit"], done.json["paths"]) == (0, None, [])


def test_it_takes_an_operator(repo: Path, cli: Cli, git: Git) -> None:
    """A contributor is denied, also for a dry run."""
    words = ["human", "add", "carl", "--mail", "carl@example.org", "--role", "contributor"]
    assert cli(*words, cwd=repo).code == 0
    git(repo, "config", "user.email", "carl@example.org")
    for more in (["--dry-run"], []):
        done = cli("rollback", "a", "--json", *more, cwd=repo)
        assert (done.code, done.json["error"]["code"]) == (10, "denied")


class Racing:
    """A harness whose landing is late: an agent writes between plan and landing, `times` times; the last time, `stock`
    over what was selected."""

    def __init__(self, harness: Harness, times: int, stock: bytes | None = None) -> None:
        self._harness, self._times, self._stock = harness, times, stock

    def __getattr__(self, name: str) -> Any:
        return getattr(self._harness, name)

    @property
    def local(self) -> Racing:
        return self

    def land(self, plan: Plan) -> Written:
        if self._times:
            self._times -= 1
            run = self._harness.settings.run_of("b")
            ask = Ask("b", run, (Op("append", "log", b"late\n"),))
            if self._stock and not self._times:
                seen = self._harness.local.read(ReadAsk("stock.md", "b", run))
                ask = Ask("b", run, (Op("write", "stock.md", self._stock, if_match=seen.blob),))
            self._harness.local.write(ask)
        return self._harness.local.land(plan)


@pytest.mark.parametrize(("times", "landed"), [(1, 1), (2, 2), (9, 3)])
def test_writes_that_land_first_are_planned_around(repo: Path, times: int, landed: int) -> None:
    """The rollback plans again, at last while the others wait, and keeps the lines that came in between."""
    racing = Racing(wiring.open(repo, settings.load()), times)
    assert rollback.rollback(racing, rollback.Selection(agent="a")).commit
    assert (repo / "log").read_text() == "b\n" + "late\n" * landed


def test_a_rollback_that_a_late_write_makes_impossible_stops(repo: Path) -> None:
    """Also where that is found while the others wait."""
    racing = Racing(wiring.open(repo, settings.load()), 3, b"b's\n")
    report = rollback.attempt(racing, rollback.Selection(agent="a"))
    assert (report.stopped, report.commit, [one.path for one in report.conflicts]) == (True, None, ["stock.md"])


def test_python_raises_where_it_stops(repo: Path, cli: Cli) -> None:
    """A dry run returns the conflicts, the real run raises them; nothing has changed."""
    write(cli, repo, "b", "stock.md", "8\n")
    with githarness.open(repo) as h:
        assert h.rollback("a", dry_run=True).conflicts[0].path == "stock.md"
        with pytest.raises(Conflict) as caught:
            h.rollback("a")
        assert caught.value.details["commit"] is None
        assert h.rollback("a", on_conflict="skip", message="skip it").exit_code == 1
        assert h.log(limit=1)[0].subject == "skip it"
