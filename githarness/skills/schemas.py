"""A value against a field of a schema, by jsonschema: the only module that imports it, itself imported when asked.

Validators are built once. Nothing is retrieved: a reference that leaves its file ends in an error.
"""

from __future__ import annotations

from functools import cache

from jsonschema import Draft202012Validator
from referencing import Registry

from githarness.canon import Json
from githarness.skills import profiles
from githarness.skills.profiles import Schema


def judge(file: str, field: str, value: Json) -> list[str]:
    """What is wrong with the value of a field of `schemas/FILE.schema.json`: where in it and what; at most five."""
    errors = sorted(_validator(file, field).iter_errors(value), key=lambda error: error.json_path)
    return [f"{error.json_path.replace('$', field, 1)}: {_short(error.message)}" for error in errors[:5]]


def build(known: Schema) -> Draft202012Validator:
    """With an empty registry: a reference to another file, near or far, is an error and no request."""
    return Draft202012Validator(known, registry=Registry())


@cache
def _validator(file: str, field: str) -> Draft202012Validator:
    return build(profiles.schema(file)["properties"][field])


def _short(message: str) -> str:
    return message if len(message) <= 200 else f"{message[:98]} ... {message[-98:]}"
