"""Where a content has a vault's values, in any form: 10 MiB against a thousand values in a quarter of a second.

    content and forms, both without _MARKS  →  aligned words of 8 (or 4) bytes that both have  →  compare in place

Every form of 23 bytes has a word of 8 at a multiple of 16 wherever it stands, one of 11 a word of 4 at a multiple of 8,
one of 7 a word of 4; so to look at those words of the content once is enough, and that loop is in C. Line breaks, white
space and what joins literals are taken out first, so that the same look finds a value that was split over lines; the
comparison in place then admits between the parts only what joins lines or literals.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import compress
from typing import NamedTuple

from githarness.vault.forms import LEAST, forms

_MARKS = b"\r\n \t\"'+\\,&.#*/"
# What may stand between the parts of a value, from narrow to wide: a wide one takes white space of the value's own.
_JOINTS = tuple(map(re.compile, (
    rb"[\r\n]+",
    rb"\\\r?\n",
    rb"\r?\n[ \t]{0,99}(?:[+#*&.]|//)",
    rb"\r?\n[ \t]{0,99}(?:[+#*&.]|//)[ \t]",
    rb"""(["'])[ \t]{0,99}[+.&,\\]?[ \t]{0,99}(?:\r?\n)?[ \t]{0,99}[+.&]?[ \t]{0,99}\1""",
    rb"""["']?[ \t]{0,99}(?:[+.,&]|\\)?[ \t]{0,99}(?:\r?\n){1,2}[ \t]{0,99}(?:(?:[+.&#*]|//)[ \t]{0,99})?["']?""")))
_WIDE = 23  # bytes; what is at least as long has a word of 8 at a multiple of 16
_AT_ONCE = 128  # words; which of so many are known is asked only where one is
_BLOCK = 4096  # bytes of content between two places whose position without marks is known
_EACH = 100  # findings of one value in one content


class Hit(NamedTuple):
    name: str
    form: str  # kind of forms.Form, with ', split' where it is in parts
    offset: int
    length: int


class Sought(NamedTuple):
    name: str
    kind: str
    text: bytes
    bare: bytes  # without marks


def sought(secrets: Iterable[tuple[str, bytes]]) -> list[Sought]:
    """What is looked for. `secrets`: name and value."""
    return [Sought(name, form.kind, form.text, form.text.translate(None, _MARKS))
            for name, value in secrets for form in forms(value, whole=False)]


def search(sought: Sequence[Sought], content: bytes) -> list[Hit]:
    """In the order of places, each place once."""
    bare = content.translate(None, _MARKS)
    long = [one for one in sought if len(one.bare) >= _WIDE]
    short = [one for one in sought if LEAST <= len(one.bare) < _WIDE]
    hits = [hit for some, size in ((long, 8), (short, 4)) if some and len(bare) >= size
            for hit in _checked(some, _places([one.bare for one in some], bare, size), content, bare)]
    return _once([*hits, *_plain((one for one in sought if len(one.bare) < LEAST), content)])


def _places(texts: Sequence[bytes], bare: bytes, size: int) -> Iterator[tuple[int, int]]:
    """Numbers of texts and where in `bare` they begin, if they are there: a word of each is at a multiple of `step`.

    `texts`: at least 2 * size - 1 bytes each; where all have a word more, every other word of `bare` is enough.
    """
    step = 2 * size if min(map(len, texts)) >= 3 * size - 1 else size
    starts, lists = _middles(texts, size, step)
    view = _cast(bare[: len(bare) // size * size], size)[:: step // size]
    known = frozenset().union(*lists)
    places = [place for at in range(0, len(view), _AT_ONCE) if not known.isdisjoint(some := view[at : at + _AT_ONCE])
              for place in compress(range(at, at + _AT_ONCE), map(known.__contains__, some))]
    there = {view[place] for place in places}
    table: dict[int, list[tuple[int, int]]] = {word: [] for word in there}
    for shift, column in enumerate(lists):
        if not there.isdisjoint(column):
            for number in compress(range(len(column)), map(there.__contains__, column)):
                table[column[number]].append((number, starts[number] + shift))
    for place in places:
        for number, inside in table[view[place]]:
            yield number, place * step - inside


def _middles(texts: Sequence[bytes], size: int, step: int) -> tuple[list[int], list[list[int]]]:
    """Where each text's middle begins (values of a kind begin and end alike), and its words there, by alignment."""
    wide = size + step - 1
    starts = [(len(text) - wide) // 2 for text in texts]
    joined = b"".join(text[at : at + wide] + b"\0" for text, at in zip(texts, starts, strict=True)) + bytes(step)
    ends = len(joined) - step
    return starts, [_cast(joined[shift : shift + ends], size)[:: step // size + 1].tolist() for shift in range(step)]


def _cast(data: bytes, size: int) -> memoryview:
    return memoryview(data).cast("Q" if size == 8 else "I")


def _checked(
    sought: Sequence[Sought], places: Iterable[tuple[int, int]], content: bytes, bare: bytes
) -> Iterator[Hit]:
    """Those that hold, against the content itself. A form is not looked for again inside itself."""
    index: _Positions | None = None
    ends: dict[bytes, int] = {}
    counts: Counter[str] = Counter()
    for number, begin in places:
        one = sought[number]
        if begin < ends.get(one.text, 0) or counts[one.name] >= _EACH or not bare.startswith(one.bare, begin):
            continue
        index = index or _Positions(content)
        if hit := _compared(one, content, index.of(begin), index.of(begin + len(one.bare) - 1) + 1):
            ends[one.text] = begin + len(one.bare)
            counts[one.name] += 1
            yield hit


def _compared(one: Sought, content: bytes, begin: int, end: int) -> Hit | None:
    """`begin`, `end`: of the form's bytes that are no marks, and of what stands between them."""
    whole = begin - (len(one.text) - len(one.text.lstrip(_MARKS)))
    if whole >= 0 and content.startswith(one.text, whole):
        return Hit(one.name, one.kind, whole, len(one.text))
    there, core = content[begin:end], one.text.strip(_MARKS)
    if there == core:
        return Hit(one.name, one.kind, begin, end - begin)
    if any(joint.sub(b"", there) == core for joint in _JOINTS):
        return Hit(one.name, f"{one.kind}, split", begin, end - begin)
    return None


def _plain(sought: Iterable[Sought], content: bytes) -> Iterator[Hit]:
    """What is nearly all marks."""
    for one in sought:
        if (at := content.find(one.text)) >= 0:
            yield Hit(one.name, one.kind, at, len(one.text))


def _once(hits: Iterable[Hit]) -> list[Hit]:
    """Without those that lie in another of the same value: base64 for URLs is mostly base64."""
    kept: list[Hit] = []
    ends: dict[str, int] = {}
    for hit in sorted(hits, key=lambda hit: (hit.offset, -hit.length, hit.name)):
        if hit.offset + hit.length > ends.get(hit.name, 0):
            kept.append(hit)
            ends[hit.name] = hit.offset + hit.length
    return kept


class _Positions:
    """Positions in the content of bytes that were counted without marks."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._counts = [0]
        for at in range(0, len(content), _BLOCK):
            self._counts.append(self._counts[-1] + len(content[at : at + _BLOCK].translate(None, _MARKS)))

    def of(self, position: int) -> int:
        block = bisect_right(self._counts, position) - 1
        at, left = block * _BLOCK, position - self._counts[block]
        while left or self._content[at] in _MARKS:
            left -= self._content[at] not in _MARKS
            at += 1
        return at
