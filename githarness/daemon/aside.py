"""One function in a process of its own, forked before the daemon has threads, locks or sockets.

Folding and repacking take seconds of Python and memory by the size of the repository: beside the loop, in one process,
every client would wait for the interpreter. The process ends with its parent, by the end of their pipe.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable, Iterator

from githarness.errors import HarnessError, Unavailable

_QUIETER = 5  # by how much it yields to writers (nice(2))
_DONE = b"+"


class Aside:
    def __init__(self, work: Callable[[], None], orders: int, answers: int) -> None:
        self._work = work
        self._orders = orders
        self._answers = answers

    def __call__(self) -> None:
        """Returns when the work is done, here where the process has gone. Raises what the work raised, Unavailable."""
        said = b""
        with contextlib.suppress(OSError):
            os.write(self._orders, b"!")
            said = os.read(self._answers, 4096)
        if not said:
            self._work()
        elif said != _DONE:
            raise Unavailable(said.decode(errors="replace"))


@contextlib.contextmanager
def started(work: Callable[[], None]) -> Iterator[Aside]:
    """To be entered by a process of one thread. `work` may use nothing that this process has open, such as SQLite."""
    inward, orders = os.pipe()
    answers, outward = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(orders)
        os.close(answers)
        _serve(work, inward, outward)
    os.close(inward)
    os.close(outward)
    try:
        yield Aside(work, orders, answers)
    finally:
        os.close(orders)
        os.close(answers)
        with contextlib.suppress(ProcessLookupError, ChildProcessError):
            os.kill(child, signal.SIGTERM)  # what is cut short leaves nothing that a crash would not
            os.waitpid(child, 0)


def _serve(work: Callable[[], None], orders: int, answers: int) -> None:
    """Never returns: what was open before the fork is the parent's to close."""
    try:
        os.nice(_QUIETER)
        for number in (signal.SIGINT, signal.SIGHUP):  # a terminal says them to both, and the parent ends us
            signal.signal(number, signal.SIG_IGN)
        while os.read(orders, 1):
            os.write(answers, _said(work))
    finally:
        os._exit(0)


def _said(work: Callable[[], None]) -> bytes:
    try:
        work()
    except (HarnessError, OSError) as error:
        return str(error).encode(errors="replace")[:4096] or b"no reason given"
    return _DONE
