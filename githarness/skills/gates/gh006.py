"""fields that are text are read as text: no bool, number, date or list by accident, nothing cut off at #.

Why: `version: 1.10` is the number 1.1, `name: on` is true, `argument-hint: [file]` is a list, and of `description: fix
issue #12` clients see `fix issue`. Clients that check types drop the skill, the others show something else.

Looked at: fields whose value is text in every profile, and a description behind which ` #` follows at once with a word.
Cursor writes `globs: *.py` itself: in its rules that is a warning, not an error. The fix puts the value in quotes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from githarness.skills import edit, mend
from githarness.skills.document import Document
from githarness.skills.frontmatter import TEXT, Field
from githarness.skills.model import WITH_FRONTMATTER, Found, Gate, Place


def check(doc: Document, place: Place) -> Iterator[Found]:
    for field, meant, message in _traps(doc):
        yield Found(field.line, message, f"{field.name}: {edit.shown(meant)}")
    for problem in doc.front.problems:
        if problem.kind == "syntax" and mend.only_globs(doc.kind, doc.lines[problem.line - 1]):
            message = "'globs' begins with '*': cursor reads it, YAML parsers do not"
            yield Found(problem.line, message, "quote the value")


def _traps(doc: Document) -> Iterator[tuple[Field, str, str]]:
    for field in doc.front.fields.values():
        if field.name not in TEXT:
            continue
        source = doc.text[field.start : field.end]
        if field.kind in ("bool", "number", "date"):
            yield field, source, f"'{field.name}: {source[:80]}' is read as a {field.kind}, not as text"
        elif field.name == "argument-hint" and source[:1] in ("[", "{") and "\n" not in source:
            yield field, source, f"'argument-hint' is read as a {field.kind}, not as text"
        elif field.name == "description" and isinstance(field.value, str) and (behind := _behind(doc.text, field)):
            yield field, field.value + behind, f"'description' ends at '{behind.strip()[:40]}'"


def _behind(text: str, field: Field) -> str:
    """What YAML takes for a comment, and reads like a part of the sentence."""
    found = field.style == "plain" and re.compile(r"[ \t]+#[^\s#][^\r\n]*").match(text, field.end)
    return found[0].rstrip() if found else ""


def fix(doc: Document, place: Place) -> bytes:
    data = doc.data
    for field, meant, _ in _traps(doc):
        data = edit.put(data, field.name, meant)
    return edit.rewrite(data, mend.quoted) if doc.kind == "rule" else data


GATE = Gate("GH006", "warning", check, fix, WITH_FRONTMATTER)
