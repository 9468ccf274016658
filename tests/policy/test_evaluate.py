"""Decisions: precedence, defaults, narrow permission and wide refusal, what stands before any rule."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from githarness import strictyaml
from githarness.policy import evaluate, language, roles
from githarness.policy.evaluate import Policy
from githarness.policy.model import Approvers, Grant, Limit, Request
from githarness.resources import read
from tests.policy import test_roles

NOON = 1_767_355_200.0  # 2026-01-02T12:00:00Z, a Friday
WRITE = Request("deployer", ("writer",), "write", "docs/a.md", time=NOON)
GRANT = Grant("g-1", "deployer", ("write",), ("docs/**",), NOON - 60, NOON + 60, why="incident")


def policy(*rules: dict[str, Any], **top: Any) -> Policy:
    """Rules of one file `p`, ids by number where they have none; actions default to write."""
    numbered = [{"id": f"r{number}", "actions": ["write"]} | rule for number, rule in enumerate(rules)]
    return Policy([language.parse(strictyaml.dump({"version": 1, "rules": numbered} | top), "p.yaml")])


def _decided(rules: Policy, request: Request = WRITE, *grants: Grant) -> tuple[str, str]:
    decision = rules.decide(request, grants)
    return decision.effect, decision.rule


ALLOW, HOLD, DENY = ({"effect": effect} for effect in ("allow", "require_approval", "deny"))


@pytest.mark.parametrize(("rules", "decided"), [
    ((ALLOW,), ("allow", "p/r0")), ((ALLOW, HOLD), ("require_approval", "p/r1")),
    ((HOLD,), ("require_approval", "p/r0")), ((ALLOW, HOLD, DENY), ("deny", "p/r2")),
    ((DENY, ALLOW), ("deny", "p/r0")), ((ALLOW, ALLOW), ("allow", "p/r0")),
])
def test_deny_stands_before_approval_before_allow(rules: tuple[dict[str, Any], ...], decided: tuple[str, str]) -> None:
    """Whatever the order in the file; of one effect the first."""
    assert _decided(policy(*rules)) == decided


def test_what_no_rule_allows_is_denied() -> None:
    """With the words of who asked for what."""
    decision = policy(ALLOW | {"actions": ["read"]}).decide(WRITE)
    assert (decision.effect, decision.rule) == ("deny", "default-deny")
    assert decision.why == "no rule allows 'deployer' to write 'docs/a.md'"


def test_files_decide_in_the_order_of_their_names() -> None:
    """Not in the order in which they were read."""
    data = strictyaml.dump({"version": 1, "rules": [DENY | {"id": "x", "actions": ["write"]}]})
    one, two = (language.parse(data, name) for name in ("b.yaml", "a.yaml"))
    assert Policy([one, two]).decide(WRITE).rule == "a/x"


def test_a_grant_lifts_the_default_and_nothing_else() -> None:
    """It is an allow: deny and approval stand."""
    assert _decided(policy(ALLOW | {"paths": ["x"]}), WRITE, GRANT) == ("allow", "grant")
    assert policy(ALLOW).decide(WRITE, [GRANT]).grant is None
    assert _decided(policy(DENY), WRITE, GRANT)[0] == "deny"
    assert _decided(policy(HOLD), WRITE, GRANT)[0] == "require_approval"


def test_of_several_grants_the_one_without_uses_then_the_longest_counts() -> None:
    """So that no use is spent where none need be."""
    longer, counted = replace(GRANT, id="g-2", expires=NOON + 90), replace(GRANT, id="g-3", uses=1, expires=NOON + 999)
    assert policy(ALLOW | {"paths": ["x"]}).decide(WRITE, [GRANT, counted, longer]).grant == "g-2"


@pytest.mark.parametrize("path", ["DOCS/a.md", "Docs/A.MD", "docs/a.md"])
def test_what_refuses_matches_in_any_letter_case(path: str) -> None:
    """An allow does not; its exceptions do."""
    request = replace(WRITE, path=path)
    assert _decided(policy(ALLOW, DENY | {"paths": ["docs/*.md"]}), request)[0] == "deny"
    assert _decided(policy(ALLOW, HOLD | {"paths": ["docs/a.md"]}), request)[0] == "require_approval"
    assert _decided(policy(ALLOW | {"except": ["docs/**"]}), request)[0] == "deny"
    assert (_decided(policy(ALLOW | {"paths": ["docs/**"]}), request)[0] == "allow") == path.startswith("docs")


def test_an_exception_from_a_refusal_is_read_narrowly() -> None:
    """It permits: another letter case is not excepted."""
    rules = policy(ALLOW, DENY | {"except": ["docs/**"]})
    assert _decided(rules)[0] == "allow"
    assert _decided(rules, replace(WRITE, path="Docs/a.md"))[0] == "deny"


@pytest.mark.parametrize(("glob", "path"), [("stra\u00dfe/*", "STRASSE/x"), ("\u00e9/**", "\u00c9/x"),
                                            ("a?b", "a\u00dfb"), ("**/caf\u00e9", "x/CAF\u00c9")])
def test_what_refuses_matches_in_any_unicode_form(glob: str, path: str) -> None:
    """Also where a letter folds to two."""
    assert _decided(policy(ALLOW, DENY | {"paths": [glob]}), replace(WRITE, path=path))[0] == "deny"


@pytest.mark.parametrize("path", [".githarness/policies/p.yaml", ".githarness", ".GitHarness/x", ".g\u0131tharness/x",
                                  ".githarne\u017f\u017f/x"])
@pytest.mark.parametrize("action", ["write", "append", "delete", "rename"])
def test_agents_never_change_governance(path: str, action: str) -> None:
    """In any letter case, by no rule, role or grant; Turkish dotless i is another letter."""
    request = replace(WRITE, action=action, path=path)
    grant = replace(GRANT, allow=(action,), paths=("**",))
    expected = ("allow", "p/r0") if "\u0131" in path else ("deny", "governance")
    assert _decided(policy(ALLOW | {"actions": [action]}), request, grant) == expected
    assert _decided(evaluate.shipped(), request, grant)[0] == expected[0]


@pytest.mark.parametrize("change", [
    {"action": "Write"}, {"action": "write "}, {"action": ""}, {"agent": "Deployer"}, {"agent": "depl\u043eyer"},
    {"agent": ""}, {"agent": "a\u200bb"}, {"path": "docs/../x"}, {"path": "/docs/a"}, {"path": "docs//a"}, {"path": ""},
    {"path": "docs/a\u200bb"}, {"path": "docs/a "}, {"path": "a\x00b"}, {"tier": "T9"}, {"time": float("nan")},
    {"time": float("inf")}, {"time": -1.0}, {"path": ".git/config"}, {"path": "docs\\a"}, {"path": "e\u0301"}])
def test_what_could_be_read_in_two_ways_is_denied(change: dict[str, Any]) -> None:
    """Before any rule, also where all is allowed."""
    assert _decided(policy(ALLOW), replace(WRITE, **change)) == ("deny", "invalid-request")


CALL = Request("deployer", (), "api", "/v1/x", host="api.example.org", method="GET", time=NOON)


@pytest.mark.parametrize("change", [{"host": "API.example.org"}, {"host": "https://x"}, {"host": "example.org."},
                                    {"method": "get"}, {"method": ""}, {"path": "v1"}, {"path": "/v1/../x"},
                                    {"path": "/v1//x"}, {"path": "/v1/%2e%2e/x"}, {"path": "/v1/%2F"}, {"path": "/x?y"},
                                    {"path": "/v1\\x"}, {"path": "/v1/%zz"}, {"path": "/v1/a;b"}, {"path": "/\u00e9"},
                                    {"path": "/v1/%61dmin"}, {"path": "/%5Ax"}, {"path": "/%39"}, {"path": "/%7E"},
                                    {"path": "/v1/%2565"}, {"path": "/v1/%25252f"}, {"host": "0x7f000001"},
                                    {"host": "2130706433:80"}, {"host": "127.1"}, {"host": "0177.0.0.1"},
                                    {"host": "127.0.0.0x1"}, {"host": "127.0.0.1."}, {"host": "a..org"},
                                    {"host": "[::ffff:7f00:1]"}, {"host": "[0:0::1]"}, {"host": "%31"}])
def test_a_call_in_two_forms_is_denied(change: dict[str, Any]) -> None:
    """Only one spelling of host, method and path reaches the rules."""
    rules = policy(ALLOW | {"actions": ["api"]})
    assert _decided(rules, CALL)[0] == "allow"
    assert _decided(rules, replace(CALL, **change)) == ("deny", "invalid-request")


@pytest.mark.parametrize("change", [{"host": "127.0.0.1:8080"}, {"host": "[::1]:80"}, {"host": "xn--bcher-kva.example"},
                                    {"host": "1e100.net"}, {"path": "/v1/100%25"}])
def test_a_call_in_its_one_form_reaches_the_rules(change: dict[str, Any]) -> None:
    """Addresses as they are written usually, and names as DNS has them."""
    assert _decided(policy(ALLOW | {"actions": ["api"]}), replace(CALL, **change))[0] == "allow"


def test_a_call_is_matched_by_host_method_and_path() -> None:
    """All three of one entry."""
    api = [{"host": "*.example.org", "methods": ["GET"], "path": "/v1/**"}, {"host": "other.org"}]
    rules = policy(ALLOW | {"actions": ["api"], "api": api})
    good = [CALL, replace(CALL, path="/v1/"), replace(CALL, host="other.org", method="PUT", path="/")]
    bad = [replace(CALL, method="PUT"), replace(CALL, path="/v2/x"), replace(CALL, path="/v1"),
           replace(CALL, host="x.org"), replace(CALL, host="example.org"),
           replace(CALL, host="api.example.org.evil.net")]
    assert [_decided(rules, request)[0] for request in (*good, *bad)] == ["allow"] * 3 + ["deny"] * 6


def test_a_port_leads_around_no_refusal() -> None:
    """A denied host is denied on every port, one denied on its usual port also without it; an allow is of one port."""
    hosts = [{"host": "evil.org"}, {"host": "b.org:443"}]
    rules = policy(ALLOW | {"actions": ["api"], "api": [{"host": "*"}]},
                   {"id": "no", "effect": "deny", "actions": ["api"], "api": hosts})
    asked = ("evil.org", "evil.org:443", "evil.org:8080", "b.org", "b.org:443", "b.org:8443", "c.org", "[::1]:80")
    assert [_decided(rules, replace(CALL, host=host))[0] for host in asked] == ["deny"] * 5 + ["allow"] * 3
    rules = policy(ALLOW | {"actions": ["api"], "api": [{"host": "c.org"}]})
    assert [_decided(rules, replace(CALL, host=host))[0] for host in ("c.org", "c.org:8443")] == ["allow", "deny"]


@pytest.mark.parametrize(("arguments", "allowed"), [
    ("status", True), ("status -s", True), ("status; rm -rf .", False), ("status && rm x", False),
    ("status $(rm x)", False), ("status\nrm x", False),
    ("status > x", False), ("status `rm x`", False), ("stash", False), ("status | sh", False)])
def test_an_allowed_command_does_not_bring_another(arguments: str, allowed: bool) -> None:
    """`*` of an allow stops where a shell begins something else; of a deny it takes anything."""
    request = Request("deployer", (), "exec", tool="git", arguments=arguments, time=NOON)
    rule = {"actions": ["exec"], "tools": [{"name": "git", "arguments": "status*"}]}
    assert (_decided(policy(ALLOW | rule), request)[0] == "allow") == allowed
    both = policy(ALLOW | {"actions": ["exec"]}, DENY | rule)
    assert (_decided(both, request)[0] == "deny") == arguments.startswith("status")


def test_limits_of_every_matching_rule_count() -> None:
    """Whatever its effect; the decision's own come in the order of the effects."""
    rules = policy(ALLOW | {"limits": {"writes": "60/10m"}}, HOLD | {"limits": {"deletes": "5/1h", "per": "tree"}},
                   ALLOW | {"paths": ["x"], "limits": {"calls": "1/1s"}})
    assert rules.decide(WRITE).limits == (Limit("deletes", 5, 3600, True), Limit("writes", 60, 600))


