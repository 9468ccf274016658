"""frontmatter keeps within limits: 64 KiB, 20 levels, 200 keys, 2,000 values, no aliases.

Why: 30,000 nested brackets end a process that uses PyYAML's C loader, and aliases of aliases grow to gigabytes: one
file takes down every client that lists skills. No honest frontmatter comes near these limits.

Looked at: size and nesting before anything is parsed, the rest while events are read; no alias is ever expanded.
"""

from __future__ import annotations

from collections.abc import Iterator

from githarness.skills.document import Document
from githarness.skills.model import WITH_FRONTMATTER, Found, Gate, Place

_FIXES = {
    "large": "move text to the body",
    "deep": "flatten the value",
    "many": "move data to a file of its own",
    "alias": "write the value out",
}


def check(doc: Document, place: Place) -> Iterator[Found]:
    for problem in doc.front.problems:
        if problem.kind in _FIXES:
            basis = problem.message if problem.kind == "many" else None  # the line is that of whatever came too late
            yield Found(problem.line, problem.message, _FIXES[problem.kind], basis=basis)


GATE = Gate("GH004", "error", check, None, WITH_FRONTMATTER, reads="head")
