"""Histories of real processes under stops, kills, a daemon that dies, a full disk and clocks that jump.

One order of operations explains them, and they keep L1 to L5; not so those of a lock that trusts its time alone, and
those that were changed.
"""

from __future__ import annotations

import contextlib
import copy
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.coordination import checker
from tests.coordination.checker import Operation, check, linearizable, load

ROOT = Path(__file__).resolve().parents[2]
SECONDS = float(os.environ.get("HARNESS_SOAK_SECONDS", "3600"))


class Campaign:
    """Actors and a daemon in a fleet, and what is done to them."""

    def __init__(self, fleet: Path, folder: Path, seed: int) -> None:
        self.fleet, self.folder, self.seed = fleet, folder, seed
        self.random = random.Random(seed)
        self.actors: list[subprocess.Popen[bytes]] = []
        self.daemon: subprocess.Popen[bytes] | None = None
        self.made = 0

    def start(self, *kinds: str) -> None:
        self.made += 1
        agent = ("deployer", "scribe")[self.made % 2]
        command = [sys.executable, "-m", "tests.coordination.actor", str(self.fleet), str(self.folder),
                   f"p{self.made}", agent, str(self.seed), *kinds]
        with open(self.folder / "stderr", "ab") as stderr:
            self.actors.append(subprocess.Popen(command, cwd=ROOT, stderr=stderr))

    def serve(self) -> None:
        self.end_daemon()
        command = [sys.executable, "-m", "githarness", "-C", str(self.fleet), "serve"]
        self.daemon = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL)

    def end_daemon(self) -> None:
        if self.daemon:
            self.daemon.kill()
            self.daemon.wait()

    def stop_one(self) -> None:
        """For longer than a lease lasts."""
        victim = self.random.choice(self.actors)
        os.kill(victim.pid, signal.SIGSTOP)
        time.sleep(0.6)
        os.kill(victim.pid, signal.SIGCONT)

    def kill_one(self, *kinds: str) -> None:
        victim = self.actors.pop(self.random.randrange(len(self.actors)))
        victim.kill()
        victim.wait()
        self.start(*kinds)

    def until(self, answered: int, seconds: float = 60.0) -> None:
        """A slow machine must not make a test of nothing."""
        end = time.monotonic() + seconds
        while self.answered() < answered and time.monotonic() < end:
            time.sleep(0.05)

    def answered(self) -> int:
        return sum(one["result"] == "ok" for one in load(self.folder))

    def end(self) -> list[Operation]:
        for one in self.actors:
            one.kill()
            one.wait()
        self.actors.clear()
        self.end_daemon()
        stderr = self.folder / "stderr"
        assert not (said := stderr.read_text() if stderr.exists() else ""), said
        return load(self.folder)


@pytest.fixture
def campaign(fleet: Path, tmp_path: Path) -> Iterator[Campaign]:
    folder = tmp_path / "history"
    folder.mkdir()
    made = Campaign(fleet, folder, seed=int.from_bytes(os.urandom(4)))
    yield made
    made.end()


def held(history: list[Operation], least: int) -> None:
    assert sum(one["result"] == "ok" for one in history) >= least
    assert check(history) == []


@pytest.mark.parametrize("kinds", [(), ("jumping",)], ids=["clocks", "jumping-clocks"])
def test_stopped_and_killed_processes_leave_a_history_that_holds(campaign: Campaign, kinds: tuple[str, ...]) -> None:
    """Holders are stopped past their time, and killed in the middle; wall clocks may jump by a year meanwhile."""
    for _ in range(4):
        campaign.start(*kinds)
    for number in range(1, 4):
        campaign.until(number * 60)
        campaign.stop_one()
        campaign.kill_one(*kinds)
    campaign.until(240)
    held(campaign.end(), 120)


def test_a_daemon_that_dies_leaves_a_history_that_holds(campaign: Campaign) -> None:
    """What was in its hands is done once or never; who asked goes on without it, and finds the next one."""
    campaign.serve()
    for _ in range(4):
        campaign.start()
    for number in range(1, 4):
        campaign.until(number * 60)
        campaign.serve()
    campaign.until(240)
    held(campaign.end(), 120)


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting takes root")
def test_a_full_disk_leaves_a_history_that_holds(campaign: Campaign, tmp_path: Path) -> None:
    """What could not be stored is refused; when there is room again it goes on."""
    with small_disk(tmp_path / "disk") as disk:
        campaign.fleet = shutil.copytree(campaign.fleet, disk / "fleet", symlinks=True)
        for _ in range(4):
            campaign.start()
        campaign.until(60)
        full(disk / "ballast")
        time.sleep(1.0)
        (disk / "ballast").unlink()
        campaign.until(campaign.answered() + 60)
        held(campaign.end(), 100)


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting takes root")
def test_a_full_disk_that_fails_its_test_is_no_longer_mounted(campaign: Campaign, tmp_path: Path) -> None:
    """Also where an actor had something to say: `end` raises, and every later run would stumble over the mount."""
    (campaign.folder / "stderr").write_text("said\n")
    with pytest.raises(AssertionError), small_disk(tmp_path / "disk"):
        campaign.end()
    assert not os.path.ismount(tmp_path / "disk")
    (campaign.folder / "stderr").unlink()


