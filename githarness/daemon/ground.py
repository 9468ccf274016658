"""What a daemon stands on: the folder and the database that were there when it began, and no others in their place.

One whose database was removed or replaced would answer from one that nobody else sees, and nothing could find it.
"""

from __future__ import annotations

import contextlib
import os

from githarness.errors import Unavailable
from githarness.git.repo import Repo


class Ground:
    def __init__(self, repo: Repo) -> None:
        self._home = repo.home
        self._stood = self._look()

    def is_lost(self) -> bool:
        """By device and inode; two looks of a microsecond each."""
        return self._look() != self._stood

    def check(self) -> None:
        """Raises Unavailable where it is lost."""
        if self.is_lost():
            raise Unavailable(f"'{self._home}' or its database was removed or replaced", fix="githarness serve")

    def _look(self) -> list[tuple[int, int]]:
        found = []
        for path in (self._home, self._home / "harness.db"):
            with contextlib.suppress(OSError):
                there = os.stat(path)
                found.append((there.st_dev, there.st_ino))
        return found
