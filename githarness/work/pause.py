"""Waiting until something has changed in the database, without a daemon: its change number is polled, bounded.

    pause = Pause(db)
    while True:
        pause.mark()      before the question, so that no change is missed between the answer and the wait
        ...               ask; leave the loop where the answer will do
        pause.wait(until)
"""

from __future__ import annotations

from time import sleep

from githarness.clock import SYSTEM
from githarness.store.db import Database

SHORT, LONG = 0.005, 0.05  # seconds between two looks; the longer nothing happens, the longer


class Pause:
    def __init__(self, db: Database) -> None:
        self._db = db
        self._mark = -1

    def mark(self) -> None:
        self._mark = self._db.changes()

    def wait(self, seconds: float = float("inf")) -> bool:
        """True as soon as something has changed since `mark`, False when the time is over."""
        began = SYSTEM.monotonic()
        pause = SHORT
        while (left := seconds - (SYSTEM.monotonic() - began)) > 0:
            sleep(min(pause, left))
            if self._db.changes() != self._mark:
                return True
            pause = min(pause * 1.1, LONG)
        return False
