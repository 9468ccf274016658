"""kill -9 at every state-changing system call of one write: the next command finds a sound repository and finishes."""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import sys
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest

from tests.consistency import checker
from tests.consistency.conftest import HERE, Field

STRACE = shutil.which("strace")
CALLS = [
    "write",
    "pwrite64",
    "writev",
    "fsync",
    "fdatasync",
    "rename",
    "renameat",
    "renameat2",
    "link",
    "linkat",
    "unlink",
    "unlinkat",
    "ftruncate",
    "mkdir",
    "mkdirat",
    "fchmod",
    "utimensat",
    "flock",
]
SAMPLE = 7
pytestmark = pytest.mark.skipif(STRACE is None, reason="strace is not installed")


def traced(ground: Field, repo: Path, *options: str) -> subprocess.CompletedProcess[bytes]:
    command = [str(STRACE), "-f", *options, sys.executable, str(HERE / "one_write.py"), str(repo), "the-write"]
    environ = {**ground.environ(), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(command, env=environ, capture_output=True, check=False, timeout=300)


def points(ground: Field, tmp_path: Path) -> list[tuple[str, int]]:
    """Each call between the two marks, as its name and its number among all calls of that name in the process."""
    trace, repo = tmp_path / "trace", copy(ground, tmp_path / "traced")
    done = traced(ground, repo, "-o", str(trace), "-e", "trace=umask," + ",".join(CALLS))
    assert b"acknowledged" in done.stdout
    counted: Counter[str] = Counter()
    found, inside = [], False
    for line in trace.read_text(errors="replace").splitlines():
        name = re.sub(r"^\d+ +", "", line).partition("(")[0]
        counted[name] += 1
        inside = ("umask(0123)" in line) or (inside and "umask(0321)" not in line)
        if inside and name in CALLS:
            found.append((name, counted[name]))
    return found


def copy(ground: Field, target: Path) -> Path:
    """A twin of the repository, its working tree's index refreshed as after any copy."""
    shutil.copytree(ground.repo, target, symlinks=True)
    checker.git(target, "status")
    return target


def killed_at(ground: Field, tmp_path: Path, name: str, number: int) -> None:
    repo = copy(ground, tmp_path / f"{name}-{number}")
    done = traced(
        ground, repo, "-o", "/dev/null", "-e", f"trace={name}", "-e", f"inject={name}:signal=KILL:when={number}"
    )
    assert done.returncode in (-signal.SIGKILL, 128 + signal.SIGKILL), f"{name} {number} was not reached"
    after = Field(repo, ground.history)
    after.write_once_more()
    again = [sys.executable, "-c", REPEAT, str(repo)]
    subprocess.run(again, env=ground.environ(), check=True, timeout=120, capture_output=True)
    landed = [commit.operation for commit in checker.commits(repo)].count("the-write")
    assert (landed, (repo / "log.txt").read_text()) == (1, "the-write\n"), f"{name} {number}"
    assert list(checker._sound(repo)) == []
    assert checker.git(repo, "status", "--porcelain") == b""
    shutil.rmtree(repo)


REPEAT = """import sys, githarness
with githarness.open(sys.argv[1]) as h:
    h.agent("agent-0", run="r-again").append("log.txt", "the-write", operation="the-write")"""


def test_a_sample_of_the_calls(ground: Field, tmp_path: Path) -> None:
    """A few, spread over the places where one kind of call follows another: most calls are pages of the database."""
    found = points(ground, tmp_path)
    turns = [one for before, one in pairwise(found) if one[0] != before[0]]
    assert len(found) > 40 and len(turns) > 3 * SAMPLE
    for step in range(SAMPLE):
        killed_at(ground, tmp_path, *turns[(2 * step + 1) * len(turns) // (2 * SAMPLE)])


@pytest.mark.soak
def test_every_call(ground: Field, tmp_path: Path) -> None:
    """All of them."""
    for name, number in points(ground, tmp_path):
        killed_at(ground, tmp_path, name, number)
