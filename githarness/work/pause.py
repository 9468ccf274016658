"""Waiting until something has changed in the database: told by the daemon, else its change number is polled, bounded.

    pause = Pause(parts)
    while True:
        pause.mark()      before the question, so that no change is missed between the answer and the wait
        ...               ask; leave the loop where the answer will do
        pause.wait(until)
"""

from __future__ import annotations

from time import sleep

from githarness.clock import SYSTEM
from githarness.work.parts import Parts

SHORT, LONG = 0.005, 0.05  # seconds between two looks; the longer nothing happens, the longer


class Pause:
    def __init__(self, parts: Parts) -> None:
        self._db = parts.db
        self._bell = parts.bell
        self._mark = -1
        self._heard: int | None = None  # the daemon's mark, which is older than everything that was asked after it

    def mark(self) -> None:
        self._mark = self._db.changes()
        if self._heard is None and self._bell:
            self._heard = self._bell.changed(None, 0.0)

    def wait(self, seconds: float = float("inf")) -> bool:
        """True as soon as something has changed since `mark`, False when the time is over."""
        began = SYSTEM.monotonic()
        while self._heard is not None and self._bell and (left := seconds - (SYSTEM.monotonic() - began)) > 0:
            before, self._heard = self._heard, self._bell.changed(self._heard, left)
            if self._heard not in (None, before):
                return True
        return self._polled(seconds - (SYSTEM.monotonic() - began))

    def _polled(self, seconds: float) -> bool:
        began, pause = SYSTEM.monotonic(), SHORT
        while (left := seconds - (SYSTEM.monotonic() - began)) > 0:
            sleep(min(pause, left))
            if self._db.changes() != self._mark:
                return True
            pause = min(pause * 1.1, LONG)
        return False
