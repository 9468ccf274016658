"""Search: any text becomes the few words of it that tell most; the best artifacts come with the place that fits.

Nothing in the text is an operator: phrases and words to leave out are asked for by fields of their own.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from githarness.errors import Usage
from githarness.store import search
from githarness.store.artifacts import Kind
from githarness.store.search import Match, Wanted
from githarness.work.artifacts import Registry

_COMPOSED: Final = "NFC"  # Unicode's forms with and without characters that carry their accents
_PARTED: Final = "NFD"
_WIDTH = 160  # characters of a snippet
_LOOK = 20_000  # characters of a text in which a snippet is looked for
_PLACES = 8  # of a word in a text that are looked at
Snippet = tuple[tuple[str, bool], ...]  # pieces of text, each with whether it was looked for


class Query(NamedTuple):
    text: str
    phrases: Sequence[str] = ()  # must stand there, word by word
    without: Sequence[str] = ()  # must not
    kind: Kind | None = None
    limit: int = 10
    explain: bool = False


class Hit(NamedTuple):
    match: Match
    snippet: Snippet
    reasons: Mapping[str, Mapping[str, int]]  # hits by column and term, where asked for


class Hits(NamedTuple):
    items: list[Hit]
    total: int


def find(registry: Registry, query: Query) -> Hits:
    """In the registry as it is: bring it up to date first. Raises Usage for a text without anything in it."""
    if not query.text.strip():
        raise Usage("there is nothing to search for", fix="githarness search WORD")
    phrases, without = ([" ".join(search.words(text)) for text in texts] for texts in (query.phrases, query.without))
    if not all((*phrases, *without)):
        raise Usage("a phrase has no word", fix="githarness search --help")
    with registry.db.read() as conn:
        chosen = search.rarest(conn, registry.engine, search.terms(query.text))
        wanted = Wanted(chosen, phrases, without, query.kind, query.limit)
        found, total = search.matches(conn, registry.engine, wanted)
    terms = [*chosen.all, *phrases]
    texts = [registry.text(match.blob) for match in found]
    marks = _marks(terms)
    words = [(match.name, match.description, match.tags, text) for match, text in zip(found, texts, strict=True)]
    reasons = search.reasons(words, terms) if query.explain else [{} for _ in found]
    return Hits([Hit(match, _snippet(match, text, marks), reason)
                 for match, text, reason in zip(found, texts, reasons, strict=True)], total)




def _marks(terms: Sequence[str]) -> list[str]:
    """What to look for in a text that went through `_flat`: words, and neighbours in CJK, which stand side by side."""
    return [*{_flat(word) for term in terms for word in (term.split() if term.isascii() else [term.replace(" ", "")])}]


def _snippet(match: Match, text: str, marks: Sequence[str]) -> Snippet:
    """The stretch of description and body with the most different terms, long ones before short ones."""
    text = unicodedata.normalize(_COMPOSED, f"{match.description}\n{text[match.start:][:_LOOK]}")
    flat = _flat(text)
    spans = sorted((at, at + len(mark)) for mark in marks for at in _places(flat, mark))
    best, most = 0, 0
    for number, (start, _) in enumerate(spans):
        near = {flat[at:end] for at, end in spans[number:number + 12] if end <= start + _WIDTH}
        if (weight := sum(map(len, near))) > most:
            best, most = start, weight
    return _cut(text, max(0, best - 30), spans)


def _places(flat: str, mark: str) -> list[int]:
    """Where a word stands by itself; a CJK one stands anywhere."""
    found: list[int] = []
    at = flat.find(mark)
    while at >= 0 and len(found) < _PLACES:
        if not mark.isascii() or not (flat[at - 1:at].isalnum() or flat[at + len(mark):at + len(mark) + 1].isalnum()):
            found.append(at)
        at = flat.find(mark, at + len(mark))
    return found


def _cut(text: str, start: int, spans: Sequence[tuple[int, int]]) -> Snippet:
    """One line from about `start` on, without half words at its ends."""
    end = min(len(text), start + _WIDTH)
    if start and (space := re.compile(r"\s").search(text, start, start + 25)):
        start = space.end()
    if end < len(text) and (space := re.compile(r"\s\S{0,25}\Z").search(text, start, end)):
        end = space.start()
    pieces: list[tuple[str, bool]] = []
    at = start
    for one, other in spans:
        if at <= one and other <= end:
            pieces += [(text[at:one], False), (text[one:other], True)]
            at = other
    pieces.append((text[at:end], False))
    return tuple((re.sub(r"\s+", " ", piece), marked) for piece, marked in pieces if piece)


class _Folding(dict[int, str]):
    """Each character without case and diacritics, as one character."""

    def __missing__(self, code: int) -> str:
        base = unicodedata.normalize(_PARTED, chr(code))[0].lower()
        self[code] = base if len(base) == 1 else chr(code)
        return self[code]


_FOLDING = _Folding()


def _flat(text: str) -> str:
    return re.sub(r"[^\x00-\x7f]+", lambda found: found[0].translate(_FOLDING), text).lower()
