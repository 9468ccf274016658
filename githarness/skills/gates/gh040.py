"""the body is there, of a size that a client loads whole, closed and finished

Why: a skill's whole body is put before the model when the skill is used. Agentskills.io asks for at most 500 lines
and 5,000 tokens; what is more belongs in files that the body names. A fence that is never closed turns the rest
of the file into code.

Tokens are an estimate that needs no network: four bytes of UTF-8 each. The two limits are asked of skills only. TODO
counts where a line or a bracket opens with it in prose: skills that speak about TODO comments are not meant.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from githarness.skills.document import Document
from githarness.skills.model import WITH_FRONTMATTER, Found, Gate, Place

_LINES, _TOKENS = 500, 5_000
_LEFT = (
    r"^[ \t>*-]{0,20}(?:TODO|FIXME|TBD)\*{0,2}:|\[(?:TODO|FIXME|TBD)\b[^\]\n]{0,200}\](?!\()"
    r"|<!--\s{0,9}(?:TODO|FIXME|TBD)\b"
)


def check(doc: Document, place: Place) -> Iterator[Found]:
    if not doc.body.strip():
        yield Found(doc.body_line, "the body is empty", "write what the agent is to do")
        return
    if doc.kind == "skill":
        yield from _sizes(doc)
    if doc.fences and not doc.fences[-1].closed:
        line, mark = doc.line_at(doc.fences[-1].start), doc.fences[-1].mark[:9]
        yield Found(line, f"the code fence '{mark}' is never closed", "githarness skills check --fix")
    if any(word in doc.text for word in ("TODO", "FIXME", "TBD")):
        yield from _leftovers(doc)


def _sizes(doc: Document) -> Iterator[Found]:
    move = "move details into files under 'references/' and name them in the body"
    lines = doc.body.strip().count("\n") + 1
    if lines > _LINES:
        yield Found(doc.body_line, f"the body has {lines} lines, more than {_LINES}", move)
    tokens = len(doc.body.encode("utf-8", "replace")) // 4
    if tokens > _TOKENS:
        yield Found(doc.body_line, f"the body has about {tokens} tokens, more than {_TOKENS}", move)


def _leftovers(doc: Document) -> Iterator[Found]:
    for match in re.compile(_LEFT, re.MULTILINE).finditer(doc.text, doc.front.end):
        if match[0].startswith("<!--") or doc.prose[match.end() - 1] != " ":
            yield Found(doc.line_at(match.start()), f"unfinished: '{match[0].strip()[:60]}'", "write it or take it out")


def fix(doc: Document, place: Place) -> bytes:
    if not doc.fences or doc.fences[-1].closed:
        return doc.data
    end = b"\r\n" if b"\r\n" in doc.data else b"\n"
    before = doc.text[: doc.fences[-1].start].rpartition("\n")[2]
    close = re.sub(r"[^ \t>]", " ", before) + doc.fences[-1].mark
    return doc.data + (b"" if doc.data.endswith(b"\n") else end) + close.encode() + end


GATE = Gate("GH040", "warning", check, fix, WITH_FRONTMATTER)
