"""Search: any text becomes the few words of it that tell most; the best artifacts come with the place that fits.

Nothing in the text is an operator: phrases and words to leave out are asked for by fields of their own.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from githarness.errors import Usage
from githarness.store import search
from githarness.store.artifacts import Kind
from githarness.store.search import Match, Wanted
from githarness.work.artifacts import Registry

_WIDTH = 160  # characters of a snippet
_PLACES = 2000  # hits of a text that are looked at


class Query(NamedTuple):
    text: str
    phrases: Sequence[str] = ()  # must stand there, word by word
    without: Sequence[str] = ()  # must not
    kind: Kind | None = None
    limit: int = 10
    explain: bool = False


class Hit(NamedTuple):
    match: Match
    snippet: tuple[tuple[str, bool], ...]  # pieces of text, each with whether it was looked for
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
        terms = search.rarest(conn, registry.engine, search.terms(query.text))
        wanted = Wanted(terms, phrases, without, query.kind, query.limit)
        found, total = search.matches(conn, registry.engine, wanted) if terms else ([], 0)
    texts = [registry.text(match.blob) for match in found]
    marks = _pattern([*phrases, *terms])
    words = [(match.name, match.description, match.tags, text) for match, text in zip(found, texts, strict=True)]
    reasons = search.reasons(words, [*terms, *phrases]) if query.explain else [{} for _ in found]
    return Hits([Hit(match, _snippet(match, text, marks), reason)
                 for match, text, reason in zip(found, texts, reasons, strict=True)], total)




def _pattern(terms: Sequence[str]) -> re.Pattern[str]:
    """Any of the terms in a text that went through `_flat`; between the signs of one term may stand anything."""
    flat = sorted({_flat(term) for term in terms}, key=len, reverse=True)
    return re.compile("|".join(_alone(r"[\W_]{0,3}".join(map(re.escape, term.split())), term) for term in flat))


def _alone(pattern: str, term: str) -> str:
    """As a whole word, where its script sets words apart."""
    return rf"(?<![^\W_]){pattern}(?![^\W_])" if term.isascii() else pattern


def _snippet(match: Match, text: str, marks: re.Pattern[str]) -> tuple[tuple[str, bool], ...]:
    """The stretch of description and body with the most different terms, long ones before short ones."""
    text = unicodedata.normalize("NFC", f"{match.description}\n{text[match.start:]}")
    spans = []
    for number, found in enumerate(marks.finditer(_flat(text))):
        if found.end() == found.start() or number == _PLACES:
            break
        spans.append((found.span(), found[0]))
    best, most = 0, 0
    for number, ((start, _), _) in enumerate(spans):
        near = {term for (_, end), term in spans[number:number + 30] if end <= start + _WIDTH}
        if (weight := sum(map(len, near))) > most:
            best, most = start, weight
    return _cut(text, max(0, best - 30), [span for span, _ in spans])


def _cut(text: str, start: int, spans: Sequence[tuple[int, int]]) -> tuple[tuple[str, bool], ...]:
    """One line from about `start` on, without half words at its ends."""
    end = min(len(text), start + _WIDTH)
    if start and (space := re.compile(r"\s").search(text, start, start + 25)):
        start = space.end()
    if end < len(text) and (space := re.compile(r"\s\S{0,25}\Z").search(text, start, end)):
        end = space.start()
    pieces: list[tuple[str, bool]] = []
    at = start
    for one, other in spans:
        if start <= one and other <= end:
            pieces += [(text[at:one], False), (text[one:other], True)]
            at = other
    pieces.append((text[at:end], False))
    return tuple((re.sub(r"\s+", " ", piece), marked) for piece, marked in pieces if piece)


class _Folding(dict[int, str]):
    """Each character without case and diacritics, as one character."""

    def __missing__(self, code: int) -> str:
        base = unicodedata.normalize("NFD", chr(code))[0].lower()
        self[code] = base if len(base) == 1 else chr(code)
        return self[code]


_FOLDING = _Folding()


def _flat(text: str) -> str:
    return text.lower() if text.isascii() else text.translate(_FOLDING)
