"""Lines and the differences between two texts: a line reaches up to and includes its LF; only the last may lack it."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import NamedTuple, Protocol

from githarness.lines.common import common_end, common_start

_LINE_STARTS = (b"", b"\n")  # what may come before one
_SNIFFED = 8000  # bytes in which git looks for a NUL


class Hunk(Protocol):
    """Lines `old_start … old_start + old_len` became `new_start … new_start + new_len`: indexes from 0, no context."""

    @property
    def old_start(self) -> int: ...
    @property
    def old_len(self) -> int: ...
    @property
    def new_start(self) -> int: ...
    @property
    def new_len(self) -> int: ...


Hunks = Callable[[bytes, bytes], Sequence[Hunk]]  # from old to new, ascending, an unchanged line between any two
Begins = Callable[[int, bytes], int | None]  # how much of a text a step or BASE left; None: it begins otherwise


class Change(NamedTuple):
    """A hunk in bytes: `old[start:end]`, whole lines, became `new[new_start:new_end]`."""

    start: int
    end: int
    new_start: int
    new_end: int


def changes(old: bytes, new: bytes, hunks: Hunks) -> list[Change]:
    """Both end in LF, or are empty. Line by line is looked only at what both have lines in common in, between the first
    change and the last."""
    if new.startswith(old):
        return [Change(len(old), len(old), len(old), len(new))] if len(new) > len(old) else []
    start = old.rfind(b"\n", 0, common_start(old, new)) + 1
    back = _common_lines(old, new, start)
    one = Change(start, len(old) - back, start, len(new) - back)
    before, after = old[start : one.end], new[start : one.new_end]
    if not before or not after or not _share_lines(before, after):
        return [one]
    was, now = ([0, *accumulate(map(len, split(data)))] for data in (old, new))
    return [Change(was[hunk.old_start], was[hunk.old_start + hunk.old_len],
                   now[hunk.new_start], now[hunk.new_start + hunk.new_len]) for hunk in hunks(old, new)]


def _share_lines(one: bytes, other: bytes) -> bool:
    """Of two texts that begin and end otherwise: single lines need not be looked at."""
    return one.count(b"\n") + other.count(b"\n") > 2 and not set(split(one)).isdisjoint(split(other))


def _common_lines(old: bytes, new: bytes, start: int) -> int:
    """Bytes of the whole lines that both end with, not counting what lies before `start`."""
    size = common_end(old, new, min(len(old), len(new)) - start)
    was, now = len(old) - size, len(new) - size
    if old[was - 1 : was] in _LINE_STARTS and new[now - 1 : now] in _LINE_STARTS:
        return size
    return len(old) - (old.index(b"\n", was) + 1)


def grew(begins: Begins, steps: Sequence[int], data: bytes) -> bool:
    """Whether each of these versions is `data` up to the end of some line, none shorter than the one before. Who
    deletes a line and adds it again has made it their own, though both ends look like an append."""
    size = 0
    for step in steps:
        length = begins(step, data)
        if length is None or length < size or data[length - 1 : length] not in (b"", b"\n"):
            return False
        size = length
    return True


def split(data: bytes) -> list[bytes]:
    return io.BytesIO(data).readlines()


def is_binary(data: bytes) -> bool:
    return b"\0" in data[:_SNIFFED]
