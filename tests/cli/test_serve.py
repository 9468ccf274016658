"""`githarness serve` over the real ledger: the other commands find it, and give the same results without it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from githarness import settings, wiring
from githarness.daemon.client import RemoteLane
from githarness.daemon.serve import status
from githarness.errors import HarnessError
from githarness.work.asks import Ask, Lane, Op, ReadAsk

ROOT = str(Path(__file__).resolve().parents[2])


@pytest.fixture
def serving(fleet: Path) -> Iterator[subprocess.Popen[str]]:
    """The daemon of `fleet`, ready."""
    command = [sys.executable, "-m", "githarness", "-C", str(fleet), "serve", "--json"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert json.loads(process.stdout.readline())["event"] == "ready"
        yield process
        process.terminate()


def test_commands_find_the_daemon_and_end_it(serving: subprocess.Popen[str], fleet: Path, cli: Any) -> None:
    """Write, see it counted, be refused a second daemon, stop the first."""
    done = cli("write", "a.md", "--agent", "deployer", "--json", cwd=fleet, stdin="hello\n")
    assert done.code == 0 and done.json["worktree"] == "updated"
    assert cli("serve", "--status", "--json", cwd=fleet).json["writes"] == 1
    second = cli("serve", "--json", cwd=fleet).json["error"]
    assert second["code"] == "locked" and "githarness serve --stop" in second["fix"]
    assert cli("serve", "--stop", cwd=fleet).code == 0
    assert serving.wait(60) == 0
    assert serving.stdout and json.loads(serving.stdout.read())["event"] == "stopped"
    assert cli("serve", "--status", cwd=fleet).code == 14


def test_status_and_stop_exclude_each_other(fleet: Path, cli: Any) -> None:
    """Asked for both, neither is done."""
    assert cli("serve", "--status", "--stop", cwd=fleet).code == 2


def results(lane: Lane) -> list[object]:
    """What callers get for a run of writes and reads, good and refused; ids that differ by nature left out."""
    run, found = "r-same", []
    ops = [
        Op("write", "notes/a.md", b"one\n"), Op("append", "notes/a.md", b"two"), Op("write", "notes/a.md", b"x"),
        Op("rename", "notes/a.md", to="notes/b.md"), Op("delete", "nothing.md"), Op("write", "../x", b"x"),
        Op("write", ".githarness/config.toml", b"x"), Op("append", "notes", b"x"),
        Op("write", "big.bin", bytes(3 << 20)), Op("append", "big.bin", b"\0x"),
        Op("write", "blob.bin", b"\0\xff", None, "absent"),
    ]
    for number, op in enumerate(ops):
        try:
            done = lane.write(Ask("deployer", run, (op,), operation=f"op-{number}"))
            found.append((done.paths, done.operation, done.worktree, done.commit is None))
        except HarnessError as error:
            found.append((type(error), error.message, error.fix))
    for path in ("notes/a.md", "notes/b.md", "big.bin", "blob.bin", "notes", "/etc/passwd"):
        try:
            doc = lane.read(ReadAsk(path, "deployer", run))
            found.append((doc.path, doc.blob, doc.mode, len(doc.content)))
        except HarnessError as error:
            found.append((type(error), error.message.split(" at ")[0], error.fix))
    return found


def test_the_daemon_gives_the_results_of_the_lane_in_process(
    fleet: Path, tmp_path: Path, git: Any, serving: subprocess.Popen[str]
) -> None:
    """Both adapters of the lane, on two copies of one repository."""
    other = tmp_path / "copy"
    subprocess.run(["cp", "-a", str(fleet), str(other)], check=True)
    here, there = wiring.open(fleet, settings.load()), wiring.open(other, settings.load())
    assert isinstance(here.lane, RemoteLane)
    assert results(here.lane) == results(there.local)
    assert status(settings.load(), here.repo)["writes"] >= 9
    assert git(fleet, "rev-parse", "HEAD^{tree}") == git(other, "rev-parse", "HEAD^{tree}")
    assert git(fleet, "status", "--porcelain") == ""


def test_a_killed_daemon_leaves_a_sound_repository(
    serving: subprocess.Popen[str], fleet: Path, cli: Any, git: Any
) -> None:
    """The next command works in process and finishes what was left."""
    assert cli("write", "a.md", "--agent", "deployer", cwd=fleet, stdin="1\n").code == 0
    serving.send_signal(signal.SIGKILL)
    serving.wait(60)
    assert cli("append", "a.md", "--agent", "deployer", cwd=fleet, stdin="2\n").code == 0
    assert (fleet / "a.md").read_text() == "1\n2\n"
    assert "dangling" not in git(fleet, "fsck", "--strict") and git(fleet, "status", "--porcelain") == ""
