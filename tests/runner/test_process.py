"""A command's whole process tree ends with it, whatever its members do to stay."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from githarness import clock
from githarness.errors import NotFound, Unavailable
from githarness.runner import process
from githarness.runner.process import Ended, Job

Run = Callable[..., Ended]

DOUBLE_FORK = """
import os, signal, sys, time
if os.fork(): os._exit(0)
os.setsid()
if os.fork(): os._exit(0)
signal.signal(signal.SIGTERM, signal.SIG_IGN)
open(sys.argv[1], "w").write(str(os.getpid()))
time.sleep(60)
"""
# Doubles at most six times: a suite must not be able to fill its machine, whatever the code under test does.
MULTIPLIES = """
import os, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
for _ in range(6):
    time.sleep(0.1)
    os.fork()
time.sleep(60)
"""


@pytest.fixture(autouse=True)
def _little_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "GRACE", 0.3)


@pytest.fixture
def tagged() -> Iterator[str]:
    """A value of the environment that finds every process of the test, wherever it went."""
    tag = f"RUNNER_TEST={os.getpid()}-{time.monotonic_ns()}"
    yield tag
    assert process.of_run(tag, Path("/nowhere")) == []


@pytest.fixture
def run(tmp_path: Path, tagged: str) -> Run:
    """`run("sleep 9 & exit 3", timeout=1)` in a shell; the test fails where a process of it is left."""
    name, value = tagged.split("=")

    def call(script: str, *argv: str | Path, timeout: float | None = None, seen: list[int] | None = None) -> Ended:
        command = ["sh", "-c", script, "sh", *map(str, argv)]
        return process.run(Job(command, tmp_path, {**os.environ, name: value}, timeout), [] if seen is None else seen)

    return call


@pytest.mark.parametrize(("script", "code"), [("exit 0", 0), ("exit 3", 3), ("kill -9 $$", 137), ("kill $$", 143)])
def test_the_exit_code_is_the_commands(run: Run, script: str, code: int) -> None:
    """As a shell says it."""
    assert run(script) == Ended(code)


def test_what_cannot_start_is_named(tmp_path: Path) -> None:
    """Not there, and not executable."""
    (tmp_path / "plain").write_text("x")
    with pytest.raises(NotFound, match="no command 'nonesuch-xyz'"):
        process.run(Job(["nonesuch-xyz"], tmp_path, {}), [])
    with pytest.raises(Unavailable, match="Permission denied"):
        process.run(Job(["./plain"], tmp_path, {}), [])


@pytest.mark.parametrize("script", [
    "sleep 600",
    "sleep 600 & wait",
    "setsid sleep 600 & wait",
    "trap '' TERM; while :; do sleep 1; done",
    "kill -STOP $$",
    f"{sys.executable} -c '{DOUBLE_FORK}' escaped; sleep 600",
])
def test_the_time_limit_ends_the_whole_tree(run: Run, script: str) -> None:
    """Sessions of their own, ignored signals, orphans and stopped processes included."""
    began = time.monotonic()
    ended = run(script, timeout=0.5)
    assert ended.timed_out and ended.left == () and ended.code in (137, 143)
    assert 0.5 <= time.monotonic() - began < 300  # half of what they would take


def test_nothing_outlives_a_command_that_ends(run: Run) -> None:
    """Daemons that it left behind end with it, and its own exit code stands."""
    assert run(f"{sys.executable} -c '{DOUBLE_FORK}' escaped; sleep 600 & setsid sleep 600 & exit 5").code == 5
    with contextlib.suppress(ChildProcessError):  # nor is a dead one left to us
        assert os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None


def test_a_process_that_multiplies_is_ended(run: Run) -> None:
    """All that it made, though it makes more while it is looked for."""
    ended = run(f"exec {sys.executable} -c '{MULTIPLIES}'", timeout=0.4)
    assert ended.timed_out and ended.left == ()


def test_the_kernel_bounds_a_tree(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What multiplies faster than anybody can look meets a limit, which is not ours afterwards."""
    before = resource.getrlimit(resource.RLIMIT_NPROC)
    monkeypatch.setattr(process, "_tasks", lambda: 2000)
    run("grep 'Max processes' /proc/self/limits > limit")
    assert int((tmp_path / "limit").read_text().split()[2]) == min(6096, before[0] if before[0] > 0 else 6096)
    assert resource.getrlimit(resource.RLIMIT_NPROC) == before


def test_sigterm_comes_first(run: Run, tmp_path: Path) -> None:
    """With time to clean up."""
    ended = run("trap 'echo bye > said; exit 7' TERM; while :; do sleep 0.05; done", timeout=1.5)
    assert (ended.code, (tmp_path / "said").read_text()) == (7, "bye\n")


def test_a_stopped_process_can_clean_up_too(run: Run) -> None:
    """It is continued, so that it gets the signal."""
    assert run("trap 'exit 7' TERM; kill -STOP $$; sleep 60", timeout=1.5).code == 7


def test_a_flood_of_output_costs_no_memory(run: Run, capfd: pytest.CaptureFixture[str]) -> None:
    """It goes where the command writes it, not through us."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert run("yes | head -c 300000000 > /dev/null; yes | head -c 3000000").code == 0
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20_000
    assert len(capfd.readouterr().out) == 3_000_000


def test_children_that_were_there_before_are_not_ours_to_end(run: Run) -> None:
    """Nor is their exit status taken from who started them."""
    other = subprocess.Popen(["sh", "-c", "sleep 0.3; exit 9"])
    assert run("sleep 0.6").code == 0
    assert other.wait(60) == 9
    other = subprocess.Popen(["sleep", "60"])
    assert run("exit 0").code == 0 and other.poll() is None
    other.kill()
    other.wait()


def test_dead_orphans_do_not_pile_up(run: Run) -> None:
    """They are reaped while the command goes on."""
    count = "ps -o stat= --ppid $PPID | grep -c Z"
    wait = f"for n in $(seq 300); do test $({count}) = 0 && exit; sleep 0.1; done; exit 1"
    done = run(f"for n in 1 2 3 4 5 6 7 8; do (setsid sleep 0.01 &) ; done; sleep 1; {wait}")
    assert done.code == 0


def test_a_signal_ends_the_command(run: Run) -> None:
    """Noted, the tree ended, and said."""
    with process.signals() as seen:
        threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGTERM)).start()
        ended = run("sleep 600", seen=seen)
    assert ended.interrupted and ended.code == 143 and seen == [signal.SIGTERM]
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


def test_signals_that_are_ignored_stay_so(run: Run) -> None:
    """As under nohup."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with process.signals():
            assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_process_is_known_by_its_start(tmp_path: Path) -> None:
    """A pid that somebody else has by now, or a dead one that nobody took, is not alive."""
    child = subprocess.Popen(["sleep", "60"])
    start = int(Path(f"/proc/{child.pid}/stat").read_text().rpartition(")")[2].split()[19])
    assert clock.is_alive(child.pid, start) and not clock.is_alive(child.pid, start + 1)
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert not clock.is_alive(child.pid, start)
    child.wait()
    assert not clock.is_alive(child.pid, start)
