"""Changes to identity files: one commit each, signed by an owner, that makes `allowed_signers` anew."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from githarness import flock
from githarness.errors import Conflict, Integrity, Locked
from githarness.git import refs
from githarness.git.objects import FILE, Entry, PathChange, oid_of
from githarness.policy import registry
from githarness.policy.model import Agent, Human, Registry
from githarness.work import people
from githarness.work.asks import Plan
from githarness.work.governance import FOLDER_NAME, SIGNERS, Governance
from githarness.work.lane import LocalLane
from githarness.work.parts import Parts

_TRIES = 6
_WAIT = 60.0  # many may add agents at once; each takes some 50 ms


@dataclass(frozen=True, slots=True)
class Desk:
    """Where governance is changed: the repository, its lane and the person who acts."""

    parts: Parts
    lane: LocalLane
    mail: str


@dataclass(frozen=True, slots=True)
class Edit:
    subject: str
    agent: Agent | None = None
    human: Human | None = None


def change(desk: Desk, edit: Callable[[Governance], Edit | None]) -> str | None:
    """Lands what `edit` makes of the governance of head; the commit, or None where it finds nothing to change.

    One change at a time in this clone, so that `edit` may make a key and nobody makes a second one for the same agent.
    Raises Denied for all but owners, and what `edit` raises.
    """
    with flock.exclusive(desk.parts.repo.home / "govern.lock", wait=_WAIT, what="the governance of this clone"):
        for _ in range(_TRIES):
            governance = desk.parts.governed.at(desk.lane.head())
            owner, signer = people.acting(desk.parts, governance, name=None, mail=desk.mail)
            people.require(owner, "owner", "changing identities")
            wanted = edit(governance)
            if wanted is None:
                return None
            plan = Plan("govern", _changes(desk.parts, governance, wanted), wanted.subject, owner, signer)
            with contextlib.suppress(refs.Moved):
                return desk.lane.land(plan).commit
    raise Locked("the governed branch kept moving", fix="repeat the command")


def _changes(parts: Parts, governance: Governance, wanted: Edit) -> tuple[PathChange, ...]:
    if governance.broken:
        raise Integrity(f"an identity file does not load, and its keys would be lost: {governance.broken[0]}",
                        fix="mend the file as an owner, githarness doctor")
    agents, humans = dict(governance.registry.agents), dict(governance.registry.humans)
    contents: dict[str, bytes] = {}
    if wanted.agent:
        agents[wanted.agent.name] = wanted.agent
        contents[f"{FOLDER_NAME}/agents/{wanted.agent.name}.yaml"] = registry.render_agent(wanted.agent)
    if wanted.human:
        humans[wanted.human.name] = wanted.human
        contents[f"{FOLDER_NAME}/humans/{wanted.human.name}.yaml"] = registry.render_human(wanted.human)
    _check_keys(agents, humans)
    contents[SIGNERS] = registry.allowed_signers(Registry(agents, humans), governance.config.fleet)
    return tuple(_change(parts, governance.commit, path, data) for path, data in contents.items())


def _check_keys(agents: Mapping[str, Agent], humans: Mapping[str, Human]) -> None:
    """A key names one identity: with two, a signature would not say whose it is."""
    holders: dict[str, str] = {}
    identities: list[Agent | Human] = [*agents.values(), *humans.values()]
    for identity in identities:
        for key in identity.keys:
            if key.key in holders:
                raise Conflict(f"'{identity.name}' and '{holders[key.key]}' would have the same key",
                               fix="give each identity a key of its own")
            holders[key.key] = identity.name


def _change(parts: Parts, commit: str, path: str, data: bytes) -> PathChange:
    return PathChange(path, parts.reader.entry(commit, path), Entry(FILE, oid_of("blob", data)), data)
