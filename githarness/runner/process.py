"""A child process with a time limit, and the end of its whole tree.

The runner makes itself the reaper of orphans (PR_SET_CHILD_SUBREAPER), so that what a child started stays among our
descendants, also where it left its session or its parent; nothing of it outlives the call, but for what another service
starts in its stead (systemd-run, at, a container). The child stays in our process group and keeps the terminal. Where
there is no /proc, only the child itself is ended.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import resource
import signal
import subprocess
import sys
import termios
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import sleep

from githarness.clock import SYSTEM
from githarness.errors import NotFound, Unavailable

_SET_SUBREAPER, _GET_SUBREAPER = 36, 37  # prctl(2)
GRACE = 5.0  # seconds between SIGTERM and SIGKILL
_SWARM = 500  # processes that are given no grace: what has so many is making more
_KILLING = 30.0  # seconds; what replaces itself faster than it can be looked at is reported, and is for a sandbox
_MORE = 4096  # processes and threads that a tree may add to what the user has
Processes = Callable[[], list[int]]


def _nothing() -> None:
    pass


@dataclass(frozen=True, slots=True)
class Ended:
    code: int  # as a shell says it: 128 + N for signal N
    timed_out: bool = False
    interrupted: bool = False
    left: tuple[int, ...] = ()  # processes that could not be ended: another user's, stuck in the kernel, or too many


@dataclass(frozen=True, slots=True)
class Job:
    command: Sequence[str]
    directory: Path
    environ: Mapping[str, str | bytes]
    timeout: float | None = None
    streams: tuple[int | None, int | None, int | None] = (None, None, None)  # stdin, stdout, stderr; None: ours
    terminal: bool = False  # whether its stdout is a terminal to be its own, in a session of its own
    tick: Callable[[], None] = _nothing  # called several times a second while it runs


@contextlib.contextmanager
def signals() -> Iterator[list[int]]:
    """Notes signals instead of dying of them, so that what the agent did is captured; those ignored stay ignored.

    Control-C on a terminal reaches the child too, and is the child's to answer: an agent may only end its turn.
    """
    seen: list[int] = []
    childs_own = signal.SIGINT if sys.stdin.isatty() else None

    def note(number: int, _: object) -> None:
        if number != childs_own:
            seen.append(number)

    noted = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGQUIT)
    before = {number: signal.getsignal(number) for number in noted}
    before = {number: handler for number, handler in before.items() if handler != signal.SIG_IGN}
    for number in before:
        signal.signal(number, note)
    try:
        yield seen
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def run(job: Job, seen: Sequence[int], started: Callable[[int], None] = lambda _: None) -> Ended:
    """Runs to the end, or to the time limit, or until a signal is `seen`; then nothing of its tree is left.

    `started` is told its process id. Raises NotFound and Unavailable where the command cannot be started.
    """
    us, ours = os.getpid(), frozenset(descendants(os.getpid()))
    with _reaper():
        with _bounded():
            child = _start(job)

        def tree() -> list[int]:
            _reap({child.pid, *ours})
            return descendants(us, without=ours) or ([child.pid] if child.poll() is None else [])

        def tidy() -> None:
            _reap({child.pid, *ours})
            job.tick()

        try:
            started(child.pid)
            timed_out = _wait(child, job.timeout, seen, tidy)
        finally:
            left = end(tree)
    code = -signal.SIGKILL if child.returncode is None else child.returncode
    if seen:  # whatever the command made of the SIGTERM that it was ended with
        code = -seen[0]
    interrupted = bool(seen) or code == -signal.SIGINT
    return Ended(128 - code if code < 0 else code, timed_out, interrupted, tuple(left))


def _start(job: Job) -> subprocess.Popen[bytes]:
    try:
        stdin, stdout, stderr = job.streams
        return subprocess.Popen(job.command, cwd=job.directory, env=dict(job.environ), stdin=stdin, stdout=stdout,
                                stderr=stderr, start_new_session=job.terminal,
                                preexec_fn=_take_terminal if job.terminal else None)
    except FileNotFoundError:
        raise NotFound(f"there is no command '{job.command[0]}'", fix="name a program on PATH after --") from None
    except OSError as error:
        raise Unavailable(f"'{job.command[0]}' cannot be started: {error.strerror}",
                          fix="name an executable program after --") from error


def _take_terminal() -> None:
    """In the child: the terminal that it was given sends it its keys, and its hang-up."""
    fcntl.ioctl(1, termios.TIOCSCTTY, 0)


def _wait(child: subprocess.Popen[bytes], timeout: float | None, seen: Sequence[int], tidy: Callable[[], None]) -> bool:
    """Whether the time limit ended the wait."""
    end = None if timeout is None else SYSTEM.monotonic() + timeout
    while not seen:
        left = 0.1 if end is None else end - SYSTEM.monotonic()
        if left <= 0:
            return True
        tidy()
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(min(0.1, left))
            return False
    return False


@contextlib.contextmanager
def _reaper() -> Iterator[None]:
    """Orphans below us become our children for the length of the block."""
    if sys.platform != "linux":
        yield
        return
    prctl, before = ctypes.CDLL(None, use_errno=True).prctl, ctypes.c_int()
    prctl(_GET_SUBREAPER, ctypes.byref(before), 0, 0, 0)
    prctl(_SET_SUBREAPER, 1, 0, 0, 0)
    try:
        yield
    finally:
        prctl(_SET_SUBREAPER, before.value, 0, 0, 0)


@contextlib.contextmanager
def _bounded() -> Iterator[None]:
    """What starts in the block inherits a limit: what multiplies faster than we can look must meet the kernel's end.

    The kernel does not hold root to it.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NPROC)
    wanted = _tasks() + _MORE
    if soft == resource.RLIM_INFINITY or wanted < soft:
        resource.setrlimit(resource.RLIMIT_NPROC, (wanted, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NPROC, (soft, hard))


def _tasks() -> int:
    """Processes and threads of this user, which is what the limit counts."""
    count = 0
    for process in _processes():
        with contextlib.suppress(OSError):
            if os.stat(f"/proc/{process}").st_uid == os.getuid():
                count += len(os.listdir(f"/proc/{process}/task"))
    return count


def _reap(keep: Collection[int]) -> None:
    """Takes the adopted dead, so that they do not use up the process ids; `keep` is left to who started it."""
    with contextlib.suppress(ChildProcessError):
        wanted = os.WEXITED | os.WNOHANG | os.WNOWAIT
        while (dead := os.waitid(os.P_ALL, 0, wanted)) and dead.si_pid not in keep:
            os.waitpid(dead.si_pid, 0)


def end(living: Processes) -> list[int]:
    """SIGTERM to all, a grace, then SIGKILL until none is left; those that cannot be ended."""
    if not (left := living()):
        return []
    for number in (signal.SIGTERM, signal.SIGCONT):
        _signal(left, number)
    deadline = SYSTEM.monotonic() + GRACE
    while (left := living()) and len(left) < _SWARM and SYSTEM.monotonic() < deadline:
        sleep(0.02)
    deadline = SYSTEM.monotonic() + _KILLING
    while left and SYSTEM.monotonic() < deadline:
        _signal(_stopped(left, living, deadline), signal.SIGKILL)
        sleep(0.01)
        left = living()
    return left


def _stopped(first: list[int], living: Processes, deadline: float) -> set[int]:
    """All of them, stopped until no look finds a new one: what is stopped cannot fork."""
    stopped: set[int] = set()
    fresh = set(first)
    while fresh and SYSTEM.monotonic() < deadline:
        _signal(fresh, signal.SIGSTOP)
        stopped |= fresh
        fresh = set(living()) - stopped
    return stopped


def _signal(processes: Collection[int], number: int) -> None:
    for process in processes:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(process, number)


def descendants(root: int, *, without: Collection[int] = ()) -> list[int]:
    """Pids of the living below `root`, but for those `without` and what is below them; none where there is no /proc."""
    children: dict[int, list[int]] = {}
    dead = set()
    for process in _processes():
        with contextlib.suppress(OSError), open(f"/proc/{process}/stat", "rb") as file:
            state, parent = file.read().rpartition(b")")[2].split()[:2]
            children.setdefault(int(parent), []).append(process)
            if state in b"ZX":
                dead.add(process)
    found: list[int] = []
    waiting = [root]
    while waiting:
        below = [one for one in children.get(waiting.pop(), ()) if one not in without]
        found += below
        waiting += below
    return [one for one in found if one not in dead]


def of_run(entry: str, folder: Path) -> list[int]:
    """Pids of the living, but for us, that were started with `NAME=VALUE` in their environment, or are in the folder,
    and of all that is below them: where a child has cleared its environment, it has not left the folder, mostly."""
    wanted, inside, us = entry.encode(), f"{folder}/", os.getpid()
    found = set()
    for process in _processes():
        with contextlib.suppress(OSError):
            if f"{os.readlink(f'/proc/{process}/cwd')}/".startswith(inside) or wanted in _environment(process):
                found.add(process)
    found.discard(us)
    ours = {us, *_ancestors(us)}
    return sorted(found.union(*(descendants(process) for process in found)) - ours)


def _environment(process: int) -> list[bytes]:
    with open(f"/proc/{process}/environ", "rb") as file:
        return file.read().split(b"\0")


def _ancestors(process: int) -> Iterator[int]:
    """A person who looks into the worktree with a shell, and cancels from there, is no part of the run."""
    while process > 1:
        with open(f"/proc/{process}/stat", "rb") as file:
            process = int(file.read().rpartition(b")")[2].split()[1])
        yield process


def _processes() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()] if os.path.isdir("/proc/self") else []
