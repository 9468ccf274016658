"""Maintenance beside the loop: one thread at a time, when writes have paused, or after many groups without a pause.

Also every half minute, whatever is written: an agent that has fallen silent writes nothing.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from githarness.daemon.connection import Limits
from githarness.daemon.desk import Note
from githarness.daemon.ground import Ground
from githarness.errors import HarnessError

_PATIENCE = 10.0
_LOOK = 30.0  # seconds


class Upkeep:
    def __init__(self, maintain: Callable[[], None], limits: Limits, note: Note, ground: Ground) -> None:
        self._maintain = maintain
        self.ground = ground
        self._limits = limits
        self._note = note
        self._groups = 0  # since maintenance last began
        self._last = 0.0
        self._looked: float | None = None
        self._thread: threading.Thread | None = None

    def wrote(self, now: float) -> None:
        self._groups += 1
        self._last = now

    def run_if_due(self, now: float) -> None:
        self._looked = now if self._looked is None else self._looked
        quiet = self._groups > 0 and now - self._last >= self._limits.quiet
        if not quiet and self._groups < self._limits.fold and now - self._looked < _LOOK:
            return
        if self._thread is None or not self._thread.is_alive():
            self._groups, self._looked = 0, now
            self._thread = threading.Thread(target=self._work, name="upkeep", daemon=True)
            self._thread.start()

    def join(self) -> None:
        """Waits a little for maintenance under way; cut short it leaves nothing that a crash would not."""
        if self._thread is not None:
            self._thread.join(_PATIENCE)

    def _work(self) -> None:
        try:
            self._maintain()
        except (HarnessError, OSError) as error:
            self._note(f"maintenance failed: {error}")
