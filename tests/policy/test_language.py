"""Policy files: what loads, what does not, and what the refusal says."""

from __future__ import annotations

import json
import re
from pathlib import Path
from random import Random
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from githarness import strictyaml
from githarness.errors import Integrity, Unavailable
from githarness.policy import language
from tests.policy import generated

ROOT = Path(__file__).resolve().parents[2]
SCHEMA = Draft202012Validator(json.loads((ROOT / "schemas" / "policy.schema.json").read_text()))
SHIPPED = sorted((ROOT / "policies").glob("*.yaml"))
PATH = ".githarness/policies/p.yaml"
RULE = {"id": "r", "effect": "allow", "actions": ["write"], "paths": ["docs/**"]}
FULL = b"""\
version: 1
longest-grant: 7d
breaker: {denials: 20/10m, failures: 10/10m}
rules:
  - id: deploy-writes
    effect: allow
    why: deployers keep the runbooks
    agents: [deployer, "ci-*"]
    roles: [writer]
    actions: [write, append]
    paths: ["runbooks/**"]
    except: ["runbooks/secret/**"]
    window: {from: 2026-01-01T00:00:00Z, until: 2027-01-01T00:00:00Z, days: [mon, fri], hours: "09:00-17:00"}
    tier: T1
    limits: {writes: 60/10m, deletes: 5/1h, calls: 100/1m, per: agent, then: quarantine}
    tests:
      match: [{agent: ci-1, action: write, path: runbooks/a}]
      no_match: [{agent: other, path: runbooks/a}, {path: runbooks/SECRET/x}]
  - {id: tools, effect: deny, actions: [exec, tool], tools: [{name: Bash, arguments: "git *"}]}
  - {id: web, effect: allow, actions: [api], api: [{host: "*.example.org", methods: [GET], path: "/v1/**"}]}
  - {id: hold, effect: require_approval, actions: [write], paths: [a/], approvers: {role: owner, count: 2}}
"""


def _file(**rule: Any) -> dict[str, Any]:
    return {"version": "1", "rules": [{key: value for key, value in (RULE | rule).items() if value is not None}]}


def _faults(data: bytes) -> list[tuple[int, str]]:
    return [(fault.line, fault.key) for fault in language.check(data, PATH)[1]]


def test_every_key_is_read_and_is_of_the_schema() -> None:
    """A file with all of the language loads, and the schema takes it."""
    found = language.parse(FULL, PATH)
    SCHEMA.validate(strictyaml.load(FULL, PATH))
    assert [rule.id for rule in found.rules] == ["p/deploy-writes", "p/tools", "p/web", "p/hold"]
    assert (found.longest_grant, found.breaker.denials[0]) == (7 * 86400, (20, 600))
    assert found.rules[3].paths == ("a/**",)


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_the_shipped_files_load(path: Path) -> None:
    """Their tests hold, every rule has some of both kinds, editors find their schema, which takes them."""
    data = path.read_bytes()
    found = language.parse(data, path.name)
    SCHEMA.validate(strictyaml.load(data, path.name))
    assert all(rule.match and rule.no_match for rule in found.rules)
    assert data.startswith(b"# yaml-language-server: $schema=../schemas/policy.schema.json\n")


BAD_RULES = [
    {"id": "Deploy"}, {"id": None}, {"effect": "Allow"}, {"effect": None}, {"effect": "no"}, {"actions": None},
    {"actions": []}, {"actions": ["Drop "]}, {"actions": "write"}, {"actions": ["write", "write"]}, {"why": ["x"]},
    {"agents": []}, {"agents": ["Deployer"]}, {"agents": ["depl\u043eyer"]}, {"roles": ["*"]}, {"paths": ["a/../b"]},
    {"paths": ["/etc/**"]}, {"paths": ["a//b"]}, {"paths": ["**x"]}, {"paths": ["a\\b"]}, {"except": []},
    {"tools": [{"name": "Bash"}]}, {"actions": ["exec"], "paths": None, "tools": [{"nam": "Bash"}]},
    {"actions": ["exec"], "paths": None, "tools": [{"name": "x", "arguments": "a ** b"}]}, {"api": [{"host": "x"}]},
    {"actions": ["api"]}, {"actions": ["api"], "paths": None, "api": [{"host": "HTTPS://x"}]},
    {"actions": ["api"], "paths": None, "api": [{"host": "x", "methods": ["get"]}]},
    {"actions": ["api"], "paths": None, "api": [{"host": "x", "path": "v1"}]}, {"window": {}},
    {"window": {"from": "tomorrow"}}, {"window": {"hours": "9-17"}}, {"window": {"days": ["monday"]}}, {"tier": "T9"},
    {"tier": "1"}, {"effect": "deny", "tier": "T1"}, {"approvers": {"count": "2"}},
    {"effect": "require_approval", "approvers": {"role": "contributor"}},
    {"effect": "require_approval", "approvers": {"count": "0"}}, {"limits": {}}, {"limits": {"per": "tree"}},
    {"limits": {"writes": "60"}}, {"limits": {"writes": "60/10x"}}, {"limits": {"reads": "60/10m"}},
    {"tests": {"matches": []}}, {"tests": {"match": [{"agnet": "x"}]}}, {"tests": {"match": [{"action": "x"}]}},
    {"path": ["x"]}, {"effekt": "deny"},
]


