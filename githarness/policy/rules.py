"""What a policy file says, as values (docs/policy.md). A criterion that is None was left out and fits everything."""

from __future__ import annotations

from dataclasses import dataclass, field

from githarness.policy.model import Approvers, Limit
from githarness.policy.rates import Rate

DENY = "deny"
APPROVAL = "require_approval"
ALLOW = "allow"
EFFECTS = (DENY, APPROVAL, ALLOW)  # the strictest first
TIERS = ("T0", "T1", "T2")
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
ON_FILES = frozenset(("read", "write", "append", "delete", "rename"))
CHANGES = ON_FILES - {"read"}


@dataclass(frozen=True, slots=True)
class Tool:
    name: str  # a glob
    arguments: str | None = None  # a pattern of the whole line


@dataclass(frozen=True, slots=True)
class Api:
    host: str  # a glob, lower case
    methods: tuple[str, ...] | None = None  # upper case
    path: str | None = None  # a glob that begins with `/`


@dataclass(frozen=True, slots=True)
class Window:
    """UTC. From `since` on, before `until`; within `hours`, minutes of the day, which may span midnight."""

    since: float | None = None  # Unix seconds
    until: float | None = None
    days: frozenset[int] | None = None  # 0 is Monday
    hours: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Example:
    """One request of a rule's own tests. Agent, roles, action, tier and time that are left out fit."""

    line: int
    agent: str | None = None
    roles: tuple[str, ...] | None = None
    action: str | None = None
    tier: str | None = None
    time: float | None = None
    path: str = ""
    tool: str = ""
    arguments: str = ""
    host: str = ""
    method: str = ""


@dataclass(frozen=True, slots=True)
class Rule:
    id: str  # FILE/RULE, as a decision names it
    line: int
    effect: str
    actions: tuple[str, ...]
    why: str = ""
    agents: tuple[str, ...] | None = None
    roles: tuple[str, ...] | None = None
    paths: tuple[str, ...] | None = None
    excepted: tuple[str, ...] = ()
    tools: tuple[Tool, ...] | None = None
    api: tuple[Api, ...] | None = None
    window: Window | None = None
    tier: str | None = None  # of an allow rule: the least
    approvers: Approvers | None = None
    limits: tuple[Limit, ...] = ()
    match: tuple[Example, ...] = ()
    no_match: tuple[Example, ...] = ()


@dataclass(frozen=True, slots=True)
class Breaker:
    """What quarantines an agent by itself; each of the rates counts."""

    denials: tuple[Rate, ...] = ()
    failures: tuple[Rate, ...] = ()


@dataclass(frozen=True, slots=True)
class Owners:
    """How many owners it takes to change governance, and the keys with which one does it alone."""

    approvers: Approvers
    recovery: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PolicyFile:
    path: str
    rules: tuple[Rule, ...]
    longest_grant: int | None = None  # seconds
    breaker: Breaker = field(default_factory=Breaker)
    owners: Owners | None = None
    bodies: int | None = None  # seconds for which the audit log keeps the bodies of events
    history: int | None = None  # seconds for which a value of a state entry is kept after it was replaced
