"""The events of one run as they come, until it ends."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from githarness import clock
from githarness.store import events
from githarness.store.audit import EventFilter, Told
from githarness.work import audit_log, guard, runs
from githarness.work.audit_log import Wanted
from githarness.work.parts import Parts
from githarness.work.pause import Pause

_LOOK = 2 * guard.BEAT  # seconds after which it is looked whether somebody still runs it


def tail(parts: Parts, run: str, gone: Callable[[], None]) -> Iterator[Told]:
    """Oldest first; the last one says how it ended. `gone`: closes it where nobody runs it. Raises NotFound."""
    pause = Pause(parts)
    with parts.db.read() as conn:
        row = runs.get(conn, run)
        after = events.seq_before(conn, clock.made_id("e", row.started, 0))
    while True:
        pause.mark()
        with parts.db.read() as conn:
            row = runs.get(conn, run)
            found = list(audit_log.found(conn, Wanted(EventFilter(run=run, after=after)), oldest_first=True))
        yield from found
        after = max([after, *(one.leaf.seq for one in found)])
        if row.status != "open":
            return
        if guard.is_gone(row):
            gone()
        else:
            pause.wait(_LOOK)
