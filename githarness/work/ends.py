"""What ends by itself: grants, and agents that were added for a time. Over if the wall clock or, in the same boot, the
boot clock says so: setting the clock back brings nothing back.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from githarness import clock
from githarness.clock import Clock
from githarness.policy.model import Agent, Grant
from githarness.store import stops
from githarness.store.db import Connection, Database


def key(one: Agent | Grant) -> str:
    """Names an end for the clock of a boot; another end of the same agent or grant has another key."""
    return f"agent:{one.name}:{one.expires}" if isinstance(one, Agent) else f"grant:{one.id}:{one.expires:.0f}"


def of(agents: Iterable[Agent], grants: Iterable[Grant]) -> dict[str, float]:
    """Unix seconds by key."""
    found = {key(agent): datetime.fromisoformat(agent.expires).timestamp() for agent in agents if agent.expires}
    return found | {key(grant): grant.expires for grant in grants}


def note(db: Database, ends: Mapping[str, float], time: Clock) -> None:
    """Ties each end to the clock of this boot, when it is first seen in it. Before the snapshot that `over` reads."""
    if not ends:
        return
    boot = clock.boot_id()
    with db.read() as conn:
        known = stops.ends(conn, boot)
    if ends.keys() - known.keys():
        with db.write() as conn:
            tie(conn, ends, time)


def tie(conn: Connection, ends: Mapping[str, float], time: Clock) -> None:
    """For who is in a transaction."""
    if ends:
        ahead = time.boot() - time.now()
        stops.put_ends(conn, clock.boot_id(), {one: at + ahead for one, at in ends.items()})


def over(conn: Connection, ends: Mapping[str, float], time: Clock) -> frozenset[str]:
    """The keys of those that are over."""
    if not ends:
        return frozenset()
    now, booted, known = time.now(), time.boot(), stops.ends(conn, clock.boot_id())
    return frozenset(one for one, at in ends.items() if now >= at or (one in known and booted >= known[one]))
