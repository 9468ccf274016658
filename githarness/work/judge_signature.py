"""Who signed a commit: our own SSHSIG check over its raw bytes, and whether that identity might sign then and there."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from functools import lru_cache

from githarness.errors import Integrity
from githarness.git.commits import Commit
from githarness.policy.model import Agent, Human, Registry
from githarness.seal import sshsig
from githarness.work.judge_states import State
from githarness.work.judged import Fault

GRACE = 3600.0  # seconds by which the clocks of two hosts may differ


@lru_cache(maxsize=64)
def signer(commit: Commit) -> str | Fault:
    """The public key line of who signed, of whatever identity. Several ask about one commit."""
    if commit.signature is None or commit.signed_payload is None:
        if b"\ngpgsig" in commit.raw.partition(b"\n\n")[0]:
            return Fault("bad-signature", "its signature can be read in more than one way")
        return Fault("unsigned", "it carries no signature")
    try:
        return sshsig.verify(commit.signature, commit.signed_payload, "git")
    except Integrity as error:
        return Fault("bad-signature", error.message)


def human_of(state: State, key: str) -> Human | None:
    for human in state.governance.registry.humans.values():
        if any(one.key == key for one in human.keys):
            return human
    return None


def ends(identity: Agent | Human, key: str, when: int) -> Iterator[Fault]:
    """Why an identity may not sign with this key at `when`, judged by a state that the commit is built on or lands on.

    Who is built on a retirement knows of it: the date that a commit gives itself is no excuse.
    """
    kind = "agent" if isinstance(identity, Agent) else "human"
    name = f"{kind} '{identity.name}'"
    held = next((one for one in identity.keys if one.key == key), None)
    if held is None:
        yield Fault("wrong-signer", f"its signature is by no key of {name}")
    elif held.compromised_since is not None:
        yield Fault("compromised", f"the key of {name} that signed it is compromised since {held.compromised_since}")
    elif held.retired is not None:
        yield Fault("retired", f"the key of {name} that signed it was retired at {held.retired}")
    elif when < seconds(held.added) - GRACE:
        yield Fault("wrong-signer", f"the key of {name} that signed it was added at {held.added}, later than its date")
    if identity.retired is not None:
        yield Fault("retired", f"{name} was retired at {identity.retired}")
    if isinstance(identity, Agent):
        yield from _stopped(identity, name, when)


def _stopped(agent: Agent, name: str, when: int) -> Iterator[Fault]:
    if agent.quarantined is not None:
        yield Fault("quarantined", f"{name} was quarantined at {agent.quarantined}")
    if agent.expires is not None and when >= seconds(agent.expires):
        yield Fault("retired", f"{name} expired at {agent.expires}")


def compromised(registry: Registry) -> dict[str, float]:
    """Since when each key was no longer its holder's alone, in Unix seconds, as it is known in one state."""
    identities: list[Agent | Human] = [*registry.agents.values(), *registry.humans.values()]
    return {key.key: seconds(key.compromised_since) for identity in identities for key in identity.keys
            if key.compromised_since is not None}


@lru_cache(maxsize=4096)
def seconds(time: str) -> float:
    return datetime.fromisoformat(time).timestamp()
