"""description says what the skill does and when to use it, as a text about it.

Why: a model matches a request against the description. Without a word on when, it guesses; with 'I' or 'you' it reads
a sentence of the conversation; a tag in angle brackets ends up in the system prompt as structure and is refused where
skills are uploaded; other markup is shown as it is.

Looked at: a cue for when (use, when, if, for, trigger ...) in text that is mostly of Latin letters, first or second
person at the beginning, tags, bold text and links. Source: platform.claude.com (Agent Skills, best practices).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from githarness.skills.document import Document
from githarness.skills.model import Found, Gate, Place

_WHEN = frozenset((
    "use", "used", "uses", "using", "when", "whenever", "while", "if", "trigger", "triggers", "triggered", "activate",
    "activates", "activated", "invoke", "invokes", "invoked", "before", "after", "during", "ask", "asks", "asking",
    "mention", "mentions", "need", "needs", "want", "wants", "request", "requests", "ideal", "suitable", "help",
    "helps", "designed", "for", "cuando", "usa", "usar", "quand", "utilise", "utiliser", "wenn", "quando"))


def check(doc: Document, _: Place) -> Iterator[Found]:
    text, line = doc.front.text("description").strip(), doc.front.line("description")
    if not text:
        return
    latin = len(text.encode("utf-8", "replace")) < 1.2 * len(text)
    if latin and _WHEN.isdisjoint(re.findall(r"[a-z]+", f"{text} {doc.front.text('when_to_use')}".lower())):
        yield Found(line, "'description' does not say when to use the skill", "add 'Use when ...'")
    if found := re.match(r"(?:I|I'm|I'll|I can|We|My|You|Your)\b", text):
        yield Found(line, f"'description' begins with '{found[0]}'", "write about the skill: 'Extracts ...'")
    if "<" in text and (found := re.search(r"(?<!\w)</?[A-Za-z][\w-]{0,40}\s*/?>", text)):
        yield Found(line, f"'description' has the tag '{found[0]}'", "write it without angle brackets")
    elif ("**" in text or "](" in text) and re.search(r"\*\*\w|\]\(\w", text):
        yield Found(line, "'description' has markup that is shown as it is", "write plain text")


GATE = Gate("GH021", "warning", check)
