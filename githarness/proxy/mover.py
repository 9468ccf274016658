"""A process beside the daemon that makes events of the audit spool: the loop never waits for the database's disk.

It is forked before any key is loaded, and ends with its parent, by the end of their pipe.
"""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path

from githarness.clock import SYSTEM
from githarness.errors import HarnessError
from githarness.proxy import spool
from githarness.store.db import Database

_DONE = b"+"


class Mover:
    """Moves one file at a time; `answers` is readable when it is done. To be made by a process of one thread."""

    def __init__(self, home: Path) -> None:
        self._home = home
        inward, self._orders = os.pipe()
        self.answers, outward = os.pipe()
        self._child = os.fork()
        if self._child == 0:
            os.close(self._orders)
            os.close(self.answers)
            _serve(home, inward, outward)
        os.close(inward)
        os.close(outward)
        self.moving: Path | None = None
        self.problem = ""
        self.gone = False  # somebody has killed the process
        self._idle = True

    def start(self, path: Path) -> None:
        """Has the file moved, which nobody writes meanwhile; one that failed before is tried again."""
        self.moving = path
        self._idle = False
        if self.gone:
            self._told(_moved(self._home, path))
            return
        with contextlib.suppress(OSError):
            os.write(self._orders, path.name.encode() + b"\n")

    def done(self) -> bool:
        """Once `answers` is readable: whether the file is empty now. Where the process has gone it is moved here."""
        said = os.read(self.answers, 4096)
        self.gone = not said
        if self.gone and self.moving:
            said = _moved(self._home, self.moving)
        self._told(said)
        return self.moving is None

    def _told(self, said: bytes) -> None:
        self._idle = True
        if said == _DONE:
            self.moving, self.problem = None, ""
        elif said:
            self.problem = said.decode(errors="replace")

    @property
    def idle(self) -> bool:
        return self._idle

    def wait(self) -> bool:
        """Whether the file is empty, waiting for it."""
        if not self._idle:
            self.done()
        if self.moving:  # it failed before: what is in it must not be written over
            self.start(self.moving)
            if not self.gone:
                self.done()
        return self.moving is None

    def close(self) -> None:
        os.close(self._orders)
        os.close(self.answers)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(self._child, 0)


def _serve(home: Path, orders: int, answers: int) -> None:
    """Never returns: what was open before the fork is the parent's to close."""
    try:
        for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):  # it ends when its parent has
            signal.signal(number, signal.SIG_IGN)
        while name := os.read(orders, 256):
            os.write(answers, _moved(home, home / name.decode().strip()))
    finally:
        os._exit(0)


def _moved(home: Path, path: Path) -> bytes:
    try:
        spool.move(_database(home), path)
    except (HarnessError, OSError) as error:
        return str(error).encode(errors="replace")[:4000] or b"no reason given"
    return _DONE


_OPENED: list[Database] = []


def _database(home: Path) -> Database:
    _OPENED.extend([] if _OPENED else [Database(home, SYSTEM)])
    return _OPENED[0]
