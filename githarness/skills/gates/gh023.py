"""all skills of a folder fit into the listing that clients show a model.

Why: a client lists names and descriptions within a budget: Claude Code 1 % and Codex 2 % of the context window, 8,000
characters where its size is not known. Above it, descriptions are cut or left out without a word, and the skills are
never chosen.

Looked at by the folder that the skills' folders stand in, among all skills that were found; reported at its first one.
Counted are names and descriptions. Source: code.claude.com, openai/codex (core-skills/src/render.rs).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from githarness.skills.document import Document
from githarness.skills.model import Found, Gate, Place
from githarness.skills.profiles import schema

_HEAD = 1 << 11
_BUDGETED = ("skill.claude-code", "skill.codex")


def check(doc: Document, place: Place) -> Iterator[Found]:
    root = _root(doc.path)
    paths = (path for group in place.names.values() for path in group if _root(path) == root)
    if next(paths, None) != doc.path:
        return
    listed = [_listed(place.files.read(path, _HEAD).decode("utf-8", "replace")) for path in (doc.path, *paths)]
    rules = [schema(file)["x-githarness"] for file in _BUDGETED]
    size = sum(listed)
    if clients := [f"{each['client']} {each['budget']}" for each in rules if size > each["budget"]]:
        yield Found(1, f"the {len(listed)} skills of '{root or '.'}' take {size} characters to list, more than is "
                    f"shown ({', '.join(clients)})", "shorten descriptions, or move skills that are rarely needed")


def _root(path: str) -> str:
    """The folder that a skill's folder stands in."""
    return path.rpartition("/")[0].rpartition("/")[0]


def _listed(text: str) -> int:
    block = text.partition("\n---")[0]
    fields = re.findall(r"^(?:name|description|when_to_use):(.*(?:\n[ \t]+.*)*)", block, re.MULTILINE)
    return sum(len(" ".join(value.split())) for value in fields[:3])


GATE = Gate("GH023", "warning", check)
