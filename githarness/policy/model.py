"""Who there is, and what was asked and decided: plain values that every floor above shares."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

ACTIONS = ("read", "write", "append", "delete", "rename", "exec", "tool", "api", "secret", "approve", "delegate")


@dataclass(frozen=True, slots=True)
class Key:
    key: str  # "ssh-ed25519 AAAA…": type and base 64, no comment
    host: str
    added: str  # RFC 3339
    retired: str | None = None
    compromised_since: str | None = None

    @property
    def usable(self) -> bool:
        """Whether it may sign from now on; what it signed before stays verifiable."""
        return self.retired is None and self.compromised_since is None


class Guard(NamedTuple):
    """When an agent is paused by itself."""

    failures: int = 5  # runs in a row that failed; 0: never
    silence: int = 0  # seconds without a heartbeat of a run of its own; 0: never


SHIPPED_GUARD = Guard()

@dataclass(frozen=True, slots=True)
class Agent:
    name: str
    roles: tuple[str, ...]
    keys: tuple[Key, ...]
    purpose: str = ""
    owner: str = ""
    retired: str | None = None
    expires: str | None = None  # from when on it may do nothing, as `agent add --expires` said
    quarantined: str | None = None  # since when an operator stopped it, until released
    guard: Guard = SHIPPED_GUARD


@dataclass(frozen=True, slots=True)
class Human:
    name: str
    mail: str
    role: str  # owner | operator | contributor
    keys: tuple[Key, ...]
    retired: str | None = None


@dataclass(frozen=True, slots=True)
class Registry:
    agents: Mapping[str, Agent] = field(default_factory=dict)
    humans: Mapping[str, Human] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Request:
    """One question of the AuthZEN shape, flattened: may this agent do this action on this resource?"""

    agent: str
    roles: tuple[str, ...]
    action: str  # one of ACTIONS
    path: str = ""  # an artifact's; for `secret` its name, for `api` the URL's path, for `approve` what is approved
    chain: tuple[str, ...] = ()  # outermost first, without the agent itself
    tier: str = "T0"
    tool: str = ""  # tool: its name; exec: the program
    arguments: str = ""  # of a tool or program, as one line
    host: str = ""  # api
    method: str = ""  # api, upper case
    time: float = 0.0  # Unix seconds: the wall clock of the decision, the committer's time in a verifier


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `most` of `what` in any `seconds`; for the agent alone, or for its whole delegation tree."""

    what: str  # writes | deletes | calls
    most: int
    seconds: int
    tree: bool = False
    quarantine: bool = True  # whether going past it stops the agent, or only refuses that one


@dataclass(frozen=True, slots=True)
class Approvers:
    role: str = "operator"  # at least
    count: int = 1


@dataclass(frozen=True, slots=True)
class Decision:
    effect: str  # allow | deny | require_approval
    rule: str  # "role:writer", "default-deny", "FILE/RULE" of a policy file, "no-policy" where none loads
    why: str = ""
    grant: str | None = None
    limits: tuple[Limit, ...] = ()  # of every rule that matched, whatever its effect
    approvers: Approvers | None = None  # where the effect is require_approval


@dataclass(frozen=True, slots=True)
class Grant:
    """A time-boxed permission: `.githarness/grants/ID.yaml`."""

    id: str
    agent: str
    allow: tuple[str, ...]
    paths: tuple[str, ...]
    granted: float  # Unix seconds
    expires: float
    uses: int | None = None
    why: str = ""
