"""What `policy check` says about files that load, and what `policy explain` says about a decision."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from githarness.policy import evaluate, language
from githarness.policy.explain import explain
from githarness.policy.lint import Fleet, lint
from tests.policy.test_evaluate import ALLOW, DENY, GRANT, HOLD, NOON, WRITE, policy

POLICIES = Path(__file__).resolve().parents[2] / "policies"
MINE = {"agents": ["deployer"]}
DOCS = MINE | {"paths": ["docs/**"]}


def _kinds(*rules: dict[str, Any], fleet: Fleet | None = None) -> list[str]:
    return [f"{note.rule[2:]} {note.kind}" for note in lint(policy(*rules).files, fleet)]


@pytest.mark.parametrize(("rules", "found"), [
    ((ALLOW | DOCS,), []),
    ((ALLOW | MINE, ALLOW | DOCS), ["r1 shadowed"]),
    ((ALLOW | DOCS, ALLOW | MINE), ["r0 shadowed"]),
    ((ALLOW | DOCS, ALLOW | DOCS), ["r1 shadowed"]),
    ((ALLOW | MINE, ALLOW | DOCS | {"limits": {"writes": "1/1s"}}), []),
    ((ALLOW | DOCS, DENY | {"paths": ["DOCS/**"]}), ["r0 unreachable"]),
    ((HOLD | DOCS, DENY | {"paths": ["docs/**"]}), ["r0 unreachable"]),
    ((ALLOW | DOCS, DENY | {"paths": ["docs/*"]}), []),
    ((ALLOW | DOCS, DENY | {"except": ["docs/a"]}), []),
    ((ALLOW | DOCS, DENY | {"except": ["other/**"]}), ["r0 unreachable"]),
    ((ALLOW | DOCS | {"except": ["docs/a"]}, DENY | {"except": ["docs/a"]}), ["r0 unreachable"]),
    ((ALLOW | DOCS | {"except": ["docs/a"]}, DENY | {"except": ["docs/a", "docs/b"]}), []),
    ((ALLOW | DOCS, DENY | DOCS), ["r0 contradictory"]),
    ((ALLOW | MINE | {"paths": ["docs/*"], "except": ["docs/**"]},), ["r0 never"]),
    ((ALLOW | MINE | {"paths": [".githarness/policies/*"]},), ["r0 never"]),
    ((DENY | {"paths": ["CON"]},), ["r0 never"]),
    ((HOLD | {"paths": [".git/**", "x."]},), ["r0 never"]),
    ((DENY | {"paths": ["x.", "docs/"]},), []),
    ((DENY | {"paths": ["{a,b}/**", "src/[a-z]*", "docs/*"]},), ["r0 literal", "r0 literal"]),
    ((ALLOW | MINE | {"paths": ["app/[id]/*", "x"], "except": ["!app/y"]},), ["r0 literal"]),
    ((ALLOW,), ["r0 widening"]),
    ((ALLOW | MINE | {"actions": ["exec"]},), ["r0 widening"]),
    ((ALLOW | MINE | {"actions": ["exec"], "tools": [{"name": "bash"}]},), ["r0 widening"]),
    ((ALLOW | MINE | {"actions": ["exec"], "tools": [{"name": "git", "arguments": "status*"}]},), []),
    ((ALLOW | MINE | {"actions": ["api"], "api": [{"host": "*"}]},), ["r0 widening"]),
    ((ALLOW | MINE | {"actions": ["secret"]},), ["r0 widening"]),
])
def test_what_looks_wrong(rules: tuple[dict[str, Any], ...], found: list[str]) -> None:
    """By rule and kind."""
    assert _kinds(*rules) == found


def test_a_fleet_says_who_there_is() -> None:
    """Names, roles and times that nobody meets."""
    fleet = Fleet({"deployer": ("writer",)}, NOON)
    rules = [ALLOW | {"paths": ["x"]} | one for one in (
        {"agents": ["deplyer"]}, {"agents": ["dep*"], "roles": ["reader"]}, {"agents": ["dep*"], "roles": ["writer"]},
        MINE | {"window": {"until": "2026-01-02T12:00:00Z"}, "paths": ["y"]})]
    assert _kinds(*rules, fleet=fleet) == ["r0 never", "r1 never", "r3 never"]


def test_the_shipped_files_look_right() -> None:
    """Each by itself; the freeze makes all others unreachable, and that is what it is for."""
    for path in POLICIES.glob("*.yaml"):
        assert lint([language.parse(path.read_bytes(), path.name)]) == []


def test_a_note_has_file_line_and_fix() -> None:
    """To be clicked on."""
    (note,) = lint(policy(ALLOW | DOCS, DENY | DOCS).files)
    assert (note.file, note.line, note.fix) == ("p.yaml", 3, "keep one of the two")


@pytest.mark.parametrize(("rules", "change", "said"), [
    ((ALLOW | DOCS, DENY | {"paths": ["docs/a.md"]}), {}, ["without rule 'p/r1': allow by 'p/r0'"]),
    ((ALLOW | DOCS,), {}, ["without rule 'p/r0': deny by default-deny"]),
    ((ALLOW | DOCS, DENY | {"paths": ["docs/b.md"]}), {},
     ["without rule 'p/r0': deny by default-deny", "rule 'p/r1' would deny it, were it not for its paths"]),
    ((HOLD,), {}, ["without rule 'p/r0': deny by default-deny", "people approve it: githarness proposals"]),
    ((DENY,), {"path": ".githarness/x"}, ["nothing: governance is changed by owners alone"]),
])
def test_what_would_change_a_decision(rules: tuple[dict[str, Any], ...], change: dict[str, Any],
                                      said: list[str]) -> None:
    """The rule that decides, and the ones that nearly do."""
    assert list(explain(policy(*rules), replace(WRITE, **change)).changes) == said


def test_what_would_allow_what_nothing_allows() -> None:
    """Rules that miss by one criterion, and the grant to ask for."""
    found = explain(policy(ALLOW | DOCS, ALLOW | {"agents": ["x"], "paths": ["y"]}), replace(WRITE, agent="other"))
    assert found.changes == ("rule 'p/r0' would allow it, were it not for its agents",
                             "a grant: githarness grant other --allow write --path 'docs/a.md' --for 2h --why TEXT")
    assert explain(evaluate.shipped(), replace(WRITE, roles=())).changes[0].startswith("another role")
    assert "'g-1'" in explain(policy(ALLOW | {"paths": ["y"]}), WRITE, [GRANT]).changes[0]
