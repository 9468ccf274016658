"""The lane beside crashes, people and other clones: what was acknowledged stays so, and is never done twice."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import githarness
from githarness import settings, wiring
from githarness.errors import Unavailable
from githarness.work import landing
from githarness.work.asks import Ask, Op, ReadAsk, TooLarge, Written
from tests.conftest import Cli, Git

RUNBOOK = "runbooks/release.md"


@pytest.fixture
def harness(fleet: Path) -> Iterator[wiring.Harness]:
    made = wiring.open(fleet, settings.load())
    yield made
    made.close()


def append(path: str, line: bytes, **more: object) -> Ask:
    return Ask("deployer", "r-1", (Op("append", path, line),), **more)  # type: ignore[arg-type]


def test_an_operation_of_a_lost_database_lands_once(harness: wiring.Harness, fleet: Path) -> None:
    """git knows it: so is one of another clone, whose commits were pulled."""
    first = harness.local.write(append("log.txt", b"1\n", operation="k"))
    harness.close()
    for file in (fleet / ".git/githarness").glob("harness.db*"):
        file.unlink()
    again = wiring.open(fleet, settings.load()).local.write(append("log.txt", b"1\n", operation="k"))
    assert again.commit == first.commit


def test_an_operation_repeated_for_another_path_has_its_first_result(fleet: Path, cli: Cli) -> None:
    """In the API and on the command line."""
    with githarness.open(fleet) as opened:
        me = opened.agent("deployer", run="r-1")
        first = me.write("a.md", "1\n", operation="k")
        assert me.write("b.md", "2\n", operation="k").path == "a.md"
    said = cli("write", "b.md", "--agent", "deployer", "--operation", "k", "--json", cwd=fleet, stdin="2\n").json
    assert (said["path"], said["commit"]) == ("a.md", first.commit)


def test_bookkeeping_that_fails_does_not_deny_a_write(harness: wiring.Harness, git: Git, fleet: Path,
                                                      monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk is full once the commit has landed: the caller is told of the commit, the next command catches up."""
    def full(*args: object) -> None:
        raise Unavailable("the disk is full")
    with monkeypatch.context() as patch:
        patch.setattr(landing, "record", full)
        done = harness.local.write(append("log.txt", b"1\n"))
    assert done.commit == git(fleet, "rev-parse", "main")
    assert harness.local.recover() == 1


def test_nothing_is_judged_by_governance_that_its_group_changed(harness: wiring.Harness) -> None:
    """An owner retires an agent by hand; its write in the same group goes to another lane."""
    path = ".githarness/agents/deployer.yaml"
    found = harness.local.read(ReadAsk(path))
    retired = found.content + b"retired: '2026-01-01T00:00:00Z'\n"
    owner = Ask("olive", "r-h", (Op("write", path, retired, if_match=found.blob),), human="olive")
    first, second = harness.local.write_group([owner, append("log.txt", b"1\n")])
    assert isinstance(first, Written)
    assert isinstance(second, TooLarge)


def test_a_path_of_hundreds_of_folders_spoils_no_group(harness: wiring.Harness) -> None:
    """It is refused by name, its neighbour lands."""
    deep, other = harness.local.write_group([append("a/" * 2000 + "a", b"1\n"), append("log.txt", b"1\n")])
    assert getattr(deep, "code", "") == "bad-path"
    assert isinstance(other, Written)


@pytest.fixture
def passed_by(harness: wiring.Harness, git: Git, fleet: Path) -> Callable[[], None]:
    """`passed_by()`: git switches to the governed branch, slowly, while a write of the runbook lands."""
    (fleet / "big.slow").write_text("x\n")
    (fleet / ".gitattributes").write_text("*.slow filter=slow\n")
    git(fleet, "checkout", "-q", "-b", "side")
    git(fleet, "checkout", "-q", "main")
    git(fleet, "add", ".")
    git(fleet, "commit", "-q", "-m", "slow")
    git(fleet, "checkout", "-q", "side")
    git(fleet, "config", "filter.slow.smudge", "touch started; sleep 1; cat")

    def switch() -> None:
        switching = subprocess.Popen(["git", "checkout", "-q", "main"], cwd=fleet)
        while not (fleet / "started").exists():
            time.sleep(0.01)
        assert harness.local.write(append(RUNBOOK, b"verify\n")).worktree == "none"
        assert switching.wait() == 0

    return switch


def test_a_write_during_a_switch_to_the_branch_reaches_the_worktree(
        harness: wiring.Harness, git: Git, fleet: Path, passed_by: Callable[[], None]) -> None:
    """git makes files first and HEAD last; after the next write a `commit -a` does not take the first one back."""
    (fleet / ".git/hooks/post-checkout").unlink()
    passed_by()
    harness.local.write(append("log.txt", b"1\n"))
    git(fleet, "commit", "-q", "-a", "-m", "mine", ok=False)
    assert git(fleet, "show", f"main:{RUNBOOK}").endswith("verify")


def test_the_hook_brings_a_write_along_that_a_switch_passed_by(
        git: Git, fleet: Path, passed_by: Callable[[], None]) -> None:
    """No other write has to come first."""
    passed_by()
    (fleet / "started").unlink()
    assert git(fleet, "status", "--porcelain") == "" and (fleet / RUNBOOK).read_text().endswith("verify\n")
