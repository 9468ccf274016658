"""Changes to identities and grants: one commit each, signed by a person whose role suffices.

Where keys change, `allowed_signers` is made anew. An owner's commit takes grants away whose time is over.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from githarness import clock, flock
from githarness.canon import Json
from githarness.errors import Conflict, Integrity, Locked, Unavailable
from githarness.git import refs
from githarness.git.objects import FILE, Entry, PathChange, oid_of
from githarness.policy import grants, registry
from githarness.policy.model import Agent, Grant, Human, Registry
from githarness.store.rows import EventRow
from githarness.work import audit_record, ends, people
from githarness.work.asks import Plan
from githarness.work.governance import FOLDER_NAME, SIGNERS, Governance
from githarness.work.lane import LocalLane
from githarness.work.parts import Parts

if TYPE_CHECKING:  # it takes longer to load than a change does, and most changes need none
    from githarness.git.porcelain import Git

_TRIES = 6
_WAIT = 60.0  # many may add agents at once; each takes some 50 ms


@dataclass(frozen=True, slots=True)
class Desk:
    """Where governance is changed: the repository, its lane, the person who acts, and git where refs have to go."""

    parts: Parts
    lane: LocalLane
    mail: str
    git: Callable[[], Git]


@dataclass(frozen=True, slots=True)
class Edit:
    """What is to become of identities and grants; of a grant that goes, nothing but the id is given. `whys`: the
    reasons for which grants go, by id; without one the log repeats what a grant was for."""

    subject: str
    agents: tuple[Agent, ...] = ()
    human: Human | None = None
    grants: Mapping[str, Grant | None] = field(default_factory=dict)
    whys: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, bytes] = field(default_factory=dict)  # of the vault
    events: tuple[EventRow, ...] = ()


def change(desk: Desk, edit: Callable[[Governance], Edit | None], *, role: str = "owner",
           what: str = "changing identities") -> str | None:
    """Lands what `edit` makes of the governance of head; the commit, or None where it finds nothing to change.

    One change at a time in this clone, so that `edit` may make a key and nobody makes a second one for the same agent.
    Raises Denied for people below `role`, and what `edit` raises. Also while config.toml or a policy does not load.
    """
    with flock.exclusive(desk.parts.repo.home / "govern.lock", wait=_WAIT, what="the governance of this clone"):
        for _ in range(_TRIES):
            governance = desk.parts.governed.salvaged(desk.lane.head())
            human, signer = people.acting(desk.parts, governance, name=None, mail=desk.mail)
            people.require(human, role, what)
            wanted = edit(governance)
            if wanted is None:
                return None
            if human.role == "owner":
                wanted = _swept(desk.parts, governance, wanted)
            plan = Plan("govern", _changes(desk.parts, governance, wanted), wanted.subject, human, signer,
                        events=(*_events(governance, wanted, human), *wanted.events))
            with contextlib.suppress(refs.Moved):
                return desk.lane.land(plan).commit
    raise Locked("the governed branch kept moving", fix="repeat the command")


def over(parts: Parts, governance: Governance) -> list[Grant]:
    """The grants whose time is over, by id."""
    with parts.db.read() as conn:
        gone = ends.over(conn, governance.ends, parts.clock)
    return [grant for _, grant in sorted(governance.grants.items()) if ends.key(grant) in gone]


def grants_of(governance: Governance, agents: Collection[str]) -> dict[str, Grant | None]:
    """All that these agents have, to be taken away."""
    return {name: None for name, grant in governance.grants.items() if grant.agent in agents}


def told(parts: Parts, governance: Governance, changes: Sequence[PathChange], human: Human) -> tuple[EventRow, ...]:
    """The events of grants that come and go by these files, which somebody else has made."""
    found: dict[str, Grant | None] = {}
    for change in changes:
        folder, _, name = change.path.rpartition("/")
        if folder == f"{FOLDER_NAME}/grants":
            with contextlib.suppress(Integrity, Unavailable):  # what does not load grants nothing
                data = parts.reader.blob(change.new.oid) if change.new else None
                found[name.removesuffix(".yaml")] = None if data is None else grants.parse(data, change.path)
    return tuple(_events(governance, Edit("", grants=found), human))


def _swept(parts: Parts, governance: Governance, wanted: Edit) -> Edit:
    return replace(wanted, grants={**{grant.id: None for grant in over(parts, governance)}, **wanted.grants})


def _events(governance: Governance, wanted: Edit, human: Human) -> Iterator[EventRow]:
    """Of grants that come and go; the lane gives them id, time and commit."""
    for name, grant in wanted.grants.items():
        shown = grant or governance.grants.get(name)
        fields: dict[str, Json] = {"grant": name}
        if shown:
            fields |= {"allow": list(shown.allow), "paths": list(shown.paths), "expires": clock.rfc3339(shown.expires),
                       "uses": shown.uses, "why": shown.why}
        if name in wanted.whys:
            fields["why"] = wanted.whys[name]
        yield EventRow("", 0.0, "grant" if grant else "revoke", shown.agent if shown else None, human.name,
                       safe=audit_record.shown(fields))


def _changes(parts: Parts, governance: Governance, wanted: Edit) -> tuple[PathChange, ...]:
    contents: dict[str, bytes | None] = dict(wanted.files)
    for agent in wanted.agents:
        contents[f"{FOLDER_NAME}/agents/{agent.name}.yaml"] = registry.render_agent(agent)
    if wanted.human:
        contents[f"{FOLDER_NAME}/humans/{wanted.human.name}.yaml"] = registry.render_human(wanted.human)
    for name, grant in wanted.grants.items():
        contents[f"{FOLDER_NAME}/grants/{name}.yaml"] = grants.render(grant) if grant else None
    if wanted.human or any(_other_keys(governance, agent) for agent in wanted.agents):
        contents[SIGNERS] = _signers(governance, wanted)
    return tuple(_change(parts, governance.commit, path, data) for path, data in contents.items())


def _other_keys(governance: Governance, agent: Agent) -> bool:
    """Whether something of it changes that `allowed_signers` is made of: then all identity files have to load."""
    was = governance.registry.agents.get(agent.name)
    return was is None or (was.keys, was.retired) != (agent.keys, agent.retired)


def _signers(governance: Governance, wanted: Edit) -> bytes:
    if governance.broken:
        raise Integrity(f"an identity file does not load, and its keys would be lost: {governance.broken[0]}",
                        fix="mend the file as an owner, githarness doctor")
    agents = {**governance.registry.agents, **{agent.name: agent for agent in wanted.agents}}
    humans = {**governance.registry.humans, **({wanted.human.name: wanted.human} if wanted.human else {})}
    _check_keys(agents, humans)
    return registry.allowed_signers(Registry(agents, humans), governance.config.fleet)


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


def _change(parts: Parts, commit: str, path: str, data: bytes | None) -> PathChange:
    new = None if data is None else Entry(FILE, oid_of("blob", data))
    return PathChange(path, parts.reader.entry(commit, path), new, data)
