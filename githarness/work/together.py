"""Writes of many processes land together without a daemon: one leads, the others wait for what it made of theirs.

Who finds the lane free leads: it carries out its own ask with all that lie in the folder of `waiting.py`, and rings one
of those that came too late when it leaves. Who finds it taken leaves its ask there. Nobody depends on a leader: a bell
that does not ring in time, a leader that died and a refusal all end in the lane's own queue.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TypeVar

from githarness import flock
from githarness.clock import SYSTEM
from githarness.errors import HarnessError, Locked, Unavailable
from githarness.git import refs
from githarness.work.asks import Ask, Written
from githarness.work.waiting import Left, Waiting, fits

_PATIENCE = 0.25  # seconds without a bell
TRIES = 6
Result = Written | HarnessError
Ack = Callable[[list[Result]], None]
Lane = Callable[[float], AbstractContextManager[None]]  # holds the lane; raises flock.Held after so many seconds
Land = Callable[[Sequence[Ask], Ack | None], list[Result]]  # raises refs.Moved where the branch moved meanwhile
T = TypeVar("T")


def in_turn(lane: Lane, work: Callable[[], T], *, wait: float = flock.WAIT) -> T:
    """`work` in the lane, again where the branch moved under it. Raises flock.Held, Locked."""
    for _ in range(TRIES):
        with lane(wait), contextlib.suppress(refs.Moved):
            return work()
    raise too_busy()


def too_busy() -> Locked:
    return Locked(f"the governed branch kept moving under {TRIES} attempts", fix="repeat the command")


class Together:
    def __init__(self, home: Path, lane: Lane, land: Land) -> None:
        self._waiting = Waiting(home)
        self._lane = lane
        self._land = land

    def ring(self) -> None:
        """For who has left the lane."""
        self._waiting.ring()

    def write(self, ask: Ask) -> Result:
        """The result, or the error of the ask itself. Raises what keeps the lane from doing anything."""
        if fits(ask):
            with contextlib.suppress(flock.Held):
                return self._lead(ask, wait=0.0)
            with contextlib.ExitStack() as stack:
                left = self._left(ask, stack)
                if left:
                    return self._wait(ask, left)
        return self._lead(ask)

    def _left(self, ask: Ask, stack: contextlib.ExitStack) -> Left | None:
        """None where there is no room, or no pipes: then the lane's queue has to do."""
        with contextlib.suppress(OSError):
            return stack.enter_context(self._waiting.left(ask))
        return None

    def _wait(self, ask: Ask, left: Left) -> Result:
        deadline = SYSTEM.monotonic() + _PATIENCE
        while (found := left.result()) is None:
            with contextlib.suppress(flock.Held):
                return self._lead(ask, left, wait=0.0)
            if not left.rung(max(0.0, deadline - SYSTEM.monotonic())):
                break
        if found and found[0]:
            return found[0]
        return self._queue(ask, left)

    def _queue(self, ask: Ask, left: Left) -> Result:
        """In the lane's queue; only where the ask lies there no more, giving up does not mean that nothing happens."""
        try:
            return self._lead(ask, left)
        except flock.Held:
            if left.taken_back():
                raise
        try:
            return self._lead(ask, left)
        except flock.Held as error:
            raise Unavailable("another process has this write in hand: whether it lands is not known yet",
                              fix="look with githarness log -n 5; a write with --operation is repeated safely",
                              details={"outcome": "unknown"}) from error

    def _lead(self, ask: Ask, left: Left | None = None, *, wait: float = flock.WAIT) -> Result:
        return in_turn(self._lane, lambda: self._carry_out(ask, left), wait=wait)

    def _carry_out(self, ask: Ask, left: Left | None) -> Result:
        found = left.result() if left else None
        if found and found[0]:
            return found[0]
        if left:
            left.taken_back()
        others = self._waiting.take() if fits(ask) else []
        keys = [other.left for other in others]
        done: list[Result] = []

        def ack(results: list[Result]) -> None:
            done.extend(results)
            for key, result in zip(keys, results[1:], strict=True):
                self._waiting.answer(key, result if isinstance(result, Written) else None)

        try:
            self._land([ask, *others], ack)
        except HarnessError:
            if not done:
                raise  # else it is on disk, and the next command does the bookkeeping
        finally:
            if not done:
                for key in keys:
                    self._waiting.answer(key, None)
        return done[0]
