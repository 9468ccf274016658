"""Who there is, and what was asked and decided: plain values that every floor above shares."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


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


@dataclass(frozen=True, slots=True)
class Agent:
    name: str
    roles: tuple[str, ...]
    keys: tuple[Key, ...]
    purpose: str = ""
    owner: str = ""
    retired: str | None = None


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
    """One question of the AuthZEN shape, flattened: may this agent do this action on this path?"""

    agent: str
    roles: tuple[str, ...]
    action: str  # read | write | append | delete | rename
    path: str
    chain: tuple[str, ...] = ()
    tier: str = "T0"


@dataclass(frozen=True, slots=True)
class Decision:
    effect: str  # allow | deny | require_approval
    rule: str  # e.g. "role:writer", "default-deny"
    why: str = ""
    grant: str | None = None
