"""Three-way merge by lines, stricter than git's: two identical changes of the same lines clash too.

Two agents that both turn "stock 10" into 9 have lost one. Changes that touch clash as in git's merge, so do insertions
at the same point, and two versions of a binary file always do.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from githarness.lines.hunk import Hunk, Hunks, is_binary, split


@dataclass(frozen=True, slots=True)
class Clash:
    line: int  # in the base, from 1; 0 for a binary file
    base: bytes
    ours: bytes
    theirs: bytes


@dataclass(frozen=True, slots=True)
class Merged:
    data: bytes | None  # None where there is a clash
    clashes: tuple[Clash, ...] = ()


@dataclass(frozen=True, slots=True)
class _Edit:
    start: int
    end: int
    ours: bool
    hunk: Hunk


def three_way(base: bytes, ours: bytes, theirs: bytes, *, hunks: Hunks) -> Merged:
    if ours == base:
        return Merged(theirs)
    if theirs == base:
        return Merged(ours)
    if any(is_binary(data) for data in (base, ours, theirs)):
        return Merged(None, (Clash(0, base, ours, theirs),))
    sides = {True: split(ours), False: split(theirs)}
    return _merge(split(base), sides, [*_edits(hunks(base, ours), ours=True), *_edits(hunks(base, theirs), ours=False)])


def _edits(hunks: Sequence[Hunk], *, ours: bool) -> list[_Edit]:
    return [_Edit(hunk.old_start, hunk.old_start + hunk.old_len, ours, hunk) for hunk in hunks]


def _merge(base: list[bytes], sides: dict[bool, list[bytes]], edits: list[_Edit]) -> Merged:
    out: list[bytes] = []
    clashes: list[Clash] = []
    done = 0
    for group in _touching(sorted(edits, key=lambda edit: (edit.start, edit.end))):
        start, end = group[0].start, max(edit.end for edit in group)
        out += base[done:start]
        if len(group) == 1:
            out += _text(sides[group[0].ours], group[0])
        else:
            ours, theirs = (_side(base, sides[side], group, ours=side) for side in (True, False))
            clashes.append(Clash(start + 1, b"".join(base[start:end]), ours, theirs))
        done = end
    out += base[done:]
    return Merged(None, tuple(clashes)) if clashes else Merged(b"".join(out))


def _touching(edits: list[_Edit]) -> Iterator[list[_Edit]]:
    group: list[_Edit] = []
    end = -1
    for edit in edits:
        if group and edit.start > end:
            yield group
            group = []
        group.append(edit)
        end = max(end, edit.end)
    if group:
        yield group


def _text(lines: list[bytes], edit: _Edit) -> list[bytes]:
    return lines[edit.hunk.new_start : edit.hunk.new_start + edit.hunk.new_len]


def _side(base: list[bytes], lines: list[bytes], group: list[_Edit], *, ours: bool) -> bytes:
    """What one side made of the lines that a group of touching edits spans."""
    out: list[bytes] = []
    done = group[0].start
    for edit in group:
        if edit.ours == ours:
            out += base[done : edit.start] + _text(lines, edit)
            done = edit.end
    return b"".join(out + base[done : max(edit.end for edit in group)])
