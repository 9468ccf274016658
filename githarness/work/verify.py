"""Whether a commit's signature is good and by a key of the agent or human that it names: the index's `signed`."""

from __future__ import annotations

from collections.abc import Callable

from githarness.errors import HarnessError
from githarness.git import refs
from githarness.git.reader import Commit
from githarness.policy import trailers
from githarness.policy.model import Key
from githarness.seal import sshsig
from githarness.work.governance import Governance
from githarness.work.parts import Parts


def verifier(parts: Parts) -> Callable[[Commit], bool]:
    """Judges by the identities of head: keys are never removed, so one registry serves all of history."""
    head = refs.read(parts.repo.common_dir, parts.ref)
    governance = parts.governed.salvaged(head) if head else None

    def verify(commit: Commit) -> bool:
        return governance is not None and is_signed(commit, governance)

    return verify


def is_signed(commit: Commit, governance: Governance) -> bool:
    """Whether a commit has a good signature by a key, of whatever time, of the one agent or human that it names."""
    if commit.signature is None or commit.signed_payload is None:
        return False
    keys = [key.key for key in _keys_of(commit, governance)]
    try:
        return bool(keys) and sshsig.verify(commit.signature, commit.signed_payload, "git") in keys
    except HarnessError:
        return False


def _keys_of(commit: Commit, governance: Governance) -> tuple[Key, ...]:
    """The keys of whom the commit names, once and alone, where its author is the same."""
    named = [pair for pair in trailers.parse(commit.message) if pair[0] in ("Agent", "Human")]
    if len(named) != 1:
        return ()
    kind, name = named[0]
    agent = governance.registry.agents.get(name) if kind == "Agent" else None
    if agent is not None:
        author = f"{agent.name} <{agent.name}@{governance.config.fleet}.invalid>"
        return agent.keys if commit.author == author else ()
    human = governance.registry.humans.get(name) if kind == "Human" else None
    return human.keys if human is not None and commit.author == f"{human.name} <{human.mail}>" else ()