def test_approvers_are_the_strictest_of_those_asked_for() -> None:
    """The higher role and the larger count."""
    rules = policy(HOLD | {"approvers": {"count": 3}}, HOLD | {"approvers": {"role": "owner"}})
    assert rules.decide(WRITE).approvers == Approvers("owner", 3)


@pytest.mark.parametrize(("window", "inside"), [
    ({"from": "2026-01-02T12:00:00Z"}, True), ({"from": "2026-01-02T12:00:01Z"}, False),
    ({"until": "2026-01-02T12:00:00Z"}, False), ({"until": "2026-01-02T12:00:01Z"}, True), ({"days": ["fri"]}, True),
    ({"days": ["sat", "sun"]}, False), ({"hours": "12:00-13:00"}, True), ({"hours": "09:00-12:00"}, False),
    ({"hours": "22:00-12:01"}, True), ({"hours": "22:00-06:00"}, False),
    ({"days": ["fri"], "hours": "00:00-24:00"}, True)])
def test_a_window_begins_with_its_first_moment_and_ends_before_its_last(window: dict[str, Any], inside: bool) -> None:
    """At noon of a Friday, UTC."""
    assert (_decided(policy(ALLOW | {"window": window}))[0] == "allow") == inside


def test_a_tier_is_the_least_that_will_do() -> None:
    """T2 is worth more than T1."""
    rules = policy(ALLOW | {"tier": "T1"})
    assert [_decided(rules, replace(WRITE, tier=tier))[0] for tier in ("T0", "T1", "T2")] == ["deny", "allow", "allow"]


