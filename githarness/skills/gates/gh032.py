"""allowed-tools names tools one by one, separated as the client wants.

Why: the field says which tools run without asking. A list, or commas where spaces are wanted, is read as one unknown
tool or not at all; '*' and a bare Bash let everything run that anyone writes into the skill.

The specification wants one line of text with spaces; Claude Code also takes a list. `Bash(git:*)` names what it allows,
so it passes; `Bash`, `Bash(*)` and `*` do not. The fix writes one line with spaces; it never widens or narrows what is
allowed. Not looked at: what policy grants the agent. Source: agentskills.io/specification, code.claude.com.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from githarness.canon import Json
from githarness.skills import edit
from githarness.skills.document import Document
from githarness.skills.frontmatter import Field
from githarness.skills.model import Found, Gate, Place
from githarness.skills.profiles import schema

_WIDE = frozenset(("*", "bash", "bash(*)", "bash(*:*)", "bash(:*)", "shell", "shell(*)"))


def check(doc: Document, place: Place) -> Iterator[Found]:
    field = doc.front.fields.get("allowed-tools")
    if field is None:
        return
    named = _tools(field.value)
    if fault := _fault(place, doc, field):
        yield Found(field.line, f"'allowed-tools' is {fault}", f"allowed-tools: {' '.join(named) or 'Read'}")
    for tool in named:
        if tool.lower() in _WIDE:
            yield Found(field.line, f"'allowed-tools' lets '{tool}' run whatever it is told",
                        "name the commands: Bash(git:*)")


def _fault(place: Place, doc: Document, field: Field) -> str:
    """What is wrong with the form, empty where nothing is. Who takes a list as well takes commas too."""
    file = place.profile.file(doc.path, doc.kind)
    if place.profile.wrong(file, field):
        return "a list" if field.kind == "list" else "not text"
    strict = schema(file)["properties"]["allowed-tools"].get("type") == "string"
    outside = re.sub(r"\([^()]*\)", "", field.value) if strict and isinstance(field.value, str) else ""
    return "separated by commas" if "," in outside else ""


def _tools(value: Json) -> list[str]:
    """The tools that a value names, in order; spaces and commas within round brackets belong to one tool."""
    parts = value if isinstance(value, list) else [value]
    return [tool for part in parts if isinstance(part, str)
            for tool in re.findall(r"[^\s,()\[\]]+(?:\([^()]*\))?", part)]


def fix(doc: Document, place: Place) -> bytes:
    field = doc.front.fields.get("allowed-tools")
    if field is None or not _fault(place, doc, field) or not (named := _tools(field.value)):
        return doc.data
    return edit.put(doc.data, "allowed-tools", " ".join(named))


GATE = Gate("GH032", "error", check, fix, kinds=frozenset(("skill", "command")), reads="head")
