"""frontmatter begins at the first byte, is closed by a line ---, and holds fields.

Why: a client that finds no frontmatter has no name and no description: it drops the skill, mostly without a word. The
usual causes are a comment or a heading above the block, a missing line `---`, and a block that was pasted with its
code fence.

Looked at: the first 20 lines. Commands, rules and prompts may do without frontmatter. The fix moves a block that stands
elsewhere to the top and adds missing lines `---`, where the result has a name or a description and reads without fault.
"""

from __future__ import annotations

from collections.abc import Iterator

from githarness.skills import edit, mend
from githarness.skills.document import Document
from githarness.skills.model import WITH_FRONTMATTER, Found, Gate, Place

_FIXES = {
    "absent": "begin the file with ---, name: and description:, ---",
    "unclosed": "close the frontmatter with a line ---",
    "late": "move the frontmatter to the first line",
    "fenced": "take the frontmatter out of the code block",
    "not-mapping": "write fields of the form name: value",
}


def check(doc: Document, place: Place) -> Iterator[Found]:
    for problem in doc.front.problems:
        if problem.kind in _FIXES and (problem.kind != "absent" or doc.kind in ("skill", "agent")):
            mild = problem.kind == "absent" and doc.kind == "agent"
            yield Found(problem.line, problem.message, _FIXES[problem.kind], "warning" if mild else None)


def fix(doc: Document, place: Place) -> bytes:
    return edit.rewrite(doc.data, mend.placed) if any(check(doc, place)) else doc.data


GATE = Gate("GH003", "error", check, fix, WITH_FRONTMATTER, reads="head")
