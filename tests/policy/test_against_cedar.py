"""Without globs and approval the language is a part of Cedar's: allow, deny, agents, roles, actions, exact paths."""

from __future__ import annotations

import json
from random import Random
from typing import Any

import pytest

from githarness import strictyaml
from githarness.policy import language
from githarness.policy.evaluate import Policy
from githarness.policy.model import Request

cedarpy = pytest.importorskip("cedarpy", reason="cedarpy has no wheel for this platform")

AGENTS = ("a", "b", "c")
ROLES = ("writer", "reader")
ACTIONS = ("read", "write", "append", "delete", "rename")
PATHS = ("a", "a/b", "a/b/c.md", "d.md")
EVERY = {"agents": AGENTS, "roles": ROLES, "actions": ACTIONS, "paths": PATHS, "except": PATHS}


def _rule(rng: Random, number: int) -> dict[str, Any]:
    rule: dict[str, Any] = {"id": f"r{number}", "effect": rng.choice(("allow", "allow", "deny"))}
    for key, share in (("agents", 0.5), ("roles", 0.4), ("actions", 1), ("paths", 0.7), ("except", 0.2)):
        if rng.random() < share:
            rule[key] = rng.sample(EVERY[key], rng.randint(1, 3 if key == "actions" else 2))
    return rule


def _cedar(rule: dict[str, Any]) -> str:
    """The same rule as Cedar has it."""
    wanted = [f"[{', '.join(json.dumps(one) for one in rule['actions'])}].contains(context.action)"]
    if "agents" in rule:
        wanted.append(f"{json.dumps(rule['agents'])}.contains(context.agent)")
    if "roles" in rule:
        wanted.append(f"context.roles.containsAny({json.dumps(rule['roles'])})")
    if "paths" in rule:
        wanted.append(f"{json.dumps(rule['paths'])}.contains(context.path)")
    if "except" in rule:
        wanted.append(f"!{json.dumps(rule['except'])}.contains(context.path)")
    effect = "permit" if rule["effect"] == "allow" else "forbid"
    return f"{effect}(principal, action, resource) when {{ {' && '.join(wanted)} }};"


def _agree(seed: int, policies: int, each: int) -> int:
    asked = 0
    for number in range(policies):
        rng = Random(f"{seed}-{number}")
        rules = [_rule(rng, place) for place in range(rng.randint(1, 8))]
        ours = Policy([language.parse(strictyaml.dump({"version": 1, "rules": rules}), "p.yaml")])
        theirs = cedarpy.PolicySet.from_str("\n".join(map(_cedar, rules)))
        for _ in range(each):
            request = Request(rng.choice(AGENTS), tuple(rng.sample(ROLES, rng.randint(0, 2))), rng.choice(ACTIONS),
                              rng.choice(PATHS))
            context = {"agent": request.agent, "roles": list(request.roles), "action": request.action,
                       "path": request.path}
            answer = cedarpy.is_authorized({"principal": 'Agent::"x"', "action": 'Action::"x"',
                                            "resource": 'Artifact::"x"', "context": context}, theirs, [])
            assert (ours.decide(request).effect == "allow") == answer.allowed, (rules, request)
            assert not answer.diagnostics.errors
            asked += 1
    return asked


def test_cedar_agrees() -> None:
    """Some thousands of pairs, the same in every run."""
    assert _agree(1, 120, 20) == 2400


@pytest.mark.soak
def test_cedar_agrees_on_many() -> None:
    """A hundred thousand."""
    assert _agree(2, 5000, 20) == 100_000
