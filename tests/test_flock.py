"""The lock that everybody queues for: whoever gives up leaves nothing that holds it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from githarness import flock
from githarness.errors import Locked

HOLDER = """
import fcntl, sys
file = open(sys.argv[1], "w")
fcntl.flock(file, fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    return tmp_path / "some.lock"


def _holder(lock: Path) -> subprocess.Popen[bytes]:
    made = subprocess.Popen([sys.executable, "-c", HOLDER, lock], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert made.stdout is not None
    made.stdout.readline()
    return made


def _let_go(holder: subprocess.Popen[bytes]) -> None:
    holder.communicate()
    for thread in threading.enumerate():  # who waited in vain is given the lock now
        if thread is not threading.current_thread():
            thread.join(5)


def test_an_interrupted_wait_leaves_the_lock_to_others(lock: Path) -> None:
    """Ctrl-C in a process that lives on, such as a notebook: it is not given the lock afterwards."""
    holder = _holder(lock)
    interrupt = threading.Timer(0.3, lambda: os.kill(os.getpid(), signal.SIGINT))
    interrupt.start()
    with pytest.raises(KeyboardInterrupt), flock.exclusive(lock, what="it"):
        pass
    _let_go(holder)
    with flock.exclusive(lock, wait=0, what="it"):
        pass


def test_a_wait_in_vain_leaves_the_lock_to_others(lock: Path) -> None:
    """So does a wait that took too long."""
    holder = _holder(lock)
    with pytest.raises(Locked), flock.exclusive(lock, wait=0.1, what="it"):
        pass
    _let_go(holder)
    with flock.exclusive(lock, wait=0, what="it"):
        pass
