"""name is the skill's own: not reserved, not vague, not one slip away from a well-known skill.

Why: names with the vendor's words are refused where skills are uploaded, a name such as 'helper' tells neither people
nor models what it does, and a name one letter from a known skill is how a false one gets installed.

Looked at: words of the name between hyphens. The lists are data of `schemas/skill.agentskills.schema.json`: `reserved`,
and `known` (skills that many have installed). Source: platform.claude.com (Agent Skills, best practices).
"""

from __future__ import annotations

from collections.abc import Iterator

from githarness.skills.document import Document
from githarness.skills.model import Found, Gate, Place
from githarness.skills.naming import one_slip
from githarness.skills.profiles import schema

_VAGUE = frozenset(("agent", "ai", "assistant", "common", "data", "demo", "documents", "example", "files", "general",
                    "helper", "helpers", "misc", "my", "new", "skill", "skills", "stuff", "test", "tool", "tools",
                    "util", "utils"))
_SHORT = 5  # letters, up to which one slip leads from a word to another
_CLAIMS = frozenset(("official", "verified", "certified"))


def check(doc: Document, _: Place) -> Iterator[Found]:
    name = doc.front.text("name").lower()
    rules = schema("skill.agentskills")["x-githarness"]
    words = set() if name in rules["known"] else set(name.split("-"))
    fault = None
    if taken := words.intersection(rules["reserved"]):
        fault = f"has the reserved word '{min(taken)}'"
    elif name and words and words <= _VAGUE:
        fault = "does not say what the skill does"
    elif claim := words & _CLAIMS:
        fault = f"claims with '{min(claim)}' what no name can show"
    elif near := [known for known in rules["known"] if len(name) > _SHORT and name != known and one_slip(name, known)]:
        fault = f"is one letter away from the known skill '{near[0]}'"
    if fault:
        yield Found(doc.front.line("name"), f"name '{name[:80]}' {fault}", "name it after what it does")


GATE = Gate("GH012", "warning", check)