@pytest.mark.parametrize("change", BAD_RULES, ids=str)
def test_loader_and_schema_refuse_the_same_rules(change: dict[str, Any]) -> None:
    """What is not a rule is neither loaded nor of the schema."""
    assert SCHEMA.is_valid(_file()) and not _faults(strictyaml.dump(_file()))
    assert not SCHEMA.is_valid(_file(**change))
    with pytest.raises(Integrity):
        language.parse(strictyaml.dump(_file(**change)), PATH)


BAD_TOPS = [{"rules": []}, {"rules": "x"}, {"version": "2x"}, {"more": "x"}, {"longest-grant": "7"}, {"breaker": {}},
            {"audit": {}}, {"audit": {"bodies": "0d"}}, {"audit": {"bodies": "1d", "more": "x"}},
            {"longest-grant": "0d"}, {"breaker": {"denials": "x"}}, {"breaker": {"writes": "1/1s"}}]


@pytest.mark.parametrize("change", BAD_TOPS, ids=str)
def test_loader_and_schema_refuse_the_same_files(change: dict[str, Any]) -> None:
    """Beside the rules nothing is overlooked either."""
    assert not SCHEMA.is_valid(_file() | change)
    with pytest.raises((Integrity, Unavailable)):
        language.parse(strictyaml.dump(_file() | change), PATH)


def test_loader_and_schema_take_the_same_files() -> None:
    """What the generator writes is a policy to both."""
    for number in range(100):
        for table in generated.policy(Random(number)).values():
            SCHEMA.validate(table)
            assert not _faults(strictyaml.dump(table))


@pytest.mark.parametrize("change", [{"window": {"from": "2026-01-02T00:00:00Z", "until": "2026-01-01T00:00:00Z"}},
                                    {"window": {"hours": "09:00-09:00"}}, {"why": "a\u0007"}, {"agents": ["a b"]},
                                    {"window": {"from": "2026-02-30T00:00:00Z"}}, {"paths": ["a/", "a/**"]},
                                    {"paths": ["e\u0301"]}, {"limits": {"writes": "1/999999999w"}}], ids=str)
def test_what_only_the_loader_sees(change: dict[str, Any]) -> None:
    """Dates that are none, windows without inside, invisible text."""
    assert _faults(strictyaml.dump(_file(**change)))


def test_every_fault_is_named_with_its_line() -> None:
    """File, line and key of all of them at once, and what to do."""
    data = b"version: 1\nrules:\n  - id: a\n    effekt: deny\n    actions: [read, wite]\n    effect: allow\n  - id: a\n"
    assert _faults(data) == [(4, "rules.1.effekt"), (5, "rules.1.actions.2"), (7, "rules.2.effect"),
                             (7, "rules.2.actions"), (7, "rules.2.id")]
    fixes = [fault.fix for fault in language.check(data, PATH)[1]]
    assert fixes[:2] == ["write 'effect'", "write 'write'"]


def test_the_refusal_names_file_line_key_and_fix() -> None:
    """As an error, with its details."""
    with pytest.raises(Integrity, match=r"'.githarness/policies/p.yaml' line 2 under 'rulez'") as caught:
        language.parse(b"version: 1\nrulez: []\nrules: [{id: a, effect: deny, actions: [read]}]\n", PATH)
    assert caught.value.details == {"file": PATH, "line": 2, "key": "rulez"}
    assert caught.value.fix == "write 'rules'"


def test_a_rule_whose_test_fails_does_not_load() -> None:
    """The line is that of the example."""
    data = strictyaml.dump(_file(tests={"match": [{"path": "docs/a"}, {"path": "other"}]}))
    (fault,) = language.check(data, PATH)[1]
    assert "does not match" in fault.problem and data.splitlines()[fault.line - 1] == b"    - path: other"
    assert "matches this" in language.check(strictyaml.dump(_file(tests={"no_match": [{"path": "docs/a"}]})),
                                            PATH)[1][0].problem


def test_a_newer_file_asks_for_a_newer_githarness() -> None:
    """It is not corrupt."""
    with pytest.raises(Unavailable, match="newer"):
        language.parse(b"version: 2\nrules: []\n", PATH)


@pytest.mark.parametrize("path", ["p.yml", "P.yaml", "policies/.yaml", "a b.yaml"])
def test_a_file_is_named_like_one(path: str) -> None:
    """Another name would be overlooked on another machine, or by a glob."""
    assert language.check(FULL, path)[1][0].fix == "name it NAME.yaml, in lower case"


def test_every_key_of_the_schema_is_documented() -> None:
    """Top, rule, and what stands inside of a rule's keys."""
    page, table = (ROOT / "docs" / "policy.md").read_text(), SCHEMA.schema
    keys: set[str] = {*table["properties"], *table["$defs"]["rule"]["properties"]}
    for part in (table["properties"]["breaker"], *table["$defs"]["rule"]["properties"].values()):
        keys |= set(part.get("properties", ())) | set(part.get("items", {}).get("properties", ()))
    assert [key for key in sorted(keys) if not re.search(rf"[`{{ ]{key}[`:]", page)] == []
