"""the file speaks to its reader openly and takes no instructions over

Why: a skill is read as instructions. Text that overrides those of the user, asks to keep something from the user, or
stands where a person does not see it (comments, invisible characters, far to the right) is how a skill is turned
against who installed it.

Phrases in code, in quotes, or where the line or its heading warns of them are warnings: skills that teach defence quote
them. Joiners inside emoji and inside words of scripts that need them stay, a byte-order mark is GH002's. The fix strips
invisible characters and nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from githarness.skills import markdown
from githarness.skills.document import Document
from githarness.skills.model import EVERY, Found, Gate, Place, Severity

# Words of which one must occur, a pattern (both for text in lower case), what it is.
_PHRASES: tuple[tuple[tuple[str, ...], str, str], ...] = (
    (("instruction", "prompt", "guideline", "directive", "rules"),
     r"(?:ignore|disregard|forget|override|bypass)\b[^\n.]{0,20}\b(?:previous|prior|above|earlier|existing|system|safety|your)\b"
     r"[^\n.]{0,20}\b(?:instructions?|prompts?|rules|guidelines|directives)\b", "overrides instructions"),
    (("tell", "inform", "notify", "alert", "reveal", "disclos", "mention", "show"),
     r"(?:do not|don['\u2019]?t|never|without)[ \t]{1,4}(?:tell|inform|notify|alert|reveal|disclos|mention|show)"
     r"(?:ing|e)?\b[^\n.]{0,40}\b(?:user|human|owner|operator)s?\b", "keeps something from the user"),
    (("from the user", "from the human", "from the owner"),
     r"(?:hide|conceal|keep)\b[^\n.]{0,40}\bfrom the (?:user|human|owner)\b", "keeps something from the user"),
)
_ORDERS = r"\b(?:must|ignore|execute|curl|send|upload|post|output|forward|fetch|run|install|exfiltrate|do not|don't)\b"
_READERS = r"\b(?:you|agents?|assistants?|claude|ai|model|llm|https?|api keys?|tokens?|credentials?|passwords?)\b"
_INVISIBLE = (
    "\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufeff\ufff9-\ufffb"
    "\U000e0000-\U000e0fff"
)
_JOINED = (  # what these characters are for: kept
    "(?<=[^\\x00-\\u05ff])[\u200c\u200d]++(?=[^\\x00-\\u05ff])"
    "|(?<=\U0001f3f4)[\U000e0061-\U000e007a\U000e0030-\U000e0039]{1,6}+\U000e007f|\\A\ufeff"
)
# Each run of white space is entered at its start alone: from every place in it, a long one would take its square.
_PADDING = (
    r"(?<=[^\s])(?:[ \t\u00a0\u3000]{120,}+(?=[^\s\u2500-\u259f|#*+=-])"
    r"|[ \t\r]{0,200}+\n(?:[ \t\r]{0,200}+\n){40,}+(?=[^\n]{0,200}\S))"
)


def check(doc: Document, place: Place) -> Iterator[Found]:
    yield from _invisible(doc)
    for words, pattern, what in _PHRASES:
        for match in re.finditer(pattern, doc.lower) if any(word in doc.lower for word in words) else ():
            yield Found(doc.line_at(match.start()), f"{what}: '{match[0][:80]}'", "take it out", _severity(doc, match))
    for start, end in markdown.comments(doc.text) if "<!--" in doc.text else ():
        inside = doc.text[start + 4 : min(end - 3, start + 4_000)]
        if _in_prose(doc, start) and _orders(inside):
            said = " ".join(inside.split())[:80]
            yield Found(doc.line_at(start), f"a hidden comment gives orders: '{said}'", "say it openly")
    if "  " * 30 in doc.text or "\t\t\t\t" in doc.text or "\n\n\n\n" in doc.text:
        for match in re.finditer(_PADDING, doc.text):
            yield Found(doc.line_at(match.end()), "white space moves text out of sight", "put it where it is seen")


def _invisible(doc: Document) -> Iterator[Found]:
    """One finding for each line."""
    lines: dict[int, list[str]] = {}
    for match in _stray(doc.text):
        lines.setdefault(doc.line_at(match.start()), []).extend(match[0])
    for line, marks in lines.items():
        names = ", ".join(sorted({f"U+{ord(mark):04X}" for mark in marks})[:3])
        soft = all(mark in "\u00ad\u200b\u200c\u200d\u2060\ufeff" for mark in marks) and len(marks) < 4
        yield Found(line, f"{len(marks)} invisible characters ({names})", "githarness skills check --fix",
                    "warning" if soft else None)


def _stray(text: str) -> Iterator[re.Match[str]]:
    if text.isascii() or not re.search(f"[{_INVISIBLE}]", text):
        return
    for match in re.finditer(f"(?:{_JOINED})|([{_INVISIBLE}]+)", text):
        if match[1]:
            yield match


def _severity(doc: Document, match: re.Match[str]) -> Severity | None:
    before = doc.text[max(0, match.start() - 60) : match.start()].rpartition("\n")[2]
    quoted = before.count('"') % 2 == 1 or re.search(r"[\"'`\u201c\u2018(/][\w\s,]{0,20}$", before)
    covered = match.start() >= doc.front.end and doc.prose[match.start()] == " "
    return "warning" if quoted or covered or markdown.warns(doc.text, match.end()) else None


def _in_prose(doc: Document, offset: int) -> bool:
    return not any(block.start <= offset < block.end for block in doc.fences)


def _orders(comment: str) -> bool:
    return bool(re.search(_ORDERS, comment, re.IGNORECASE) and re.search(_READERS, comment, re.IGNORECASE))


def fix(doc: Document, place: Place) -> bytes:
    """The bytes without invisible characters; line ends and what is no UTF-8 stay."""
    text = doc.data.decode("utf-8", "surrogateescape")
    if not any(_stray(text)):
        return doc.data
    kept = re.sub(f"({_JOINED})|[{_INVISIBLE}]+", lambda match: match[1] or "", text)
    return kept.encode("utf-8", "surrogateescape")


GATE = Gate("GH052", "error", check, fix, EVERY, reads="lines")
