"""Grants: their file, and when they hold."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from referencing import Registry, Resource

from githarness import strictyaml
from githarness.errors import Integrity, Unavailable, Usage
from githarness.policy import grants
from githarness.policy.model import Grant, Request

SCHEMAS = Path(__file__).resolve().parents[2] / "schemas"
START = 1_767_355_200.0
GRANT = Grant("g-1", "deployer", ("write", "secret"), ("docs/**",), START, START + 3600, 3, "incident 42")


def _schema() -> Draft202012Validator:
    agent, grant = (json.loads((SCHEMAS / f"{name}.schema.json").read_text()) for name in ("agent", "grant"))
    return Draft202012Validator(grant, registry=Registry().with_resource(agent["$id"], Resource.from_contents(agent)))


@pytest.mark.parametrize("grant", [GRANT, replace(GRANT, uses=None, why="\u00e9")])
def test_a_rendered_grant_is_read_back(grant: Grant) -> None:
    """The same value, of the schema."""
    data = grants.render(grant)
    assert grants.parse(data, ".githarness/grants/g-1.yaml") == grant
    _schema().validate(strictyaml.load(data, "g-1.yaml"))


@pytest.mark.parametrize("change", [
    {"agent": "A"}, {"agent": None}, {"allow": []}, {"allow": ["Write"]}, {"allow": None}, {"paths": ["../x"]},
    {"paths": None}, {"granted": "today"}, {"expires": "2026-01-02T12:00:00Z"}, {"expires": None}, {"uses": "0"},
    {"uses": "many"}, {"why": None}, {"more": "x"}, {"version": "0"}], ids=str)
def test_a_grant_that_is_off_does_not_load(change: dict[str, Any]) -> None:
    """The fault has file, line, key and fix."""
    table = strictyaml.load(grants.render(GRANT), "g-1.yaml") | change
    data = strictyaml.dump({key: value for key, value in table.items() if value is not None})
    with pytest.raises(Integrity, match=r"'g-1.yaml' line \d+ under") as caught:
        grants.parse(data, "g-1.yaml")
    assert caught.value.fix and str(caught.value.details["key"]).startswith(next(iter(change)))


def test_a_newer_grant_asks_for_a_newer_githarness() -> None:
    """It is not corrupt."""
    with pytest.raises(Unavailable):
        grants.parse(grants.render(GRANT).replace(b"version: 1", b"version: 2"), "g-1.yaml")


def test_a_grant_that_would_not_load_is_not_written() -> None:
    """An end before the beginning, an id that is no file's name."""
    for bad in (replace(GRANT, expires=START), replace(GRANT, id="G 1"), replace(GRANT, paths=("/x",))):
        with pytest.raises(Usage):
            grants.render(bad)


@pytest.mark.parametrize(("change", "fits"), [
    ({}, True), ({"time": START}, True), ({"time": START - 1}, False), ({"time": START + 3600}, False),
    ({"time": START + 3599.9}, True), ({"time": 0.0}, False), ({"agent": "other"}, False),
    ({"action": "delete"}, False), ({"path": "Docs/a"}, False), ({"path": "docs"}, False),
    ({"action": "secret", "path": "docs/token"}, True)], ids=str)
def test_a_grant_holds_for_its_agent_actions_paths_and_time(change: dict[str, Any], fits: bool) -> None:
    """From its first second on, no longer at its last; letter for letter."""
    request = replace(Request("deployer", (), "write", "docs/a", time=START + 1), **change)
    assert grants.fits(GRANT, request) == fits


def test_grants_of_calls_are_over_tools_and_hosts() -> None:
    """For `api` host and path together."""
    grant = replace(GRANT, allow=("api", "exec"), paths=("api.example.org/v1/**", "git"))
    call = Request("deployer", (), "api", "/v1/x", host="api.example.org", method="GET", time=START)
    run = Request("deployer", (), "exec", tool="git", arguments="status", time=START)
    assert grants.fits(grant, call) and grants.fits(grant, run)
    assert not grants.fits(grant, replace(call, host="evil.org")) and not grants.fits(grant, replace(run, tool="sh"))
