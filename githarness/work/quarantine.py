"""Stops agents at once, and lets them go on: by operators, for one agent or the whole fleet.

    stop rows with their events (one durable transaction: from here on every decision is no) → one commit by the
    operator that says so in the identity files and takes the agents' grants away → what waited for approval is let go

The commit lands behind every write that was in hand, so when the command returns none of theirs can land any more.
Where git says so already, no write was in hand that did not know.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from githarness import clock
from githarness.audit import line
from githarness.errors import HarnessError
from githarness.policy.model import Agent, Grant
from githarness.store import events, stops
from githarness.store.rows import EventRow
from githarness.store.stops import Stop
from githarness.work import audit_record, breaker, govern, held, people
from githarness.work.govern import Desk, Edit
from githarness.work.governance import Governance

_ROLE, _WHAT = "operator", "quarantine"


@dataclass(frozen=True, slots=True)
class Changed:
    agents: tuple[str, ...]
    commit: str | None  # None: git said so already
    grants: tuple[str, ...] = ()  # that ended
    held: tuple[str, ...] = ()  # changes that waited for approval and are let go


def quarantine(desk: Desk, names: Sequence[str] | None, why: str = "") -> Changed:
    """None for all that may act. Raises NotFound, Denied for people below operators."""
    governance, human = _acting(desk)
    agents, why = _named(governance, names), audit_record.redacted(why)
    now = desk.parts.clock.now()
    found = [Stop(agent.name, now, f"human:{human}", why) for agent in agents]
    with desk.parts.db.write() as conn:
        breaker.keep(conn, found)
    since = clock.rfc3339(now)
    names = [agent.name for agent in agents]
    done = _commit(desk, names, f"quarantine {_said(names)}" + (f": {why}" if why else ""), lambda governance: Edit(
        "", tuple(replace(governance.agent(name), quarantined=since) for name in names
                  if not governance.agent(name).quarantined), grants=govern.grants_of(governance, names)))
    return replace(done, held=let_go(desk, names))


def let_go(desk: Desk, agents: Collection[str]) -> tuple[str, ...]:
    """What these agents asked approval for waits no longer; which changes that were. Their commits stay for a while."""
    found = tuple(one.id for one in held.listed(desk.parts) if one.waits and one.agent in agents)
    for name in found:
        held.drop(desk.parts, desk.git(), name)
    return found


def release(desk: Desk, names: Sequence[str] | None, why: str = "") -> Changed:
    """None for all that are stopped. What they were granted before stays gone. Raises as `quarantine`."""
    governance, human = _acting(desk)
    why = audit_record.redacted(why)
    with desk.parts.db.read() as conn:
        here = stops.in_force(conn)
    agents = [agent.name for agent in _named(governance, names) if agent.quarantined or agent.name in here]
    done = _commit(desk, agents, f"release {_said(agents)}" + (f": {why}" if why else ""), lambda governance: Edit(
        "", tuple(replace(governance.agent(name), quarantined=None) for name in agents
                  if governance.agent(name).quarantined), grants=_before(governance, agents, here)))
    now = desk.parts.clock.now()
    with desk.parts.db.write() as conn:
        stops.release(conn, agents, now)
        events.add(conn, [EventRow(clock.new_id("e", now), now, "release", name, human, safe=line.safe({"why": why}))
                          for name in agents])
    return done


def _before(governance: Governance, agents: Sequence[str], here: Mapping[str, Stop]) -> dict[str, Grant | None]:
    """What was granted before a limit or the breaker stopped the agent, which nobody signed; a pause ends no grant."""
    return {name: None for name, grant in governance.grants.items()
            if grant.agent in agents and grant.agent in here and grant.granted <= here[grant.agent].since
            and here[grant.agent].by != breaker.GUARD}


def _acting(desk: Desk) -> tuple[Governance, str]:
    governance = desk.parts.governed.salvaged(desk.lane.head())
    human, _ = people.acting(desk.parts, governance, name=None, mail=desk.mail)
    people.require(human, _ROLE, _WHAT)
    return governance, human.name


def _named(governance: Governance, names: Sequence[str] | None) -> list[Agent]:
    if names is None:
        return [agent for _, agent in sorted(governance.registry.agents.items()) if not agent.retired]
    return [governance.agent(name) for name in dict.fromkeys(names)]


def _commit(desk: Desk, names: Sequence[str], subject: str, make: Callable[[Governance], Edit]) -> Changed:
    ended: list[str] = []

    def edit(governance: Governance) -> Edit | None:
        wanted = make(governance)
        ended[:] = wanted.grants
        return replace(wanted, subject=subject) if wanted.agents or wanted.grants else None

    try:
        commit = govern.change(desk, edit, role=_ROLE, what=_WHAT)
    except HarnessError as error:
        error.message = f"in force in this clone, but not said in git yet: {error.message}"
        error.args = (error.message,)
        raise
    return Changed(tuple(names), commit, tuple(ended))


def _said(names: Sequence[str]) -> str:
    return f"agent {names[0]}" if len(names) == 1 else f"{len(names)} agents"
