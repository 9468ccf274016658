"""fields are those that the client knows, spelt right and of the right type.

Why: clients say nothing about a field that they do not know: 'allowed_tools' or 'discription' is as good as absent, and
a wrong value (`user-invocable: "no"`) is taken for something else.

By the profile: the specification has six fields, so any other is reported, with what to do about it; a client's own
profile reports slips of known fields only. The fix renames a slip, and moves under `metadata` what only informs
(version, author) or what no client reads, where it is one value and no list. Source: agentskills.io, 17,979 of 25,233
public skills.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

from githarness.skills import edit
from githarness.skills.document import Document
from githarness.skills.frontmatter import Field
from githarness.skills.model import WITH_FRONTMATTER, Found, Gate, Place
from githarness.skills.naming import one_slip, squeezed
from githarness.skills.portability import CLIENTS
from githarness.skills.profiles import fits, schema

# Fields that have gates of their own.
_OTHERS = frozenset(("name", "description", "metadata", "allowed-tools", "license", "compatibility"))
_INFORMS = frozenset(("author", "category", "homepage", "tags", "version"))


def check(doc: Document, place: Place) -> Iterator[Found]:
    file = place.profile.file(doc.path, doc.kind)
    for field in doc.front.fields.values():
        if field.name not in schema(file)["properties"]:
            yield from _unknown(doc, field, file)
        elif doc.kind == "skill" and field.name not in _OTHERS:
            for fault in place.profile.wrong(file, field):
                yield Found(field.line, f"'{field.name}' has a wrong value: {fault}", "write what the client takes")


def _unknown(doc: Document, field: Field, file: str) -> Iterator[Found]:
    shown = field.name[:60]
    if meant := _meant(doc, field, file):
        yield Found(field.line, f"field '{shown}' is unknown, perhaps '{meant}'", f"rename it to '{meant}'")
    elif "additionalProperties" in schema(file):
        readers = _readers(field.name) if doc.kind == "skill" else []
        whom = "the specification" if readers else "every client"
        yield Found(field.line, f"field '{shown}' is unknown to {whom}", _advice(doc, field, readers))


def _advice(doc: Document, field: Field, readers: list[str]) -> str:
    if doc.kind != "skill":
        return "leave it out"
    if readers and field.name not in _INFORMS:
        return f"keep it for {readers[0]} and check with --profile {readers[0]}, or leave it out"
    return "move it under 'metadata' as text"


def _meant(doc: Document, field: Field, file: str) -> str:
    meant = _slip(field.name, file)
    taken = not meant or meant in doc.front.fields
    return "" if taken or not fits(schema(file)["properties"][meant], field.value) else meant


@cache
def _slip(name: str, file: str) -> str:
    """The known field that is nearly written so, empty where there is none."""
    word = squeezed(name)
    return next((known for known in schema(file)["properties"]
                 if len(word) > 3 and one_slip(word, squeezed(known))), "")


@cache
def _readers(name: str) -> list[str]:
    return [client for client in CLIENTS if name in schema(f"skill.{client}")["properties"]]


def fix(doc: Document, place: Place) -> bytes:
    data, file = doc.data, place.profile.file(doc.path, doc.kind)
    for field in doc.front.fields.values():
        if field.name in schema(file)["properties"]:
            continue
        if meant := _meant(doc, field, file):
            data = edit.rename(data, field.name, meant)
        elif doc.kind == "skill" and "additionalProperties" in schema(file):
            data = _moved(data, doc, field)
    return data


def _moved(data: bytes, doc: Document, field: Field) -> bytes:
    """Under `metadata`, where it is one value; a value that is no text moves as it is written."""
    used = field.name not in _INFORMS and _readers(field.name)
    there = doc.front.values.get("metadata")
    taken = isinstance(there, dict) and field.name in there
    if used or taken or isinstance(field.value, list | dict) or "." in field.name:
        return data
    text = field.value if isinstance(field.value, str) else doc.text[field.start : field.end]
    copied = edit.put(data, f"metadata.{field.name}", text)
    return edit.remove(copied, field.name) if copied != data else data


GATE = Gate("GH030", "warning", check, fix, kinds=WITH_FRONTMATTER)
