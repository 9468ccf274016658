"""The guard: pauses an agent whose runs fail one after the other, or fall silent, and closes runs that nobody runs.

A run says now and then that it is alive (`beat`), by the clock of the boot. One whose process is gone, or whose machine
has started anew since, is *interrupted*: nobody knows how far it came. An agent is paused by its own failures in a row
or by a silence, as its identity file sets it, until an operator releases it; counts begin anew then.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from githarness import clock
from githarness.audit import line
from githarness.clock import Clock
from githarness.errors import HarnessError
from githarness.git import refs
from githarness.policy.model import Guard
from githarness.store import events, runs, stops
from githarness.store.db import Connection
from githarness.store.rows import EventRow, RunRow
from githarness.store.stops import Stop
from githarness.work import audit_record, breaker
from githarness.work.parts import Parts

FAILURES = frozenset({"failed", "timeout", "interrupted"})
BEAT = 5.0  # seconds between two signs of life
_MOST = 10_000  # open runs that one look takes in


def beat(parts: Parts, run: str, *, wait: float | None = None) -> bool:
    """False where the run is not open. Not on disk at once: what a power cut takes back it ends anyway.

    Raises flock.Held where the turn did not come in `wait` seconds.
    """
    with parts.db.write(durable=False, wait=wait) as conn:
        return runs.beat(conn, run, clock.boot_id(), parts.clock.boot())


def is_gone(row: RunRow) -> bool:
    """Whether what ran an open run cannot be running any more."""
    if row.boot is not None and row.boot != clock.boot_id():
        return True
    return row.pid is not None and not clock.is_alive(row.pid, row.pid_start or 0)


def guards(parts: Parts) -> Callable[[str], Guard]:
    """By agent; where governance does not load now, or does not know the agent, the shipped one holds."""
    try:
        known = parts.governed.at(refs.head(parts.repo.common_dir, parts.ref)).registry.agents
    except HarnessError:
        known = {}
    return lambda agent: known[agent].guard if agent in known else Guard()


def in_a_row(conn: Connection, agent: str, most: int) -> list[RunRow]:
    """The agent's newest runs as far as they failed, up to `most`, newest first, since it was last released."""
    found: list[RunRow] = []
    for row in runs.ended(conn, agent, stops.released(conn, agent), most):
        if row.status not in FAILURES:
            break
        found.append(row)
    return found


def failing(conn: Connection, agent: str, guard: Guard, now: float) -> list[Stop]:
    """The pause of an agent, where its runs have failed too often; in the transaction that ended the last one."""
    if not guard.failures or agent in stops.in_force(conn):
        return []
    found = in_a_row(conn, agent, guard.failures)
    if len(found) < guard.failures:
        return []
    last = found[0]
    many = f"{len(found)} runs in a row" if len(found) > 1 else "a run"
    why = f"{many} failed, the last is {last.id} ({last.status}, {last.note})"
    return [Stop(agent, now, breaker.GUARD, audit_record.redacted(why)[:400])]


def watch(parts: Parts) -> list[Stop]:
    """Closes what was interrupted and pauses who failed or fell silent; who is paused from now on."""
    with parts.db.read() as conn:
        rows = runs.beating(conn, _MOST)
    guard_of = guards(parts)
    lost = [row for row in rows if is_gone(row)]
    silent = [row for row in rows if _is_silent(row, guard_of(row.agent), parts.clock)]
    if not lost and not silent:
        return []
    now, paused = parts.clock.now(), list[Stop]()
    with parts.db.write() as conn:
        for row in lost:
            if close(conn, row, now):
                paused += failing(conn, row.agent, guard_of(row.agent), now)
        paused += _silences(conn, silent, guard_of, now)
        paused = list({stop.agent: stop for stop in reversed(paused)}.values())
        breaker.keep(conn, paused)
    return paused


def close(conn: Connection, row: RunRow, now: float) -> bool:
    """An open run that is gone is interrupted; False where somebody has ended it since."""
    why = "its process is gone" if row.boot == clock.boot_id() else "the machine has started anew"
    if not runs.interrupt(conn, row.id, now, why):
        return False
    events.add(conn, [event(row, now, "interrupted", "interrupted")])
    return True


def event(row: RunRow, now: float, what: str, outcome: str | None = None) -> EventRow:
    """`outcome`: of what a reviewer wants to see."""
    return EventRow(clock.new_id("e", now), now, "run", row.agent, None, row.id, outcome=outcome, safe=line.safe(
        {"what": what, "attempt": row.attempt, "parent": row.parent, "chain": list(row.chain), "tier": row.tier}))


def _is_silent(row: RunRow, guard: Guard, time: Clock) -> bool:
    return bool(guard.silence) and not is_gone(row) and time.boot() - (row.beat or 0.0) >= guard.silence


def _silences(conn: Connection, silent: list[RunRow], guard_of: Callable[[str], Guard], now: float) -> Iterator[Stop]:
    stopped = stops.in_force(conn)
    for row in silent:
        there, limit = runs.get(conn, row.id), guard_of(row.agent).silence
        heard = there is None or there.beat != row.beat or there.status != "open"
        if not heard and row.agent not in stopped and now - stops.released(conn, row.agent) >= limit:
            yield Stop(row.agent, now, breaker.GUARD, f"run {row.id} was not heard of for {breaker.length(limit)}")
