"""What in a markdown file is code and what is prose: fences, code spans and comments, each found in one pass.

Nearly CommonMark: a fence may stand at any depth of lists and quotes; indented code is taken for prose.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

_AGAINST = (
    r"\b(?:never|(?:do|must|should) not|(?:do|must|should)n['\u2019]?t|not recommended|avoid|refus\w+|reject\w*"
    r"|block\w*|den(?:y|ies)|forbid\w*|prohibit\w*|prevent\w*|detect\w*|flag\w*|malicious|attack\w*|injections?|threats?"
    r"|vulnerab\w+|dangerous|destructive|suspicious|unsafe|insecure|bad|warnings?|caution|careful\w*|evil"
    r"|anti-?patterns?|instead of)\b|[\u274c\u26d4\U0001f6ab]"
)


class Fence(NamedTuple):
    """Offsets count characters of the text."""

    start: int  # of the opening line's mark
    inside: int  # of the first line of code
    end: int  # behind the closing mark; the text's end where it is missing
    mark: str
    info: str  # `bash`
    closed: bool


def fences(text: str, start: int) -> list[Fence]:
    """Every fenced block from the offset `start` on, in order; only the last can be unclosed."""
    found: list[Fence] = []
    open_at: re.Match[str] | None = None
    marks = "`{3,}|~{3,}" if "~~~" in text else "`{3,}"
    for mark in re.compile(marks).finditer(text, start):
        if open_at is None and _opens(text, mark):
            open_at = mark
        elif open_at is not None and _closes(text, open_at[0], mark):
            found.append(_fence(text, open_at, mark.end()))
            open_at = None
    return [*found, _fence(text, open_at, None)] if open_at else found


def _fence(text: str, mark: re.Match[str], end: int | None) -> Fence:
    inside = _line_end(text, mark.end())
    info = text[mark.end() : min(inside, mark.end() + 100)].strip().lower()
    return Fence(mark.start(), inside, len(text) if end is None else end, mark[0], info, end is not None)


def _line_end(text: str, offset: int) -> int:
    end = text.find("\n", offset)
    return len(text) if end < 0 else end


def _heads_line(text: str, offset: int) -> bool:
    """Whether only spaces, quote marks and one list marker stand before it on its line; looks back 60 characters."""
    before = text[max(0, offset - 60) : offset]
    cut = before.rfind("\n")
    if cut < 0 and offset > 60:
        return False
    return not before[cut + 1 :].strip(" \t>-*+.)0123456789")


def _opens(text: str, mark: re.Match[str]) -> bool:
    if not _heads_line(text, mark.start()):
        return False
    return mark[0][0] == "~" or "`" not in text[mark.end() : _line_end(text, mark.end())]


def _closes(text: str, opened: str, mark: re.Match[str]) -> bool:
    if mark[0][0] != opened[0] or len(mark[0]) < len(opened) or not _heads_line(text, mark.start()):
        return False
    return not text[mark.end() : _line_end(text, mark.end())].strip()


def prose(text: str, start: int, blocks: Sequence[Fence]) -> str:
    """The text with all that is no prose (before `start`, fences, code spans, comments) blanked: offsets stay."""
    plain = _blank(text, [(0, start), *((block.start, block.end) for block in blocks)])
    if "`" in plain:
        plain = re.sub("`[^`\n]+`", lambda span: " " * len(span[0]), plain)
    return _blank(plain, comments(plain)) if "<!--" in plain else plain


def _blank(text: str, spans: Iterable[tuple[int, int]]) -> str:
    parts: list[str] = []
    at = 0
    for start, end in spans:
        parts += (text[at:start], " " * (end - start))
        at = end
    return "".join((*parts, text[at:]))


def comments(text: str) -> Iterator[tuple[int, int]]:
    """Start and end of each closed HTML comment."""
    begin = text.find("<!--")
    while begin >= 0:
        end = text.find("-->", begin + 4)
        if end < 0:
            return
        yield begin, end + 3
        begin = text.find("<!--", end + 3)


def warns(text: str, offset: int) -> bool:
    """Whether what stands at `offset` is named to warn of it: its line, the line before or its heading says so."""
    start, end = text.rfind("\n", 0, offset) + 1, _line_end(text, offset)
    before = text[max(0, start - 1000) : start].rstrip()
    near = (before[before.rfind("\n") + 1 :], text[max(start, offset - 200) : min(end, offset + 200)])
    return bool(re.search(_AGAINST, "\n".join((*near, heading(text, start))), re.IGNORECASE))


def heading(text: str, offset: int) -> str:
    """The nearest heading within 4,000 characters before `offset`; a comment of a shell in a fence passes for one."""
    block = text[max(0, offset - 4000) : offset]
    start = block.rfind("\n#")
    return block[start + 1 : _line_end(block, start + 1)] if start >= 0 else ""
