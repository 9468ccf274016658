"""Maintenance in a process of its own: what it says comes back, and it lives no longer than its parent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from githarness.clock import process_start
from githarness.daemon import aside
from githarness.errors import Locked, Unavailable


@pytest.fixture
def noting(tmp_path: Path) -> Callable[[], None]:
    """Notes in which process it ran."""

    def note() -> None:
        with open(tmp_path / "pids", "a") as file:
            file.write(f"{os.getpid()}\n")

    return note


def pids(tmp_path: Path) -> list[int]:
    return [int(line) for line in (tmp_path / "pids").read_text().split()]


def test_work_runs_in_one_other_process(tmp_path: Path, noting: Callable[[], None]) -> None:
    """As often as it is asked for; the process has gone afterwards."""
    with aside.started(noting) as work:
        work()
        work()
    first, second = pids(tmp_path)
    assert first == second != os.getpid()
    assert not process_start(first)


def test_a_fault_in_it_comes_back() -> None:
    """In its own words, and the process goes on."""

    def fail() -> None:
        raise Locked("another process maintains", fix="wait")

    with aside.started(fail) as work:
        for _ in range(2):
            with pytest.raises(Unavailable, match="another process maintains"):
                work()


def test_where_the_process_has_gone_the_work_is_done_here(tmp_path: Path, noting: Callable[[], None]) -> None:
    """Killed for memory, say: the daemon does not go without maintenance."""
    with aside.started(noting) as work:
        work()
        os.kill(pids(tmp_path)[0], signal.SIGKILL)
        work()
    assert pids(tmp_path)[1] == os.getpid()


def test_the_process_ends_with_a_killed_parent() -> None:
    """It holds nothing that the next daemon would wait for."""
    code = ("import os, signal\nfrom githarness.daemon import aside\n"
            "with aside.started(lambda: print(os.getpid(), flush=True)) as work:\n"
            "    work()\n    os.kill(os.getpid(), signal.SIGKILL)\n")
    done = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, check=False, timeout=30)
    assert done.returncode == -signal.SIGKILL  # and the pipe, which the other process has open too, came to its end
