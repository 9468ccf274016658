"""The schemas accept what the package writes and refuse what its loaders refuse."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from referencing import Registry, Resource

from githarness import settings, strictyaml
from githarness.errors import Integrity, Unavailable
from githarness.policy import registry
from githarness.policy.model import Agent, Human, Key
from githarness.seal import keys

FOLDER = Path(__file__).resolve().parent.parent / "schemas"
SCHEMAS = {path.name: json.loads(path.read_text()) for path in sorted(FOLDER.glob("*.json"))}
NOW = "2026-01-31T12:00:00Z"
CONFIG = 'version = 1\nfleet = "acme"\nbranch = "main"\nskills = ["skills/**/SKILL.md"]\nhumans = "signed"\n'


def _validator(name: str) -> Draft202012Validator:
    resources = [(schema["$id"], Resource.from_contents(schema)) for schema in SCHEMAS.values()]
    return Draft202012Validator(SCHEMAS[name], registry=Registry().with_resources(resources))


@pytest.mark.parametrize("name", SCHEMAS)
def test_each_schema_is_one(name: str) -> None:
    """Each file is a schema of 2020-12 whose id ends in the file's name."""
    Draft202012Validator.check_schema(SCHEMAS[name])
    assert SCHEMAS[name]["$id"].endswith("/" + name)


def _key() -> Key:
    return Key(keys.generate().public, "host-a", NOW, retired=NOW, compromised_since=NOW)


def test_what_the_package_renders_is_of_the_schema() -> None:
    """Identity files as `agent add` and `human add` write them."""
    agent = Agent("deployer", ("writer",), (_key(),), "ships", "olive@example.org", NOW, NOW, NOW)
    human = Human("olive", "olive@example.org", "owner", (_key(),), NOW)
    _validator("agent.schema.json").validate(strictyaml.load(registry.render_agent(agent), "deployer.yaml"))
    _validator("human.schema.json").validate(strictyaml.load(registry.render_human(human), "olive.yaml"))


BAD_AGENTS = [
    {"version": "2"},
    {"version": "none"},
    {"more": "x"},
    {"roles": ["Writer"]},
    {"roles": "writer"},
    {"roles": ["writer", "writer"]},
    {"keys": [{"key": "ssh-ed25519 AAAA"}]},
    {"retired": "yesterday"},
    {"expires": "7d"},
    {"quarantined": "true"},
    {"owner": "no mail"},
]


@pytest.mark.parametrize("change", BAD_AGENTS)
def test_schema_and_loader_refuse_the_same_agents(change: dict[str, Any]) -> None:
    """A file that the loader refuses is not of the schema either."""
    table: Any = {"version": "1", "roles": ["writer"], "keys": []}
    assert _validator("agent.schema.json").is_valid(table)
    assert not _validator("agent.schema.json").is_valid(table | change)
    with pytest.raises((Integrity, Unavailable)):
        registry.parse_agent(strictyaml.dump(table | change), "a.yaml")


def test_config_is_of_the_schema_and_loads() -> None:
    """The configuration that the loader takes is the one that the schema describes."""
    _validator("config.schema.json").validate(tomllib.loads(CONFIG))
    assert settings.parse_config(CONFIG.encode()).humans == "signed"


@pytest.mark.parametrize("line", ['more = "x"', "memory = 3", 'docs = "README.md"', "skills = [1]", 'humans = "x"'])
def test_schema_and_loader_refuse_the_same_configs(line: str) -> None:
    """What is not of the schema does not load."""
    text = 'version = 1\nfleet = "acme"\nbranch = "main"\n' + line
    assert not _validator("config.schema.json").is_valid(tomllib.loads(text))
    with pytest.raises(Integrity):
        settings.parse_config(text.encode())
