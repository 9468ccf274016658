"""a changed body has a new version, and versions are semantic

Why: clients and people compare versions to learn whether a skill changed. Two texts under one version cannot be told
apart, and an update is never offered.

Only where `version` or `metadata.version` stands (the specification asks for none), against the version that this one
replaces. The fix raises the last number, and makes 1.0.0 of 1.0. Changelogs and lock files are not read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from githarness.skills import edit
from githarness.skills.document import Document
from githarness.skills.model import Found, Gate, Place

_SEMANTIC = r"v?(\d{1,9})\.(\d{1,9})\.(\d{1,9})((?:[-+][0-9A-Za-z.+-]{1,99})?)"


def check(doc: Document, place: Place) -> Iterator[Found]:
    field, version = _version(doc)
    line = doc.front.line(field.partition(".")[0])
    if version and not re.fullmatch(_SEMANTIC, version):
        yield Found(line, f"'{field}' is '{version[:40]}', no semantic version", "write MAJOR.MINOR.PATCH: 1.0.0")
    if place.before is None:
        return
    old = _version(place.before)[1]
    if old and not version:
        yield Found(1, f"the version '{old[:40]}' was taken out", "keep the field and raise it")
    elif version and _numbers(version) < _numbers(old):
        yield Found(line, f"'{field}' went back from '{old[:40]}' to '{version[:40]}'", f"raise it above {old[:40]}")
    elif version and _stale(doc, place.before):
        yield Found(line, f"the body changed and '{field}' is still '{version[:40]}'", "githarness skills check --fix")


def _version(doc: Document) -> tuple[str, str]:
    """The field and its text; empty where there is none."""
    values = doc.front.values
    if isinstance(values.get("version"), str | int | float):
        return "version", str(values["version"])
    metadata = values.get("metadata")
    inner = metadata.get("version") if isinstance(metadata, dict) else None
    return "metadata.version", str(inner) if isinstance(inner, str | int | float) else ""


def _numbers(version: str) -> tuple[int, ...]:
    match = re.fullmatch(_SEMANTIC, version)
    return tuple(int(part) for part in match.groups()[:3]) if match else ()


def _stale(doc: Document, before: Document) -> bool:
    return _version(doc) == _version(before) and doc.body.split() != before.body.split()


def fix(doc: Document, place: Place) -> bytes:
    """Short versions are filled up with zeros; one that stayed while the body changed is raised."""
    field, version = _version(doc)
    filled = version + ".0" * (2 - version.count(".")) if re.fullmatch(r"v?\d{1,9}(?:\.\d{1,9})?", version) else version
    match = re.fullmatch(_SEMANTIC, filled)
    if match and place.before is not None and _stale(doc, place.before):
        filled = f"{match[1]}.{match[2]}.{int(match[3]) + 1}"
    return edit.put(doc.data, field, filled) if filled != version else doc.data


GATE = Gate("GH063", "warning", check, fix)
