"""all skills of a folder fit into the listing that clients show a model.

Why: a client lists names and descriptions within a budget: Claude Code 1 % and Codex 2 % of the context window, 8,000
characters where its size is not known. Above it, descriptions are cut or left out without a word, and the skills are
never chosen.

Looked at once for all skills that were found, by the folder that their folders stand in; reported at the first skill.
Counted are names and descriptions. Source: code.claude.com, openai/codex (core-skills/src/render.rs).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from githarness.skills.document import Document
from githarness.skills.model import Found, Gate, Place
from githarness.skills.profiles import schema

_HEAD = 1 << 11
_BUDGETED = ("skill.claude-code", "skill.codex")


def check(doc: Document, place: Place) -> Iterator[Found]:
    if not place.names or next(iter(place.names.values()))[0] != doc.path:
        return
    sizes: Counter[str] = Counter()
    counts: Counter[str] = Counter()
    for path in (path for group in place.names.values() for path in group):
        root = "/".join(path.split("/")[:-2])
        counts[root] += 1
        sizes[root] += _listed(place.files.read(path, _HEAD).decode("utf-8", "replace"))
    rules = [schema(file)["x-githarness"] for file in _BUDGETED]
    for root, size in sorted(sizes.items()):
        if clients := [f"{each['client']} {each['budget']}" for each in rules if size > each["budget"]]:
            yield Found(1, f"the {counts[root]} skills of '{root or '.'}' take {size} characters to list, more than is "
                        f"shown ({', '.join(clients)})", "shorten descriptions, or move skills that are rarely needed")


def _listed(text: str) -> int:
    block = text.partition("\n---")[0]
    fields = re.findall(r"^(?:name|description|when_to_use):(.*(?:\n[ \t]+.*)*)", block, re.MULTILINE)
    return sum(len(" ".join(value.split())) for value in fields[:3])


GATE = Gate("GH023", "warning", check)
