"""Who may newly do what: every way to loosen a policy is seen, and nothing else is called wider."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from githarness.policy import evaluate
from githarness.policy.evaluate import Policy
from githarness.policy.model import Grant
from githarness.policy.widening import Change, Side, compare
from tests.policy.test_evaluate import ALLOW, DENY, GRANT, HOLD, NOON, policy

AGENTS = {"deployer": ("writer",), "scribe": ("reader",), "helper": ("reader",)}
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI" + "A" * 43
DOCS = ALLOW | {"agents": ["deployer"], "paths": ["docs/**"]}


def _compare(old: Policy, new: Policy, grants: tuple[Grant, ...] = (), **agents: tuple[str, ...]) -> list[Change]:
    return compare(Side(old, AGENTS), Side(new, AGENTS | agents, grants), NOON)


WAYS: list[tuple[str, list[dict[str, Any]], list[dict[str, Any]]]] = [
    ("a glob that spans", [DOCS | {"paths": ["docs/*"]}], [DOCS]),
    ("another path", [DOCS], [DOCS, DOCS | {"paths": ["src/**"]}]),
    ("a tighter exception", [DOCS | {"except": ["docs/secret/**"]}], [DOCS | {"except": ["docs/secret/*"]}]),
    ("no exception", [DOCS | {"except": ["docs/secret/**"]}], [DOCS]),
    ("a deny that is gone", [DOCS, DENY | {"paths": ["docs/a/*"]}], [DOCS]),
    ("a deny for one agent less", [DOCS, DENY | {"agents": ["dep*"]}], [DOCS, DENY | {"agents": ["depl"]}]),
    ("a deny of one path less", [DOCS, DENY | {"paths": ["docs/*.md", "docs/x/**"]}],
     [DOCS, DENY | {"paths": ["docs/*.md"]}]),
    ("an exception from a deny", [DOCS, DENY | {"paths": ["docs/a/**"]}],
     [DOCS, DENY | {"paths": ["docs/a/**"], "except": ["docs/a/b"]}]),
    ("no approval", [DOCS, HOLD | {"agents": ["deployer"], "paths": ["docs/*"]}], [DOCS]),
    ("fewer approvers", [HOLD | {"approvers": {"count": 2}}], [HOLD]),
    ("lesser approvers", [HOLD | {"approvers": {"role": "owner"}}], [HOLD]),
    ("another action", [DOCS], [DOCS | {"actions": ["write", "delete"]}]),
    ("another agent", [DOCS], [DOCS | {"agents": ["deployer", "scribe"]}]),
    ("an agent that is none yet", [DOCS | {"agents": ["ci-1"]}], [DOCS | {"agents": ["ci-*"]}]),
    ("every agent", [DOCS | {"roles": ["writer"], "agents": ["*"]}], [DOCS | {"agents": ["*"]}]),
    ("another role", [DOCS | {"agents": ["*"], "roles": ["writer"]}],
     [DOCS | {"agents": ["*"], "roles": ["writer", "reader"]}]),
    ("a lesser tier", [DOCS | {"tier": "T2"}], [DOCS | {"tier": "T1"}]),
    ("a window that is gone", [DOCS | {"window": {"until": "2026-02-01T00:00:00Z"}}], [DOCS]),
    ("longer hours", [DOCS | {"window": {"hours": "09:00-17:00"}}], [DOCS | {"window": {"hours": "09:00-18:00"}}]),
    ("another day", [DOCS | {"window": {"days": ["mon"]}}], [DOCS | {"window": {"days": ["mon", "sun"]}}]),
    ("a shorter freeze", [DOCS, DENY | {"window": {"until": "2026-02-01T00:00:00Z"}}],
     [DOCS, DENY | {"window": {"until": "2026-01-20T00:00:00Z"}}]),
    ("a looser limit", [DOCS | {"limits": {"writes": "60/10m"}}], [DOCS | {"limits": {"writes": "61/10m"}}]),
    ("a limit per agent", [DOCS | {"limits": {"writes": "6/1m", "per": "tree"}}],
     [DOCS | {"limits": {"writes": "6/1m"}}]),
    ("no limit", [DOCS | {"limits": {"writes": "60/10m"}}], [DOCS]),
    ("other arguments", [ALLOW | {"actions": ["exec"], "tools": [{"name": "git", "arguments": "status"}]}],
     [ALLOW | {"actions": ["exec"], "tools": [{"name": "git", "arguments": "status*"}]}]),
    ("any arguments", [ALLOW | {"actions": ["exec"], "tools": [{"name": "git", "arguments": "log*"}]}],
     [ALLOW | {"actions": ["exec"], "tools": [{"name": "git", "arguments": "log**"}]}]),
    ("another tool", [ALLOW | {"actions": ["tool"], "tools": [{"name": "a"}]}],
     [ALLOW | {"actions": ["tool"], "tools": [{"name": "a"}, {"name": "b"}]}]),
    ("another host", [ALLOW | {"actions": ["api"], "api": [{"host": "a.org"}]}],
     [ALLOW | {"actions": ["api"], "api": [{"host": "*.org"}]}]),
    ("another method", [ALLOW | {"actions": ["api"], "api": [{"host": "a.org", "methods": ["GET"]}]}],
     [ALLOW | {"actions": ["api"], "api": [{"host": "a.org", "methods": ["GET", "PUT"]}]}]),
    ("another URL", [ALLOW | {"actions": ["api"], "api": [{"host": "a.org", "path": "/v1/**"}]}],
     [ALLOW | {"actions": ["api"], "api": [{"host": "a.org", "path": "/**"}]}]),
    ("another secret", [ALLOW | {"actions": ["secret"], "paths": ["a"]}],
     [ALLOW | {"actions": ["secret"], "paths": ["*"]}]),
]


@pytest.mark.parametrize(("old", "new"), [way[1:] for way in WAYS], ids=[way[0] for way in WAYS])
def test_every_way_to_loosen_is_seen_and_its_opposite_is_narrower(old: list[dict[str, Any]],
                                                                  new: list[dict[str, Any]]) -> None:
    """Forwards something is wider, backwards something is not and nothing is wider that was not."""
    forwards, backwards = _compare(policy(*old), policy(*new)), _compare(policy(*new), policy(*old))
    assert any(change.wider for change in forwards)
    assert any(not change.wider for change in backwards)
    assert not any(change.wider for change in backwards)


def test_what_is_narrower_hides_nothing_that_is_wider() -> None:
    """More approvers in place of a limit."""
    old, new = HOLD | {"limits": {"writes": "6/1m"}}, HOLD | {"approvers": {"count": 2}}
    assert any(change.wider for change in _compare(policy(old), policy(new)))
    assert any(change.wider for change in _compare(policy(new), policy(old)))


@pytest.mark.parametrize("top", [{"longest-grant": "1h"}, {"breaker": {"denials": "5/10m"}}])
def test_what_stands_beside_the_rules_and_goes_is_wider(top: dict[str, Any]) -> None:
    """A bound that is not there is without end."""
    assert [change.wider for change in _compare(policy(DOCS, **top), policy(DOCS))] == [True]


def test_what_decides_the_same_is_no_change() -> None:
    """Other names, another order, a rule in two, a reason."""
    old = policy(DOCS, DENY | {"paths": ["docs/a"]})
    new = policy(DENY | {"paths": ["docs/a"], "why": "because"}, DOCS | {"paths": ["docs/*"]}, DOCS)
    assert _compare(old, new) == []


def test_a_change_says_who_what_and_by_which_rule() -> None:
    """With examples."""
    (change,) = _compare(policy(DOCS), policy(DOCS, DOCS | {"paths": ["src/*.py"]}))
    assert (change.agent, change.action, change.wider) == ("deployer", "write", True)
    assert (change.before, change.after) == ("deny by default-deny", "allow by p/r1")
    assert change.what[0] == "src/x.py" or change.what[0].endswith(".py")


def test_agents_that_are_alike_are_named_one_by_one() -> None:
    """They are asked about once."""
    changes = _compare(policy(DOCS), policy(DOCS, ALLOW | {"roles": ["reader"], "paths": ["x"]}))
    assert {"helper", "scribe"} <= {change.agent for change in changes}


def test_roles_agents_and_grants_count_too() -> None:
    """Whoever gets a role, comes new or is granted something may do more."""
    same = policy(ALLOW | {"roles": ["writer"], "paths": ["docs/**"]})
    (promoted,) = _compare(same, same, scribe=("writer",))
    (came,) = _compare(same, same, newcomer=("writer",))
    assert (promoted.agent, came.agent, came.before) == ("scribe", "newcomer", "deny by no-such-agent")
    granted = _compare(same, same, (replace(GRANT, agent="scribe"),))
    assert [(change.agent, change.after, change.wider) for change in granted] == [("scribe", "allow by g-1", True)]
    assert _compare(same, same, (replace(GRANT, agent="scribe", granted=0, expires=NOON),)) == []


def test_what_stands_beside_the_rules_counts_too() -> None:
    """A longer longest grant, a later breaker."""
    short, long = (policy(DOCS, **{"longest-grant": length, "breaker": {"denials": f"{most}/10m"}})
                   for length, most in (("1h", 5), ("7d", 50)))
    assert [change.wider for change in _compare(short, long)] == [True, True]
    assert [change.wider for change in _compare(long, short)] == [False, False]


@pytest.mark.parametrize(("old", "new"), [
    ({"approvers": {"role": "owner", "count": "3"}}, {"approvers": {"role": "owner", "count": "2"}}),
    ({"approvers": {"role": "owner", "count": "2"}}, None),
    ({"approvers": {"role": "owner", "count": "2"}},
     {"approvers": {"role": "owner", "count": "2"}, "recovery": KEY}),
    ({"approvers": {"role": "owner", "count": "2"}, "recovery": KEY}, None),
], ids=["fewer owners", "one owner", "a key that needs no second owner", "one owner, a key before"])
def test_governance_that_takes_fewer_owners_is_wider(old: dict[str, Any], new: dict[str, Any] | None) -> None:
    """And the way back is narrower."""
    before, after = (policy(DOCS, **({"governance": side} if side else {})) for side in (old, new))
    assert [(change.action, change.wider) for change in _compare(before, after)] == [("governance", True)]
    assert [change.wider for change in _compare(after, before)] == [False]


def test_from_nothing_that_loads_everything_is_new() -> None:
    """And the other way round gone."""
    assert all(change.wider for change in _compare(evaluate.broken("x"), policy(DOCS)))
    assert not any(change.wider for change in _compare(policy(DOCS), evaluate.broken("x")))
