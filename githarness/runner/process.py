"""A child process with a time limit, and the end of its whole tree.

The runner makes itself the reaper of orphans (PR_SET_CHILD_SUBREAPER), so that what a child started stays among our
descendants, also where it left its session or its parent; nothing of it outlives the call. The child stays in our
process group and keeps the terminal. Where there is no /proc, only the child itself is ended.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import sleep

from githarness.clock import SYSTEM
from githarness.errors import NotFound, Unavailable

_SUBREAPER = 36  # prctl(2), PR_SET_CHILD_SUBREAPER
GRACE = 5.0  # seconds between SIGTERM and SIGKILL
_PASSES = 200  # of killing what is left; each pass stops every process that it meets


@dataclass(frozen=True, slots=True)
class Ended:
    code: int  # as a shell says it: 128 + N for signal N
    timed_out: bool = False
    interrupted: bool = False


@dataclass(frozen=True, slots=True)
class Job:
    command: Sequence[str]
    directory: Path
    environ: Mapping[str, str]
    timeout: float | None = None
    stdout: int | None = None


def run(job: Job) -> Ended:
    """Runs to the end, or to the time limit, or until SIGINT or SIGTERM; then nothing of its tree is left.

    Raises NotFound and Unavailable where the command cannot be started.
    """
    _reap_orphans()
    with _signals() as seen:
        child = _start(job)
        try:
            code, timed_out = _wait(child, job.timeout, seen)
        finally:
            end_tree(os.getpid(), child=child.pid)
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(GRACE)
    code = child.returncode if code is None else code
    return Ended(128 - code if code < 0 else code, timed_out, bool(seen))


def _start(job: Job) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(job.command, cwd=job.directory, env=dict(job.environ), stdout=job.stdout)
    except FileNotFoundError:
        raise NotFound(f"there is no command '{job.command[0]}'", fix="name a program on PATH after --") from None
    except OSError as error:
        raise Unavailable(f"'{job.command[0]}' cannot be started: {error.strerror}") from error


def _wait(child: subprocess.Popen[bytes], timeout: float | None, seen: list[int]) -> tuple[int | None, bool]:
    end = None if timeout is None else SYSTEM.monotonic() + timeout
    while not seen:
        if end is not None and SYSTEM.monotonic() > end:
            return None, True
        with contextlib.suppress(subprocess.TimeoutExpired):
            return child.wait(0.1 if end is None else max(0.01, min(0.1, end - SYSTEM.monotonic()))), False
    return None, False


@contextlib.contextmanager
def _signals() -> Iterator[list[int]]:
    """Notes signals instead of dying of them, so that what the agent did is captured.

    Control-C on a terminal reaches the child too, and is the child's to answer: an agent may only end its turn.
    """
    seen: list[int] = []
    noted = [signal.SIGTERM, signal.SIGHUP] + ([] if sys.stdin.isatty() else [signal.SIGINT])
    before = {number: signal.signal(number, lambda number, _: seen.append(number)) for number in noted}
    before |= {} if signal.SIGINT in before else {signal.SIGINT: signal.signal(signal.SIGINT, lambda *_: None)}
    try:
        yield seen
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _reap_orphans() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_SUBREAPER, 1, 0, 0, 0)


def end_tree(root: int, *, child: int) -> None:
    """SIGTERM to all living descendants of `root`, a grace, then SIGKILL until none is left. Reaps the adopted dead."""
    left = descendants(root) or [child]
    _signal(left, signal.SIGTERM)
    end = SYSTEM.monotonic() + GRACE
    while (left := descendants(root)) and SYSTEM.monotonic() < end:
        sleep(0.02)
    for _ in range(_PASSES):
        if not left:
            break
        _signal(left, signal.SIGSTOP)
        _signal(descendants(root), signal.SIGKILL)
        sleep(0.005)
        left = descendants(root)
    _reap(child)


def _signal(processes: Sequence[int], number: int) -> None:
    for process in processes:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, number)


def _reap(child: int) -> None:
    """Takes the adopted dead; the child itself is left to its Popen, which wants to know how it ended."""
    for process, (parent, state) in _table().items():
        if parent == os.getpid() and state == "Z" and process != child:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(process, os.WNOHANG)


def _table() -> dict[int, tuple[int, str]]:
    """Parent and state of every process; empty where there is no /proc."""
    table: dict[int, tuple[int, str]] = {}
    for name in os.listdir("/proc") if os.path.isdir("/proc/self") else []:
        if name.isdigit():
            with contextlib.suppress(OSError), open(f"/proc/{name}/stat", encoding="utf-8", errors="replace") as file:
                state, parent = file.read().rpartition(")")[2].split()[:2]
                table[int(name)] = (int(parent), state)
    return table


def descendants(root: int) -> list[int]:
    """Pids of the living below `root`; a dead parent's children still count as below it."""
    table = _table()
    parents = {process: parent for process, (parent, _) in table.items()}
    found, seen = [], {root}
    grown = True
    while grown:
        grown = False
        for process, parent in parents.items():
            if parent in seen and process not in seen:
                seen.add(process)
                found.append(process)
                grown = True
    return [process for process in found if table[process][1] not in "ZX"]