@contextlib.contextmanager
def small_disk(disk: Path) -> Iterator[Path]:
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=40m", "tmpfs", str(disk)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("no tmpfs can be mounted here")
    try:
        yield disk
    finally:  # lazily: actors of a test that failed end after this
        subprocess.run(["umount", "-l", str(disk)], check=True)


def full(ballast: Path) -> None:
    with open(ballast, "wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(1 << 16))
        except OSError:
            return


def test_a_lock_that_trusts_its_time_alone_is_found_out(campaign: Campaign) -> None:
    """The negative control: the same processes, which write without showing their lease."""
    for _ in range(3):
        campaign.start("careless")
    end = time.monotonic() + 60
    while time.monotonic() < end:
        time.sleep(0.5)
        if {"L2", "L3"} <= {one[:2] for one in check(load(campaign.folder))}:
            break
    found = check(campaign.end())
    assert {"L2", "L3"} <= {one[:2] for one in found}, found


@pytest.fixture(scope="module")
def good() -> list[Operation]:
    """Forty sets by two writers, one of whom is refused each time, and reads in between."""
    made: list[Operation] = []

    def add(op: str, result: str, found: Any, **argument: Any) -> None:
        at = len(made) * 10
        made.append({"op": op, "id": str(at), "agent": "a", "key": "k", "argument": argument, "start": at,
                     "end": at + 15, "result": result, "found": found})

    for version in range(40):
        add("set", "ok", version + 1, if_version=version, value=f"v{version}")
        add("set", "fail", version + 1, if_version=version, value="late")
        add("get", "ok", [version + 1, f"v{version}"])
    return made


def test_the_checker_takes_what_can_be_explained(good: list[Operation]) -> None:
    """Overlapping operations in any order; one whose answer was lost, done or not; nothing but refusals."""
    assert linearizable(good)
    lost = {**good[0], "id": "x", "end": None, "result": "unknown", "found": None,
            "argument": {"if_version": 40, "value": "v40"}}
    assert linearizable([*good, lost])
    read = {**good[2], "id": "y", "start": 2000, "end": 2010, "found": [41, "v40"]}
    assert linearizable([*good, lost, read]) and not linearizable([*good, read])


@pytest.mark.parametrize("at", range(0, 120, 3))
def test_a_removed_operation_is_found(good: list[Operation], at: int) -> None:
    """Somebody saw what it did."""
    assert not linearizable(good[:at] + good[at + 1 :])


@pytest.mark.parametrize("at", range(0, 117, 3))
def test_swapped_operations_are_found(good: list[Operation], at: int) -> None:
    """Two sets that changed their times."""
    changed = copy.deepcopy(good)
    for name in ("start", "end"):
        changed[at][name], changed[at + 3][name] = changed[at + 3][name], changed[at][name]
    assert not linearizable(changed)


def lease(op: str, start: int, found: int = 0, *, token: int = 0, agent: str = "a", ttl: float = 1e-7) -> Operation:
    return {"op": op, "id": f"{op}{start}", "agent": agent, "key": "L", "argument": {"token": token, "ttl": ttl},
            "start": start, "end": start + 5, "result": "ok", "found": found}


@pytest.mark.parametrize(("rule", "ops"), [
    ("L1", [lease("acquire", 0, 2), lease("release", 10, token=2), lease("acquire", 20, 1)]),
    ("L1", [lease("acquire", 0, 2), lease("release", 10, token=2), lease("acquire", 200, 2)]),
    ("L2", [lease("acquire", 0, 1), lease("acquire", 200, 2), lease("write", 210, token=1)]),
    ("L3", [lease("write", 0, token=2), lease("write", 10, token=1)]),
    ("L4", [lease("acquire", 0, 1), lease("acquire", 20, 2)]),
    ("L5", [lease("acquire", 0, 1), lease("release", 10, token=1, agent="b")]),
])
def test_each_rule_of_leases_finds_what_it_is_for(rule: str, ops: list[Operation]) -> None:
    """A history that breaks one of them."""
    assert any(one.startswith(rule) for one in check(ops))


def test_the_checker_is_fast_enough_for_long_histories(good: list[Operation]) -> None:
    """Its memory keeps it from trying orders twice: many overlapping writers of one key."""
    ops: list[Operation] = []
    for at in range(400):
        ops.append({**good[0], "id": str(at), "start": at * 10, "end": at * 10 + 80, "found": at + 1,
                    "argument": {"if_version": None, "value": str(at)}})
    assert checker.linearizable(ops)


@pytest.mark.soak
def test_an_hour_of_everything(campaign: Campaign) -> None:
    """The campaign of `make soak`; HARNESS_SOAK_SECONDS makes it shorter. Histories are judged every minute."""
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        campaign.serve()
        for number in range(6):
            campaign.start(*(("jumping",) if number % 2 else ()))
        until = min(end, time.monotonic() + 60)
        while time.monotonic() < until:
            time.sleep(campaign.random.uniform(0.0, 2.0))
            campaign.random.choice((campaign.stop_one, campaign.kill_one, campaign.serve))()
        held(campaign.end(), 50)
        shutil.move(campaign.folder, campaign.folder.with_name(f"judged-{campaign.made}"))
        campaign.folder.mkdir()
        campaign.seed += 1  # and with it the keys
