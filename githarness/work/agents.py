"""Agents come, get keys and go: each step is one commit by an owner; private keys stay in this host's data folder.

Keys are never taken out of an identity file: old commits stay verifiable by the key that signed them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from githarness import clock
from githarness.errors import Conflict, NotFound, Unavailable, Usage
from githarness.policy import registry, roles
from githarness.policy.model import Agent, Guard, Key
from githarness.store.keyring import Keyring
from githarness.work import founder, govern, quarantine
from githarness.work.govern import Desk, Edit
from githarness.work.governance import Governance


@dataclass(frozen=True, slots=True)
class Changed:
    agent: Agent
    commit: str | None  # None: it was so already


def add(desk: Desk, name: str, *, wanted: tuple[str, ...], purpose: str, owner: str,
        expires: float | None = None) -> Changed:
    """A new agent with a key of this host. The same agent again is returned, with the new end if one is given; other
    roles are a Conflict."""
    registry.check_name(name)
    end = clock.rfc3339(expires) if expires is not None else None
    asked = Agent(name, tuple(sorted(set(wanted))) or (roles.WRITER,), (), purpose,
                  registry.check_mail(owner or desk.mail), expires=end)

    def edit(governance: Governance) -> Edit | None:
        _must_know(governance, asked.roles)
        there = governance.registry.agents.get(name)
        if there is None:
            return Edit(f"add agent {name}", (replace(asked, keys=(_new_key(desk, name, governance),)),))
        _same(there, asked)
        if end and there.expires != end:
            return Edit(f"let agent {name} expire at {end}", (replace(there, expires=end),))
        return None

    return _changed(desk, name, govern.change(desk, edit))


def guard(desk: Desk, name: str, *, failures: int | None, silence: int | None) -> Changed:
    """When it is paused by itself; None leaves it as it is. `silence`: seconds."""

    def edit(governance: Governance) -> Edit | None:
        agent = active(governance, name)
        wanted = Guard(agent.guard.failures if failures is None else failures,
                       agent.guard.silence if silence is None else silence)
        return None if wanted == agent.guard else Edit(f"guard agent {name}", (replace(agent, guard=wanted),))

    return _changed(desk, name, govern.change(desk, edit))


def _must_know(governance: Governance, wanted: tuple[str, ...]) -> None:
    """A role is one of the shipped ones, or of a rule. Raises Usage."""
    known = dict.fromkeys((*roles.SHIPPED, *(role for rule in governance.policy.rules for role in rule.roles or ())))
    for role in wanted:
        if role not in known:
            raise Usage(f"'{role}' is not a role", fix="use " + " or ".join(known))


def _same(there: Agent, asked: Agent) -> None:
    if there.retired:
        raise Conflict(f"agent '{there.name}' was retired at {there.retired}; its name is not given again",
                       fix="choose another name")
    if set(there.roles) != set(asked.roles):
        raise Conflict(f"agent '{there.name}' exists with other roles: {', '.join(there.roles)}",
                       fix=f"githarness agent show {there.name}", details={"roles": list(there.roles)})


def enroll(desk: Desk, name: str) -> Changed:
    """Adds a key of this host, where it holds none."""

    def edit(governance: Governance) -> Edit | None:
        agent = active(governance, name)
        if any(held(desk.parts.keyring, key) for key in agent.keys if key.usable):
            return None
        key = _new_key(desk, name, governance)
        return Edit(f"enroll agent {name} on {key.host}", (replace(agent, keys=(*agent.keys, key)),))

    return _changed(desk, name, govern.change(desk, edit))


def rotate_key(desk: Desk, name: str) -> Changed:
    """This host's key is retired and a new one takes over; other hosts' keys and the old private file stay."""

    def edit(governance: Governance) -> Edit:
        agent = active(governance, name)
        new = _replacement(desk, agent, governance)
        keyring = desk.parts.keyring
        keys = tuple(replace(key, retired=new.added) if _is_here(keyring, key) else key for key in agent.keys)
        return Edit(f"rotate the key of agent {name} on {new.host}", (replace(agent, keys=(*keys, new)),))

    return _changed(desk, name, govern.change(desk, edit))


def _replacement(desk: Desk, agent: Agent, governance: Governance) -> Key:
    if not any(_is_here(desk.parts.keyring, key) for key in agent.keys):
        raise NotFound(f"agent '{agent.name}' has no key of this host", fix=f"githarness agent enroll {agent.name}")
    return _new_key(desk, agent.name, governance)


def retire(desk: Desk, name: str) -> Changed:
    """The agent may do nothing from now on, and what it was granted or waits for ends; its commits stay verifiable."""

    def edit(governance: Governance) -> Edit | None:
        agent = governance.agent(name)
        if agent.retired:
            return None
        return Edit(f"retire agent {name}", (replace(agent, retired=clock.rfc3339(desk.parts.clock.now())),),
                    grants=govern.grants_of(governance, [name]))

    done = _changed(desk, name, govern.change(desk, edit))
    quarantine.let_go(desk, [name])
    return done


def active(governance: Governance, name: str) -> Agent:
    agent = governance.agent(name)
    if agent.retired:
        raise Conflict(f"agent '{name}' was retired at {agent.retired}", fix="githarness agent add another name")
    return agent


def held(keyring: Keyring, key: Key) -> bool:
    """Whether this host has the private key in a usable state; nobody is asked for a passphrase."""
    try:
        return keyring.find([key.key]) is not None
    except Unavailable:
        return False


def _is_here(keyring: Keyring, key: Key) -> bool:
    return key.usable and (key.host == founder.host() or held(keyring, key))


def _new_key(desk: Desk, name: str, governance: Governance) -> Key:
    signer = desk.parts.keyring.create(f"{name}@{governance.config.fleet}.invalid {founder.host()}")
    return Key(signer.public, founder.host(), clock.rfc3339(desk.parts.clock.now()))


def _changed(desk: Desk, name: str, commit: str | None) -> Changed:
    return Changed(desk.parts.governed.at(desk.lane.head()).agent(name), commit)
