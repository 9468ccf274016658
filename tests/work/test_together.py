"""Writes that wait for the lane are carried out by who has it: once, whoever dies, and never for who has gone."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from githarness import flock
from githarness.errors import Locked, Unavailable, Unread
from githarness.wiring import Harness
from githarness.work import together
from githarness.work.asks import Ask, Op, Written
from githarness.work.waiting import Left, Waiting
from tests.conftest import Git

RUNBOOK = "runbooks/release.md"
DYING = """
import os
from pathlib import Path
from githarness import settings, wiring
from githarness.work import landing, waiting
from githarness.work.asks import Ask, Op
{death} = lambda *_: os._exit(9)
wiring.open(Path("."), settings.load()).local.write(Ask("deployer", "r-1", (Op("append", "log.txt", b"leader\\n"),)))
"""


def append(line: bytes, agent: str = "deployer") -> Ask:
    return Ask(agent, f"r-{agent}", (Op("append", "log.txt", line),))


@contextlib.contextmanager
def left(harness: Harness, ask: Ask) -> Iterator[Left]:
    with Waiting(harness.repo.home).left(ask) as made:
        yield made


def log(git: Git, fleet: Path) -> list[str]:
    return sorted(git(fleet, "show", "main:log.txt").split())


def test_who_has_the_lane_carries_out_what_others_left(harness: Harness, fleet: Path, git: Git) -> None:
    """Each is a commit of its own, by its own agent, and its owner is told."""
    with left(harness, append(b"guest\n", "scribe")) as guest:
        harness.local.write(append(b"leader\n"))
        found = guest.result()
        assert guest.rung(0.0) and found and found[0] and found[0].worktree == "updated"
    assert git(fleet, "show", "-s", "--format=%an", str(found[0].commit)) == "scribe"
    assert log(git, fleet) == ["guest", "leader"]
    assert list((harness.repo.home / "asks").iterdir()) == []


def test_content_comes_through_as_it_was_left(harness: Harness, fleet: Path) -> None:
    """Any bytes, any mode."""
    body = bytes(range(256))
    ask = Ask("scribe", "r-1", (Op("write", "a.bin", body, mode="100755"),), "why", chain=("boss",))
    with left(harness, ask):
        harness.local.write(append(b"leader\n"))
    assert (fleet / "a.bin").read_bytes() == body
    assert (fleet / "a.bin").stat().st_mode & 0o100


def test_a_refusal_is_left_to_the_owner(harness: Harness) -> None:
    """It is recorded once, and keeps nobody else from landing."""
    ask = Ask("scribe", "r-1", (Op("write", RUNBOOK, b"new\n"),))
    with left(harness, ask) as guest:
        assert harness.local.write(append(b"leader\n")).commit
        assert guest.result() == (None,)
    with pytest.raises(Unread):
        harness.local.write(ask)
    with harness.db.read() as conn:
        assert conn.execute("SELECT count(*) FROM events WHERE kind = 'refusal'").fetchone() == (1,)


def test_nothing_is_carried_out_for_who_has_gone(harness: Harness, fleet: Path, git: Git) -> None:
    """An owner that was killed left its ask behind."""
    with left(harness, append(b"ghost\n")):
        file = next(file for file in (harness.repo.home / "asks").iterdir() if not file.suffix)
        file.rename(file.with_name("1-1-0"))
        harness.local.write(append(b"leader\n"))
    assert log(git, fleet) == ["leader"]


def test_nothing_is_carried_out_from_before_a_start_of_the_machine(harness: Harness, fleet: Path, git: Git) -> None:
    """Its owner's process id and start may be another's by now."""
    with left(harness, append(b"ghost\n")):
        (harness.repo.home / "boot").write_text("another boot\n")
        harness.local.write(append(b"leader\n"))
    assert log(git, fleet) == ["leader"]


@pytest.mark.parametrize("death", ["landing.land", "waiting.Waiting.answer", "landing.record"])
def test_a_leader_that_dies_loses_nothing_and_repeats_nothing(harness: Harness, fleet: Path, git: Git,
                                                              death: str) -> None:
    """Before it landed, before it said so, and after: the one that waits has its write once, and its result."""
    ask = append(b"guest\n", "scribe")
    with left(harness, ask) as guest:
        died = subprocess.run([sys.executable, "-c", DYING.format(death=death)], cwd=fleet, check=False)
        assert died.returncode == 9
        done = harness.local._together._wait(ask, guest)
    assert isinstance(done, Written) and done.at("log.txt").blob
    assert git(fleet, "show", "-s", "--format=%an", str(done.commit)) == "scribe"
    assert log(git, fleet).count("guest") == 1


def test_who_gives_up_takes_the_ask_back(harness: Harness, fleet: Path, git: Git,
                                         monkeypatch: pytest.MonkeyPatch) -> None:
    """A raised error means that nothing changed, and nothing will."""
    monkeypatch.setattr(together.Together._lead, "__kwdefaults__", {"wait": 0.1})
    with flock.exclusive(harness.repo.home / "lane.lock", what="it"), pytest.raises(Locked):
        harness.local.write(append(b"late\n"))
    harness.local.write(append(b"other\n"))
    assert log(git, fleet) == ["other"]


def test_who_gives_up_what_is_in_hand_does_not_say_that_it_failed(harness: Harness,
                                                                  monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody has taken the ask, and has the lane for too long."""
    monkeypatch.setattr(together.Together._lead, "__kwdefaults__", {"wait": 0.1})
    ask = append(b"late\n")
    with left(harness, ask) as guest, flock.exclusive(harness.repo.home / "lane.lock", what="it"):
        assert len(Waiting(harness.repo.home).take()) == 1
        with pytest.raises(Unavailable) as caught:
            harness.local._together._wait(ask, guest)
    assert caught.value.details == {"outcome": "unknown"}


def test_many_processes_land_together(harness: Harness, fleet: Path, git: Git) -> None:
    """Eight that wait while the lane is taken are one landing, or few."""
    code = ("import sys, githarness\nwith githarness.open('.') as h:\n"
            "    me = h.agent('scribe', run='r-' + sys.argv[1])\n"
            "    print('ready', flush=True)\n    sys.stdin.readline()\n    me.append('log.txt', sys.argv[1])\n")
    writers = [subprocess.Popen([sys.executable, "-c", code, str(number)], cwd=fleet, text=True,
                                stdin=subprocess.PIPE, stdout=subprocess.PIPE) for number in range(8)]
    assert all(writer.stdout and writer.stdout.readline() for writer in writers)
    before = len(list(fleet.glob(".git/objects/pack/*.pack")))
    with flock.exclusive(harness.repo.home / "lane.lock", what="it"):
        for writer in writers:
            assert writer.stdin
            writer.stdin.write("go\n")
            writer.stdin.flush()
        while len([file for file in fleet.glob(".git/githarness/asks/*") if not file.suffix]) < 8:
            pass
    assert [writer.communicate() and writer.returncode for writer in writers] == [0] * 8
    assert log(git, fleet) == [str(number) for number in range(8)]
    assert len(list(fleet.glob(".git/objects/pack/*.pack"))) - before < 8