def test_agents_and_roles_must_both_fit() -> None:
    """Where both stand."""
    rules = policy(ALLOW | {"agents": ["dep*"], "roles": ["writer"]})
    assert _decided(rules)[0] == "allow"
    assert _decided(rules, replace(WRITE, agent="other"))[0] == _decided(rules, replace(WRITE, roles=()))[0] == "deny"


def test_many_first_names_of_paths_decide_the_same() -> None:
    """By their index and, past its size, without."""
    for count in (3, 300):
        allowed = [ALLOW | {"paths": [f"Area{number}/**"]} for number in range(count)]
        rules = policy(*allowed, DENY | {"paths": ["area1/x"]})
        assert _decided(rules, replace(WRITE, path="Area2/x")) == ("allow", "p/r2")
        assert _decided(rules, replace(WRITE, path="Area1/x"))[0] == "deny"
        assert _decided(rules, replace(WRITE, path="area2/x"))[1] == "default-deny"


def test_without_files_the_shipped_roles_decide_and_grants_lift() -> None:
    """All but governance."""
    rules = evaluate.shipped()
    assert _decided(rules) == ("allow", "role:writer")
    request = replace(WRITE, path=".github/x")
    assert _decided(rules, request) == ("deny", "role:writer")
    assert _decided(rules, request, replace(GRANT, paths=(".github/**",))) == ("allow", "grant")


