"""Many writers at once, with and without the daemon, beside people and crashes; nothing acknowledged is ever lost."""

from __future__ import annotations

import random
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.consistency.conftest import Field


@pytest.mark.parametrize("daemon", [False, True])
def test_nineteen_writers_lose_nothing(ground: Field, daemon: bool) -> None:
    """19 processes append to one log and rewrite their files: every acknowledged write is in history once, in order."""
    if daemon:
        ground.serve()
    ground.start(19, 6, seed=1)
    ground.wait()
    assert ground.acknowledged() == 19 * 6
    assert ground.check() == []
    ground.write_once_more()


@pytest.mark.parametrize("writer", ["git", "gitpython"])
def test_the_checker_catches_writers_that_lose(ground: Field, writer: str) -> None:
    """Negative control: bare git and GitPython's index.commit do not pass what ours passes."""
    ground.start(8, 12, seed=2, writer=writer)
    ground.wait()
    assert ground.check(signed=False) != []


def test_killed_writers_leave_a_sound_repository(ground: Field) -> None:
    """kill -9 of every writer at random moments, again and again; the next writer finishes what was left."""
    choose = random.Random(7)
    for round_ in range(4):
        ground.start(5, 40, seed=10 + round_)
        ground.until(8 * (round_ + 1))
        time.sleep(choose.random() * 0.3)
        ground.kill()
        ground.write_once_more(f"after-{round_}")
    assert ground.acknowledged() >= 32
    assert [found for found in ground.check() if "after-" not in found] == []


def test_a_killed_daemon_loses_no_acknowledged_write(ground: Field) -> None:
    """kill -9 of the daemon under load and a new one, three times; writers go on through the lane in process."""
    ground.start(8, 60, seed=20)
    for turn in range(3):
        ground.serve()
        ground.until(20 * (turn + 1))
        ground.stop(signal.SIGKILL)
    ground.wait()
    ground.write_once_more("after-all")
    assert ground.acknowledged() > 50
    assert [found for found in ground.check() if "after-all" not in found] == []


def test_a_stopped_writer_does_not_block_for_ever(ground: Field) -> None:
    """SIGSTOP of writers at random moments: the others get `locked` at worst, and all is sound when they go on."""
    ground.start(6, 25, seed=30)
    end = time.monotonic() + 3
    while time.monotonic() < end:
        one = random.Random(end).choice(ground.running)
        one.send_signal(signal.SIGSTOP)
        time.sleep(0.2)
        one.send_signal(signal.SIGCONT)
        time.sleep(0.05)
    ground.wait()
    assert ground.check() == []


def test_people_use_git_meanwhile(ground: Field) -> None:
    """commit, commit -a, stash, gc, rebase beside the agents: nothing of theirs or the agents' is lost."""
    ground.start(4, 30, seed=40)
    mine = 0
    for turn in range(12):
        (ground.repo / "person.txt").write_text(f"turn {turn}\n")
        command = [
            "git add person.txt && git commit -qm person",
            "git commit -qam all",
            "git stash -q && git stash pop -q",
            "git gc -q --prune=now",
            "git add person.txt && git commit -qm again",
        ][turn % 5]
        done = subprocess.run(["sh", "-c", command], cwd=ground.repo, capture_output=True, check=False)
        mine += done.returncode == 0 and "commit" in command
    ground.wait()
    persons = _git(ground.repo, "log", "--format=%an", "main").count("Olive Owner")
    assert persons >= mine
    assert (ground.repo / "person.txt").read_text() == "turn 11\n"
    assert [found for found in ground.check() if not found.startswith("W4")] == []


def _git(repo: Path, *args: str) -> str:
    return subprocess.run(["git", *args], cwd=repo, check=True, capture_output=True, text=True).stdout
