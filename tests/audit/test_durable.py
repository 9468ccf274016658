"""G87: what cannot be recorded does not happen, and says so; a denial stays a denial. Log time, G91."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import githarness
from githarness.errors import Unavailable
from githarness.work.asks import ReadAsk
from tests.audit.conftest import World

RUNBOOK = "runbooks/release.md"


@contextmanager
def mounted(fleet: Path, tmp_path: Path) -> Iterator[World]:
    """The fleet's repository on a small disk of its own."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", disk]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("only root can mount a small disk")
    try:
        yield World(shutil.copytree(fleet, disk / "repo", symlinks=True))
    finally:
        subprocess.run(["umount", "-l", disk], check=True)


def fill(disk: Path) -> None:
    with (disk / "ballast").open("wb", buffering=0) as file:
        for size in (1 << 20, 1 << 12, 1):
            try:
                while True:
                    file.write(bytes(size))
            except OSError:
                continue


@pytest.fixture(params=["full", "read-only"])
def stuck(fleet: Path, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[World]:
    """A repository whose events have nowhere to go."""
    with mounted(fleet, tmp_path) as world:
        world.write()
        if request.param == "full":
            fill(tmp_path / "disk")
        else:
            world.harness.close()
            subprocess.run(["mount", "-o", "remount,ro", tmp_path / "disk"], check=True)
        yield world


def test_nothing_happens_that_cannot_be_recorded(stuck, cli, git) -> None:
    """No content is read, nothing is written, called, added, granted or purged; the branch stays where it was."""
    before = git(stuck.folder, "rev-parse", "main")
    with pytest.raises(Unavailable):
        stuck.harness.local.read(ReadAsk(RUNBOOK, "deployer", "r-1"))
    with pytest.raises(Unavailable), githarness.open(stuck.folder) as opened:
        opened.agent("deployer", run="r-1").called("Bash", {"command": "make"})
    for argv in (["append", RUNBOOK, "--agent", "deployer"], ["read", RUNBOOK, "--agent", "deployer"],
                 ["agent", "add", "newcomer"], ["audit", "purge", "--older-than", "0s"], ["audit", "seal"]):
        ran = cli(*argv, "--json", cwd=stuck.folder, stdin="x\n")
        assert ran.json["error"]["code"] == "unavailable", (argv, ran)
    assert git(stuck.folder, "rev-parse", "main") == before


def test_a_denial_that_cannot_be_recorded_stays_one(stuck, cli, git) -> None:
    """The write is refused all the same; its error says what is wrong with the disk."""
    ran = cli("write", ".githarness/config.toml", "--agent", "deployer", "--json", cwd=stuck.folder, stdin="x\n")
    assert ran.json["error"]["code"] in ("unavailable", "denied")
    assert git(stuck.folder, "log", "--format=%an", "-1", "--", ".githarness/config.toml") == "olive"


def test_a_denial_is_on_disk_before_its_caller_hears_of_it(world, cli) -> None:
    """Also from a process that ends at once; and so is a call of a tool."""
    cli("write", ".github/x.yml", "--agent", "deployer", cwd=world.folder, stdin="x\n")
    item = cli("audit", "log", "-n", "1", "--json", cwd=world.folder).json["items"][0]
    assert (item["kind"], item["agent"], item["outcome"]) == ("denial", "deployer", "denied")


def test_times_are_those_of_this_machine_and_order_is_not(world) -> None:
    """G91: a clock that jumps back moves no event; `seq` is the order, the tree holds it."""
    world.fill(2)
    world.write()
    with world.harness.db.read() as conn:
        rows = conn.execute("SELECT seq, time FROM events ORDER BY seq").fetchall()
    assert [seq for seq, _ in rows] == sorted(seq for seq, _ in rows) and rows[-1][1] > rows[-3][1]
    assert world.verify().faults == []
