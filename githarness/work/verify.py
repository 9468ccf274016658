"""Whether a commit's signature is good and by a key of the agent or human that it names: the index's `signed`."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime

from githarness.errors import HarnessError
from githarness.git import refs
from githarness.git.reader import Commit
from githarness.policy import trailers
from githarness.policy.model import Agent, Human, Key
from githarness.seal import sshsig
from githarness.work.governance import Governance
from githarness.work.parts import Parts

_GRACE = 86400.0  # seconds


def verifier(parts: Parts) -> Callable[[Commit], bool]:
    """Judges by the identities of head: keys are never removed, so one registry serves all of history."""
    head = refs.read(parts.repo.common_dir, parts.ref)
    governance = parts.governed.salvaged(head) if head else None

    def verify(commit: Commit) -> bool:
        return governance is not None and is_signed(commit, governance)

    return verify


def is_signed(commit: Commit, governance: Governance) -> bool:
    """Whether a commit has a good signature by a key of the one agent or human that it names, in the key's window."""
    if commit.signature is None or commit.signed_payload is None:
        return False
    keys = _keys_of(commit, governance)
    try:
        return bool(keys) and sshsig.verify(commit.signature, commit.signed_payload, "git") in keys
    except HarnessError:
        return False


def _keys_of(commit: Commit, governance: Governance) -> list[str]:
    """The keys of whom the commit names, once and alone, where its author is the same."""
    named = [pair for pair in trailers.parse(commit.message) if pair[0] in ("Agent", "Human")]
    if len(named) != 1:
        return []
    kind, name = named[0]
    agent = governance.registry.agents.get(name) if kind == "Agent" else None
    human = governance.registry.humans.get(name) if kind == "Human" else None
    identity = agent or human
    if identity is None or not re.fullmatch(_author(identity), commit.author):
        return []
    return [key.key for key in identity.keys if _holds(key, identity.retired, commit.time)]


def _author(identity: Agent | Human) -> str:
    """As a pattern. The key says which fleet an agent is of; what that was called when it wrote is not known now."""
    name = re.escape(identity.name)
    mail = re.escape(identity.mail) if isinstance(identity, Human) else rf"{name}@[a-z0-9][a-z0-9._-]*\.invalid"
    return f"{name} <{mail}>"


def _holds(key: Key, retired: str | None, when: int) -> bool:
    """Clocks differ, and a write may be on its way while its key is replaced; what a thief signed has no such grace."""
    ends = [_seconds(time) + _GRACE for time in (key.retired, retired) if time is not None]
    if key.compromised_since is not None:
        ends.append(_seconds(key.compromised_since) - 1)
    return _seconds(key.added) - _GRACE <= when <= min(ends, default=when)


def _seconds(time: str) -> float:
    return datetime.fromisoformat(time).timestamp()
