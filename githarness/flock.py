"""An advisory lock of the kernel on a file of ours: fair in order of asking, gone with its holder."""

from __future__ import annotations

import contextlib
import fcntl
import os
import threading
from collections.abc import Iterator
from pathlib import Path

from githarness.errors import Locked, Unavailable

WAIT = 5.0
_FIX = "wait for it, or run githarness doctor"


class Held(Locked):
    """Another process holds the lock: nothing was done."""


@contextlib.contextmanager
def exclusive(path: Path, *, wait: float = WAIT, what: str, fix: str = _FIX) -> Iterator[None]:
    """Holds the lock for the length of the block. Raises Held when it was not to be had within `wait` seconds."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise Unavailable(f"the lock file '{path}' cannot be opened: {error.strerror}") from error
    owner = os.getpid()
    try:
        _take(descriptor, wait, what, fix=fix)
        yield
    finally:  # also where it was not to be had: an open descriptor would be given the lock later, and keep it
        if os.getpid() == owner:
            fcntl.flock(descriptor, fcntl.LOCK_UN)  # a child that was forked meanwhile has this descriptor too
        os.close(descriptor)


def is_free(path: Path) -> bool:
    """A look that costs a quarter of a try that fails; whoever wants the lock tries all the same."""
    with contextlib.suppress(BlockingIOError), open(path, "ab", buffering=0) as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    return False


def _take(descriptor: int, wait: float, what: str, *, fix: str) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        if wait <= 0 or not _queued(descriptor, wait):
            raise Held(f"another process holds the lock of {what}", fix=fix) from None


def _queued(descriptor: int, wait: float) -> bool:
    """Whether it was to be had. Blocks in the kernel's queue, which is fair where polling starves; a thread bounds it.

    The thread works on a descriptor of its own for the same open file: when we give up, a lock that it is given later
    goes with that descriptor.
    """
    mine = os.dup(descriptor)
    got = threading.Event()

    def block() -> None:
        with contextlib.suppress(OSError):
            fcntl.flock(mine, fcntl.LOCK_EX)
            got.set()
        os.close(mine)

    threading.Thread(target=block, daemon=True).start()
    return got.wait(wait)