def test_a_broken_policy_denies_everything_and_says_why() -> None:
    """Reads and grants included."""
    decision = evaluate.broken("line 3").decide(replace(WRITE, action="read"), [replace(GRANT, allow=("read",))])
    assert (decision.effect, decision.rule, decision.why) == ("deny", "no-policy", "line 3")


@pytest.mark.parametrize("path", [*test_roles.PROTECTED, *(path for path in test_roles.FREE if path.isascii())])
def test_the_shipped_default_file_is_the_shipped_roles(path: str) -> None:
    """The same effect for every action on every path that the roles know about."""
    rules = Policy([language.parse(read("policies", "default.yaml"), "default.yaml")])
    for role in ("writer", "reader", "other"):
        for action in ("read", "write", "append", "delete", "rename", "exec"):
            request = replace(WRITE, roles=(role,), action=action, path=path, tool="x")
            assert rules.decide(request).effect == roles.decide(request).effect


def test_a_longest_grant_and_rates_of_the_breaker_add_up() -> None:
    """The least length, every rate."""
    rules = policy(ALLOW, **{"longest-grant": "7d", "breaker": {"denials": "20/10m"}})
    other = policy(ALLOW, **{"longest-grant": "1h", "breaker": {"denials": "5/1m", "failures": "1/1m"}})
    both = Policy([*rules.files, *other.files])
    assert (both.longest_grant, both.breaker.denials, both.breaker.failures) == (3600, ((20, 600), (5, 60)), ((1, 60),))
