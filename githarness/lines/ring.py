"""All lines that a text ever had, in one order: a linked ring, so that an insertion costs the same everywhere.

Neighbours that came together and were never told apart may be one item, a run, until something happens between them.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from itertools import pairwise

from githarness.lines.history import BASE, Steps


class Line:
    """A line, or a run of them. Equal lines are told apart by identity, never by text."""

    __slots__ = ("after", "back", "before", "born", "dels", "ends", "place", "text")

    def __init__(self, text: bytes, born: int) -> None:
        self.text = text  # without the last LF
        self.born = born
        self.dels: list[int] = []
        self.back: list[tuple[int, Steps]] = []  # who put it back, against which deletions
        self.ends: list[tuple[int, bool]] = []  # who said, while it was the last line, whether an LF follows
        self.before: Line = self
        self.after: Line = self
        self.place = 0

    def ended(self, off: Steps) -> bool:
        return next((ended for who, ended in reversed(self.ends) if who not in off), True)

    def put_back(self, deletion: int, off: Steps) -> bool:
        return any(deletion in deletions and who not in off for who, deletions in self.back)


class Ring:
    def __init__(self) -> None:
        self.top = Line(b"", BASE)  # before the first and after the last line, none itself

    def __iter__(self) -> Iterator[Line]:
        line = self.top.after
        while line is not self.top:
            yield line
            line = line.after

    @property
    def last(self) -> Line:
        return self.top.before

    def insert(self, anchor: Line, texts: Iterable[bytes], born: int) -> list[Line]:
        lines = [Line(text.removesuffix(b"\n"), born) for text in texts]
        for line in lines:
            _link(anchor, line)
            anchor = line
        return lines

    def cut(self, run: Line, size: int) -> Line:
        """Leaves `size` bytes to a run, with the LF that ends them; the rest is one of its own."""
        rest = Line(run.text[size:], run.born)
        run.text = run.text[: size - 1]
        rest.dels, rest.back, rest.ends = [*run.dels], [*run.back], run.ends
        run.ends = []
        _link(run, rest)
        return rest

    def singles(self, run: Line) -> list[Line]:
        """A run line by line."""
        lines = [run]
        while (size := lines[-1].text.find(b"\n") + 1) > 0:
            lines.append(self.cut(lines[-1], size))
        return lines

    def number(self) -> list[Line]:
        """All lines, each with its place."""
        order = list(self)
        for place, line in enumerate(order):
            line.place = place
        return order

    def align(self, lines: list[Line]) -> None:
        """Moves as few lines as it takes to have these in this order, none of them farther than it must: the gone
        lines that it has not to pass stay on the side where they were."""
        self.number()
        if all(one.place < other.place for one, other in pairwise(lines)):
            return
        staying = set(_ascending(lines))
        settled = self._moved_down(lines, staying)
        following = self.top
        for line in reversed(lines):
            if line not in settled:
                _unlink(line)
                _link(following.before, line)
            following = line

    def _moved_down(self, lines: list[Line], staying: set[Line]) -> set[Line]:
        """Puts lines that come too early right behind those before them; what is left comes too late."""
        settled = set(staying)
        last, place = self.top, -1
        for line in lines:
            if line in staying:
                place = line.place
            elif line.place < place:
                _unlink(line)
                _link(last, line)
                settled.add(line)
            if line in settled:
                last = line
        return settled


def _ascending(lines: list[Line]) -> list[Line]:
    """The longest part of `lines` that is in the order of the places (patience sorting)."""
    tops: list[int] = []
    ends: list[Line] = []
    under: dict[Line, Line | None] = {}
    for line in lines:
        pile = bisect_left(tops, line.place)
        under[line] = ends[pile - 1] if pile else None
        tops[pile:pile + 1], ends[pile:pile + 1] = [line.place], [line]
    found: list[Line] = []
    line_under = ends[-1] if ends else None
    while line_under is not None:
        found.append(line_under)
        line_under = under[line_under]
    return found


def _unlink(line: Line) -> None:
    line.before.after, line.after.before = line.after, line.before


def _link(anchor: Line, line: Line) -> None:
    line.before, line.after = anchor, anchor.after
    anchor.after.before = line
    anchor.after = line
