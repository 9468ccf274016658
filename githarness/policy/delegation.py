"""A chain of who acts on whose behalf: what it may do is what everybody on it may do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from githarness.policy.model import Approvers, Decision

PERSON = "human:"  # before a person's name where their run stands in a chain
_STRICT = ("deny", "require_approval", "allow")
_RANKS = ("operator", "owner")


def strictest(one: Decision, other: Decision) -> Decision:
    """Both have to be kept: the stricter one, with the grants and the approvers of both."""
    first = min(one, other, key=lambda decision: _STRICT.index(decision.effect))
    grants = [name for decision in (one, other) if decision.effect != "deny" and decision.grant
              for name in decision.grant.split(",")]
    asked = [decision.approvers or Approvers() for decision in (one, other) if decision.effect == "require_approval"]
    approvers = Approvers(max((each.role for each in asked), key=_RANKS.index),
                          max(each.count for each in asked)) if asked else None
    return replace(first, grant=",".join(dict.fromkeys(grants)) or None, approvers=approvers,
                   limits=tuple(dict.fromkeys((*one.limits, *other.limits))))


def comes_back(names: Sequence[str]) -> str | None:
    """Who stands in the chain again after somebody else: A B A is refused, A A is one agent in two runs."""
    seen: set[str] = set()
    for before, name in zip(("", *names), names, strict=False):
        if name != before and name in seen:
            return name
        seen.add(name)
    return None
