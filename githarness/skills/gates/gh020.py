"""description is there, is text, and fits: 1 to 1,024 characters.

Why: the description is all that a model sees before it chooses a skill. Codex, Copilot, Gemini CLI and OpenClaw pass
over a file without one, Codex and Copilot one that is longer; Claude Code cuts its listing at 1,536 characters of
description and `when_to_use` together.

Counted after white space was folded, as clients do. Missing, no text and too long are errors; less than 20 characters,
and what a listing cuts, are warnings. Source: agentskills.io/specification, code.claude.com, openai/codex.
"""

from __future__ import annotations

from collections.abc import Iterator

from githarness.skills.document import Document
from githarness.skills.model import Found, Gate, Place
from githarness.skills.profiles import schema

_SHORTEST = 20
_CUT = 1536
_FIX = "say in one or two sentences what it does and when to use it"


def check(doc: Document, place: Place) -> Iterator[Found]:
    front, known = doc.front, schema(place.profile.file(doc.path, doc.kind))
    if front.problems and not front.fields:
        return
    field = front.fields.get("description")
    if field is None:
        wanted = "description" in known.get("required", ())
        yield Found(1, "'description' is missing", _FIX, None if wanted else "warning")
    elif not isinstance(field.value, str) or not field.value.strip():
        yield Found(field.line, f"'description' is {'empty' if field.kind in ('null', 'text') else 'not text'}", _FIX)
    else:
        yield from _length(doc, " ".join(field.value.split()), known["properties"]["description"].get("maxLength"))


def _length(doc: Document, text: str, limit: int | None) -> Iterator[Found]:
    line = doc.front.line("description")
    listed = len(text) + len(doc.front.text("when_to_use"))
    if limit and len(text) > limit:
        yield Found(line, f"'description' has {len(text)} characters, more than {limit}", "move details to the body")
    elif listed > _CUT:
        yield Found(line, f"'description' and 'when_to_use' have {listed} characters, of which {_CUT} are listed",
                    "put what matters first, and the rest into the body", "warning")
    elif len(text.encode("utf-8", "replace")) < _SHORTEST:
        yield Found(line, f"'description' has {len(text)} characters, too few to be found by", _FIX, "warning")


GATE = Gate("GH020", "error", check, reads="head")
