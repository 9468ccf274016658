"""All lines that a text ever had, in one order: a linked ring, so that an insertion costs the same everywhere."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from githarness.lines.history import BASE, Steps


class Line:
    """Equal lines are told apart by identity, never by text."""

    __slots__ = ("after", "back", "before", "born", "dels", "ends", "place", "text")

    def __init__(self, text: bytes, born: int) -> None:
        self.text = text  # without LF
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

    def number(self) -> list[Line]:
        """All lines, each with its place."""
        order = list(self)
        for place, line in enumerate(order):
            line.place = place
        return order

    def align(self, lines: list[Line]) -> None:
        """Moves lines so that the ring has them in this order."""
        self.number()
        last = self.top
        for line in lines:
            if last is not self.top and line.place < last.place:
                line.before.after, line.after.before = line.after, line.before
                _link(last, line)
                line.place = last.place
            last = line


def _link(anchor: Line, line: Line) -> None:
    line.before, line.after = anchor, anchor.after
    anchor.after.before = line
    anchor.after = line
