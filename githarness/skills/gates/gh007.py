"""frontmatter has no duplicate keys, anchors, tags or merge keys.

Why: of two equal keys PyYAML takes the last, Codex and js-yaml refuse the file, and a person reads the first. Anchors,
tags and merge keys mean different things in YAML 1.1 and 1.2, and a tag can ask a careless loader to run code.

Looked at: every level of the frontmatter.
"""

from __future__ import annotations

from collections.abc import Iterator

from githarness.skills.document import Document
from githarness.skills.model import WITH_FRONTMATTER, Found, Gate, Place

_FIXES = {
    "duplicate": "keep one of the two",
    "anchor": "write the value out where it is used",
    "tag": "remove the tag, or quote the value",
    "merge": "write the fields out",
}


def check(doc: Document, place: Place) -> Iterator[Found]:
    for problem in doc.front.problems:
        if problem.kind in _FIXES:
            yield Found(problem.line, problem.message, _FIXES[problem.kind])


GATE = Gate("GH007", "error", check, None, WITH_FRONTMATTER, reads="head")
