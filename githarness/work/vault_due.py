"""Which secrets have to be changed after something went wrong: who saw the value, and what became of them since.

A secret is due while its newest version is one that was handed out in the clear to an agent that was stopped or retired
since, or to a run whose work was rolled back; or one that was written with a key that is compromised. Changing it ends
that: what is seen of the next version counts anew.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from githarness import clock
from githarness.errors import HarnessError
from githarness.policy.model import Registry
from githarness.store import commits, exposures, stops
from githarness.store.db import Connection
from githarness.store.exposures import CLEAR, Exposure
from githarness.store.stops import Stop
from githarness.vault import folder, record
from githarness.vault.record import Header
from githarness.work import breaker
from githarness.work.governance import Governance
from githarness.work.parts import Parts


@dataclass(frozen=True, slots=True)
class Due:
    secret: str
    version: int
    why: str
    agent: str = ""  # who has seen it; empty where the writer's key is the reason
    run: str = ""


_SECOND = 1.0  # git tells whole seconds: what was seen within that one may have been seen before


@dataclass(frozen=True, slots=True)
class _Incident:
    when: float
    why: str


def due(parts: Parts, governance: Governance, *, since: float = 0.0) -> list[Due]:
    """By secret; `since`: only for what happened from then on. The commit index has to be up to head."""
    headers = _newest(parts, governance)
    with parts.db.read() as conn:
        agents, runs = _agents(conn, governance.registry), _runs(conn)
        seen = [row for row in exposures.listed(conn) if row.mode in CLEAR and row.secret in headers
                and headers[row.secret].version == row.version]
    found = list(_by_key(headers, governance.registry, since))
    for row in seen:
        found += [Due(row.secret, row.version, one.why, row.agent, row.run)
                  for one in (agents.get(row.agent), runs.get(row.run)) if one and _later(one, row, since)]
    return sorted(dict.fromkeys(found), key=lambda one: (one.secret, one.agent, one.run))


def count(parts: Parts, governance: Governance) -> int:
    """How many secrets are due; nothing is looked at where no value was ever handed out."""
    with parts.db.read() as conn:
        if not exposures.any_clear(conn):
            return 0
    return len({one.secret for one in due(parts, governance)})


def _later(one: _Incident, row: Exposure, since: float) -> bool:
    return one.when >= max(row.first, since)


def _newest(parts: Parts, governance: Governance) -> Mapping[str, Header]:
    """The live records at head; one that does not load is `verify`'s to tell."""
    found = {}
    for path, entry in parts.reader.files(governance.commit, f"{governance.config.vault}/"):
        name = folder.name_of(governance.config.vault, path)
        if name is None:
            continue
        try:
            header = record.parse(parts.reader.blob(entry.oid), name).header
        except HarnessError:
            continue
        if header.state == record.LIVE:
            found[name] = header
    return found


def _agents(conn: Connection, registry: Registry) -> dict[str, _Incident]:
    """What happened to each agent, the latest of it."""
    found = {}
    for agent in registry.agents.values():
        for when, what in ((agent.quarantined, "quarantined"), (agent.retired, "retired")):
            if when:
                found[agent.name] = _Incident(clock.instant(when, 0.0) + _SECOND, f"{agent.name} was {what}")
    for stop in stops.ever(conn):
        later = stop.agent not in found or stop.since + _SECOND >= found[stop.agent].when
        if later and stop.by != breaker.GUARD:  # who fails has not leaked anything
            found[stop.agent] = _Incident(stop.since, _told(stop))
    return found


def _told(stop: Stop) -> str:
    by = {"limit": "by a limit", "breaker": "by the breaker", "git": "by another clone"}.get(
        stop.by, f"by {stop.by.removeprefix('human:')}")
    return f"{stop.agent} was stopped {by}" + (f": {stop.why}" if stop.why else "")


def _runs(conn: Connection) -> dict[str, _Incident]:
    found = {}
    for undo in commits.rollbacks(conn):
        for undone in filter(None, (commits.get(conn, oid) for oid in undo.rolls_back)):
            if undone.run:
                found[undone.run] = _Incident(undo.time + _SECOND,
                                              f"commit {undone.oid[:12]} of its run was rolled back")
    return found


def _by_key(headers: Mapping[str, Header], registry: Registry, since: float) -> Iterator[Due]:
    """The moment at which a key was compromised says little: what it signed before is as much in doubt."""
    bad = {key.key: (human.name, key.compromised_since) for human in registry.humans.values() for key in human.keys
           if key.compromised_since}
    for header in headers.values():
        name, when = bad.get(header.writer, ("", None))
        if when and clock.instant(when, 0.0) >= since:
            yield Due(header.name, header.version, f"a key of its writer {name} is compromised since {when}")
