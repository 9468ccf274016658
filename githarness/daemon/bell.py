"""Connections that wait until something has changed: answered when it has, or when their time is over.

A mark is a number that means nothing but "as of here"; every other mark is a change, also one of an earlier daemon. Own
transactions ring; other processes show themselves by SQLite's change number, which is looked at only while somebody
waits, every PAUSE seconds.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import cast

from githarness.daemon.connection import Connection
from githarness.daemon.requests import Changed

PAUSE = 0.004  # seconds between two looks: 8 us each, so 0.2 % of a core
_LONGEST = 30.0


class Bell:
    def __init__(self, changes: Callable[[], int]) -> None:
        self._changes = changes
        self._seen = -1
        self._mark = secrets.randbits(48)
        self._until: dict[Connection, float] = {}

    def __len__(self) -> int:
        return len(self._until)

    def __contains__(self, connection: Connection) -> bool:
        return connection in self._until

    def rung(self) -> None:
        """After a transaction of this process."""
        self._mark += 1

    def look(self) -> int:
        """The mark as of now."""
        if (seen := self._changes()) != self._seen:
            self._seen = seen
            self._mark += 1
        return self._mark

    def wait(self, connection: Connection, now: float) -> bool:
        """False where the request in front has its answer already."""
        asked = cast(Changed, connection.queue[0].what)
        if asked.mark != self.look() or not asked.wait:
            return False
        self._until[connection] = now + min(asked.wait / 1000, _LONGEST)
        return True

    def due(self, now: float) -> list[Connection]:
        """Who waits no longer."""
        if not self._until:
            return []
        mark = self.look()
        found = [connection for connection, until in self._until.items()
                 if until <= now or connection.ended or cast(Changed, connection.queue[0].what).mark != mark]
        for connection in found:
            del self._until[connection]
        return found

    def forget(self, connection: Connection) -> None:
        self._until.pop(connection, None)
