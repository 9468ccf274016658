"""What each client expects of a file: a schema per kind and client in `schemas/`, and what it does with a wrong one.

A schema says what is right. Its key `x-githarness` says what no schema can: which broken blocks (`breaks`, by the kind
of the problem) and which wrong fields or gates (`drops`) make the client pass the file over, where it cuts a
description in its listing (`cut`), how many characters its whole listing may have (`budget`), and names that are taken.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from functools import cache
from typing import NamedTuple, TypedDict, cast

from githarness import resources
from githarness.canon import Json
from githarness.errors import Usage
from githarness.skills.document import Kind
from githarness.skills.frontmatter import Field

NAMES = ("agentskills", "claude-code", "codex", "hermes", "copilot", "gemini", "cursor", "openclaw")
Judge = Callable[[str, str, Json], list[str]]  # schema's name, field, value; what is wrong with it


class Rules(TypedDict, total=False):
    client: str
    sources: list[str]
    breaks: list[str]
    drops: list[str]
    cut: int
    budget: int
    reserved: list[str]
    known: list[str]


Schema = TypedDict("Schema", {
    "type": str | list[str], "required": list[str], "properties": dict[str, "Schema"], "additionalProperties": "Schema",
    "items": "Schema", "enum": list[str], "minLength": int, "maxLength": int, "pattern": str, "description": str,
    "x-githarness": Rules}, total=False)
_FILES: dict[Kind, str] = {"agent": "agent.claude-code", "command": "command.claude-code", "rule": "rule.cursor",
                           "prompt": "prompt.copilot", "instructions": "instructions.copilot"}
_KINDS = {str: {"string"}, bool: {"boolean"}, int: {"integer", "number"}, float: {"number"}, type(None): {"null"},
          list: {"array"}, dict: {"object"}}
_WORDS = Schema.__annotations__.keys() - {"x-githarness"}


class Profile(NamedTuple):
    """One client, or the specification. `judge` is asked about the values that `fits` does not know to be right."""

    name: str
    judge: Judge

    @property
    def rules(self) -> Rules:
        return schema(f"skill.{self.name}")["x-githarness"]

    def file(self, path: str, kind: Kind) -> str:
        """The name of the schema for a file: a skill's is the profile's own, other kinds belong to one client."""
        if kind == "skill":
            return f"skill.{self.name}"
        return "agent.copilot" if path.endswith(".agent.md") else _FILES[kind]

    def wrong(self, file: str, field: Field) -> list[str]:
        """What is wrong with the value, one text each; nothing for a field that the schema does not know."""
        known = schema(file)["properties"].get(field.name)
        value = trimmed(field.value)
        return [] if known is None or fits(known, value) else self.judge(file, field.name, value)


def load(name: str, judge: Judge) -> Profile:
    """Raises Usage for a name that is none. `judge`: `wiring.schema_judge`, or `schemas.judge` itself."""
    if name not in NAMES:
        raise Usage(f"there is no profile '{name}'", fix=f"one of {', '.join(NAMES)}")
    return Profile(name, judge)


@cache
def schema(file: str) -> Schema:
    """`schemas/FILE.schema.json`."""
    return cast(Schema, json.loads(resources.read("schemas", f"{file}.schema.json")))


def trimmed(value: Json) -> Json:
    """A text as clients count it: runs of white space are one space."""
    return " ".join(value.split()) if isinstance(value, str) else value


def fits(known: Schema, value: Json) -> bool:
    """True only for what JSON Schema takes too. False says nothing: this knows fewer words, but needs no import."""
    if not known:
        return True
    types = known.get("type")
    if types is not None and _KINDS[type(value)].isdisjoint([types] if isinstance(types, str) else types):
        return False
    if not known.keys() <= _WORDS or ("enum" in known and value not in known["enum"]):
        return False
    if isinstance(value, str):
        return _text_fits(known, value)
    if isinstance(value, list):
        return "items" not in known or all(fits(known["items"], each) for each in value)
    return not isinstance(value, dict) or _mapping_fits(known, value)


def _text_fits(known: Schema, value: str) -> bool:
    short = "minLength" in known and len(value) < known["minLength"]
    long = "maxLength" in known and len(value) > known["maxLength"]
    return not short and not long and ("pattern" not in known or re.search(known["pattern"], value) is not None)


def _mapping_fits(known: Schema, value: dict[str, Json]) -> bool:
    named, rest = known.get("properties", {}), known.get("additionalProperties", {})
    missing = "required" in known and not set(known["required"]) <= value.keys()
    return not missing and all(fits(named.get(key, rest), each) for key, each in value.items())
