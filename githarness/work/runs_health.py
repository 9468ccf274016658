"""The fleet at a glance: for each agent how its last run ended, how many failed in a row, what is open, what stops
it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from githarness.policy.model import Agent
from githarness.store import runs, stops
from githarness.store.db import Connection
from githarness.store.rows import RunRow
from githarness.store.stops import Stop
from githarness.work import breaker, guard
from githarness.work.governance import Governance
from githarness.work.parts import Parts

_MOST = 1000
_QUIET = 12 * guard.BEAT  # seconds without a sign of life after which a process that gives them by itself is stuck


class Health(NamedTuple):
    agent: str
    last: RunRow | None  # that ended
    in_a_row: int  # that failed, since the last release, up to _MOST
    open: tuple[RunRow, ...]  # that were begun by `run` or `runs start`
    stop: Stop | None
    trouble: tuple[str, ...]  # paused, quarantined, failed, timeout, interrupted, silent

    @property
    def heard(self) -> RunRow | None:
        """The open run that was heard of last."""
        return max(self.open, key=lambda row: row.beat or 0.0, default=None)


def health(parts: Parts, governance: Governance) -> list[Health]:
    """Of those that are not retired, by name."""
    with parts.db.read() as conn:
        stopped, open_ = stops.in_force(conn), runs.beating(conn, 10 * _MOST)
        agents = sorted(governance.registry.agents.values(), key=lambda agent: agent.name)
        return [_health(parts, conn, agent, stopped.get(agent.name), [row for row in open_ if row.agent == agent.name])
                for agent in agents if not agent.retired]


def _health(parts: Parts, conn: Connection, agent: Agent, stop: Stop | None, mine: Sequence[RunRow]) -> Health:
    ended = runs.ended(conn, agent.name, 0.0, 1)
    last = ended[0] if ended else None
    failed = guard.in_a_row(conn, agent.name, _MOST)
    trouble = []
    if stop or agent.quarantined:
        trouble.append("paused" if stop and stop.by == breaker.GUARD else "quarantined")
    if failed and last:
        trouble.append(last.status)
    if any(row.pid is not None and parts.clock.boot() - (row.beat or 0.0) > _QUIET for row in mine):
        trouble.append("silent")
    return Health(agent.name, last, len(failed), tuple(mine), stop, tuple(trouble))
