"""The cases of docs/attacks.md that the language itself has to stand: each by its number."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from githarness.errors import Integrity
from githarness.git.reader import Reader
from githarness.git.repo import discover
from githarness.policy import evaluate, language
from githarness.policy.model import Request
from githarness.work.rulebook import Rulebook
from tests.conftest import Git
from tests.policy.test_evaluate import ALLOW, DENY, GRANT, NOON, WRITE, policy

HEAD = "version: 1\nrules:\n"
ONE = HEAD + "  - {id: a, effect: deny, actions: [write], paths: [x]}\n"
FILE = ".githarness/policies/p.yaml"


def _refused(text: str) -> Integrity:
    with pytest.raises(Integrity) as caught:
        language.parse(text.encode(), "p.yaml")
    return caught.value


@pytest.mark.parametrize("action", ["write", "append", "delete", "rename"])
@pytest.mark.parametrize("path", [FILE, ".githarness/grants/g.yaml", ".githarness/agents/a.yaml", ".GITHARNESS/x"])
def test_g01_no_agent_edits_the_policy_that_governs_it(path: str, action: str) -> None:
    """Whatever its rules, its roles and its grants allow."""
    rules = policy(ALLOW | {"actions": [action], "paths": ["**"]}, ALLOW | {"actions": [action]})
    grant = replace(GRANT, allow=(action,), paths=("**", ".githarness/**"))
    decision = rules.decide(replace(WRITE, action=action, path=path), [grant])
    assert (decision.effect, decision.rule) == ("deny", "governance")


def test_g02_a_policy_is_judged_by_the_one_before_it(fleet: Path, git: Git) -> None:
    """The commit that widens counts from itself on, not for its own change."""
    heads = []
    for actions in ("[read]", "[read, write]"):
        (fleet / FILE).parent.mkdir(exist_ok=True)
        (fleet / FILE).write_text(HEAD + f"  - {{id: a, effect: allow, actions: {actions}}}\n")
        git(fleet, "add", "-A")
        git(fleet, "commit", "-q", "-m", "rules")
        heads.append(git(fleet, "rev-parse", "HEAD"))
    book = Rulebook(Reader(discover(fleet)))
    assert [book.policy(head).decide(WRITE).effect for head in heads] == ["deny", "allow"]


@pytest.mark.parametrize("text", [
    ONE.replace("effect: deny", "effect: deny, effect: allow"), ONE + "rules: []\n", ONE + "version: 1\n",
    ONE.replace("paths: [x]", "paths: [x], \"paths\": [y]"),
    '{"version": 1, "rules": [{"id": "a", "effect": "deny", "effect": "allow", "actions": ["write"]}]}'])
def test_g04_a_key_that_stands_twice_is_refused(text: str) -> None:
    """YAML and JSON readers take the last one, or the first."""
    assert "twice" in _refused(text).message


@pytest.mark.parametrize(("text", "said"), [
    (ONE.replace("paths: [x]", "paths: &a [x]"), "anchor"),
    (HEAD + "  - &a {id: a, effect: deny, actions: [write]}\n  - {<<: *a, id: b}\n", "anchor"),
    (HEAD + "  - {<<: {effect: allow}, id: b, actions: [write]}\n", "plain text"),
    (ONE.replace("effect: deny", "effect: !!str deny"), "tag"),
    (ONE.replace("effect: deny", "effect: no"), "none of"), (ONE.replace("effect: deny", "effect: off"), "none of"),
    (ONE.replace("version: 1", "version: 0o1"), "version"), (ONE.replace("version: 1", "version: 1.0"), "version"),
    (ONE.replace("[write]", "[yes]"), "none of"), (ONE.replace("paths: [x]", "tier: 0x1"), "none of"),
    (ONE.replace("paths: [x]", "limits: {writes: 1:30}"), "rate"), ("%YAML 1.1\n---\n" + ONE, "directive"),
    (ONE + "---\n" + ONE, "more than one document")])
def test_g05_nothing_is_converted_merged_or_referred_to(text: str, said: str) -> None:
    """Anchors, merges, tags, booleans, octal and sexagesimal numbers."""
    assert said in _refused(text).message


def test_g05_plain_words_are_text() -> None:
    """An agent may be called `no`, `on` or `012`."""
    text = HEAD + "  - {id: no, effect: deny, actions: [read], agents: [no, on, 012]}\n"
    found = language.parse(text.encode(), "p.yaml")
    assert found.rules[0].agents == ("no", "on", "012")


@pytest.mark.parametrize("change", [{"effect": "denied"}, {"actoins": ["write"]}, {"action": ["write"]},
                                    {"path": ["x"]}, {"excpet": ["x"]}, {"agnets": ["x"]}, {"Effect": "deny"}])
def test_g06_what_is_not_known_is_refused_and_not_passed_over(change: dict[str, Any]) -> None:
    """Key, effect or typo: it says which word was meant, and drops neither the rule nor the file in silence."""
    with pytest.raises(Integrity) as caught:
        policy(DENY | change)
    assert caught.value.fix.startswith(("write '", "use one of"))


def test_g06_one_bad_entry_denies_everything(fleet: Path, git: Git) -> None:
    """Neither the entry alone nor the whole file is left out."""
    (fleet / FILE).parent.mkdir()
    (fleet / ".githarness/policies/good.yaml").write_text(HEAD + "  - {id: a, effect: allow, actions: [read, write]}\n")
    (fleet / FILE).write_text(ONE + "  - {id: b, effect: deny, acton: [read]}\n")
    git(fleet, "add", "-A")
    git(fleet, "commit", "-q", "-m", "rules")
    rules = Rulebook(Reader(discover(fleet))).policy(git(fleet, "rev-parse", "HEAD"))
    decision = rules.decide(replace(WRITE, action="read"))
    assert (decision.effect, decision.rule) == ("deny", "no-policy") and f"'{FILE}' line 4" in decision.why


@pytest.mark.parametrize("action", ["WRITE", "Write", "write ", " write", "write\n", "wr\u0456te", "write\u200b",
                                    "write;"])
def test_g08_another_spelling_of_an_action_is_none(action: str) -> None:
    """In a request and in a file: no rule misses what another spells."""
    decision = policy(ALLOW, DENY | {"paths": ["docs/**"]}).decide(replace(WRITE, action=action, path="free"))
    assert (decision.effect, decision.rule) == ("deny", "invalid-request")
    with pytest.raises(Integrity):
        policy(ALLOW | {"actions": [action]})


@pytest.mark.parametrize("disguise", ["depl\u043eyer", "deployer\u200b", "\u202edeployer", "deployer\u00a0", "DEPLOYER",
                                      "\uff44eployer", "deploye\u0000r"])
def test_g09_a_name_or_path_in_disguise_is_refused(disguise: str) -> None:
    """Homoglyphs, bidirectional marks, what cannot be seen: in requests, in rules, in paths."""
    assert policy(ALLOW).decide(replace(WRITE, agent=disguise)).rule == "invalid-request"
    with pytest.raises(Integrity):
        policy(ALLOW | {"agents": [disguise]})
    path = policy(ALLOW | {"paths": ["docs/deployer"]}).decide(replace(WRITE, path=f"docs/{disguise}"))
    assert path.effect == "deny"


@pytest.mark.parametrize("glob", ["*a" * 200, "**/a/" * 60 + "b", "?*" * 200, ("*" + "a" * 20) * 10])
def test_g10_no_pattern_takes_long(glob: str) -> None:
    """The worst that a matcher could meet that tries again: it would not end before the sun does."""
    rules = policy(DENY | {"paths": [glob]}, DENY | {"paths": ["**"], "except": [glob]})
    for name in ("a" * 250, "a" * 249 + "b"):
        assert rules.decide(replace(WRITE, path="/".join([name] * 16))).effect == "deny"
    tool = {"actions": ["exec"], "tools": [{"name": "x", "arguments": "*a" * 200 + "b"}]}
    line = Request("deployer", (), "exec", tool="x", arguments="a" * 100_000, time=NOON)
    assert policy(ALLOW | {"actions": ["exec"]}, DENY | tool).decide(line).rule == "p/r0"


def test_g11_a_deny_rule_that_cannot_be_asked_does_not_let_pass() -> None:
    """There is none: what could fail in a rule fails when it is loaded."""
    for off in ({"paths": ["[z-a]"]}, {"paths": ["(?"]}, {"agents": ["*"], "paths": ["\\u0000"]}):
        try:
            rules = policy(ALLOW, DENY | off | {"paths": ["docs/**", *off.get("paths", [])]})
        except Integrity:
            continue
        assert rules.decide(WRITE).effect == "deny"


@pytest.mark.parametrize("change", [{"path": "\ud800"}, {"path": "a" * 10_000}, {"path": "a/" * 3000 + "b"},
                                    {"agent": "a" * 10_000}, {"time": float("nan")}, {"roles": ("x",) * 1000},
                                    {"tier": ""}, {"action": "\x00"}])
def test_g13_no_request_makes_the_evaluator_fail(change: dict[str, Any]) -> None:
    """It decides, and what it cannot read it denies."""
    for rules in (policy(ALLOW | {"roles": ["writer"]}), evaluate.shipped(), evaluate.broken("x")):
        assert rules.decide(replace(WRITE, **change)).effect == "deny"


def test_g14_taking_the_policy_away_does_not_bring_the_roles_back(fleet: Path, git: Git) -> None:
    """Nor does it once the folder is as it was before there was one, and nobody watched in between."""
    book = Rulebook(Reader(discover(fleet)))
    before = git(fleet, "rev-parse", "HEAD")
    assert book.policy(before).decide(WRITE).rule == "role:writer"
    (fleet / FILE).parent.mkdir()
    (fleet / FILE).write_text(ONE)
    git(fleet, "add", "-A")
    git(fleet, "commit", "-q", "-m", "rules")
    git(fleet, "rm", "-q", FILE)
    git(fleet, "commit", "-q", "-m", "no rules")
    after = git(fleet, "rev-parse", "HEAD")
    assert git(fleet, "rev-parse", f"{before}:.githarness") == git(fleet, "rev-parse", f"{after}:.githarness")
    assert book.policy(after).decide(WRITE).rule == "no-policy"


@pytest.mark.parametrize(("second", "holds"), [(-61, False), (-60, True), (0, True), (59, True), (59.999, True),
                                               (60, False), (61, False), (10**9, False)])
def test_g64_a_grant_holds_from_its_first_second_and_not_at_its_last(second: float, holds: bool) -> None:
    """Not yet, at each bound, and long after."""
    rules = policy(ALLOW | {"paths": ["other"]})
    decision = rules.decide(replace(WRITE, time=NOON + second), [GRANT])
    assert (decision.effect == "allow") == holds and (decision.grant == "g-1") == holds


def test_g64_times_are_utc_to_the_second() -> None:
    """A leap second, an offset or a local time is no time; a daylight saving night has no second twice."""
    for text in ("2016-12-31T23:59:60Z", "2026-03-29T02:30:00", "2026-03-29T02:30:00+02:00", "2026-02-29T00:00:00Z"):
        with pytest.raises(Integrity):
            policy(ALLOW | {"window": {"from": text}})
    night = policy(ALLOW | {"window": {"from": "2026-10-25T00:30:00Z", "until": "2026-10-25T01:30:00Z"}})
    assert [night.decide(replace(WRITE, time=1_792_888_200.0 + at)).effect for at in (-1, 0, 3599, 3600)] == [
        "deny", "allow", "allow", "deny"]
