"""license and compatibility are short texts, a license one that machines know.

Why: tools that gather licenses read SPDX expressions; a compatibility over 500 characters is out of the specification,
and instructions belong in the body.

Looked at: type, length, and whether a license is an SPDX expression or names a file, which then has to be in the
skill's folder. A free text is only an info. Source: agentskills.io/specification, spdx.org.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from githarness.skills.document import Document
from githarness.skills.model import Found, Gate, Place

_ID = r"\(?[A-Za-z0-9][A-Za-z0-9.+-]*\)?"


def check(doc: Document, place: Place) -> Iterator[Found]:
    file = place.profile.file(doc.path, doc.kind)
    for name in ("license", "compatibility"):
        field = doc.front.fields.get(name)
        if field is not None and (faults := place.profile.wrong(file, field)):
            yield Found(field.line, f"'{name}' has a wrong value: {faults[0]}", "write one short text")
        elif field is not None and name == "license" and isinstance(field.value, str):
            yield from _license(doc, place, field.value)


def _license(doc: Document, place: Place, text: str) -> Iterator[Found]:
    line = doc.front.line("license")
    if bundled := re.search(r"\b[\w-]*LICEN[CS]E[\w-]*(?:\.(?:txt|md))?\b", text):
        path = f"{doc.folder}/{bundled[0]}" if doc.folder else bundled[0]
        if place.files.mode(path) is None:
            yield Found(line, f"'license' names '{bundled[0]}', which is not in the folder", "add the file")
    elif not re.fullmatch(rf"{_ID}(?: (?:AND|OR|WITH) {_ID})*", text.strip()):
        yield Found(line, "'license' is no SPDX expression", "write its SPDX id, or name a bundled file", "info")


GATE = Gate("GH033", "warning", check)
