"""What stops an agent by itself: denials or failed runs that pile up. A stop is in force once its row is there."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from githarness import clock
from githarness.audit import line
from githarness.policy.rates import Rate
from githarness.store import events, leases, stops, tasks
from githarness.store.counts import Span
from githarness.store.db import Connection
from githarness.store.rows import EventRow
from githarness.store.stops import Stop

GUARD = "guard"  # who stopped an agent that is paused, and not quarantined


def tripped(
    conn: Connection, agent: str, now: float, *, what: str, rates: Sequence[Rate], count: Callable[[Span, int], int],
) -> Stop | None:
    """`count`: what happened since a moment, up to so many; what came before the last release counts no more."""
    for most, seconds in rates:
        after = max(now - seconds, stops.released(conn, agent))
        if count(Span(agent, after), most + 1) > most:
            return Stop(agent, now, "breaker", f"more than {most} {what} in {length(seconds)}")
    return None


def keep(conn: Connection, new: Iterable[Stop]) -> None:
    """For the transaction that also has what led to them; what the agents held ends with it."""
    new = tuple(new)
    stops.put(conn, new)
    leases.end(conn, [stop.agent for stop in new])
    tasks.end(conn, [stop.agent for stop in new])
    events.add(conn, map(event_of, new))


def event_of(stop: Stop) -> EventRow:
    human = stop.by.removeprefix("human:") if stop.by.startswith("human:") else None
    kind = "guard" if stop.by == GUARD else "quarantine"
    return EventRow(clock.new_id("e", stop.since), stop.since, kind, stop.agent, human,
                    safe=line.safe({"by": stop.by, "why": stop.why}))


def length(seconds: int) -> str:
    """As policy files write it."""
    for unit, size in (("w", 604800), ("d", 86400), ("h", 3600), ("m", 60)):
        if seconds % size == 0:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"
