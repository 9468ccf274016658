"""A text without the effect of selected steps: what they inserted is dropped, what they deleted is back.

It clashes only where a step that stays replaced a line which is gone without the selected ones; where it merely deleted
that line the deletion stands, and neighbours never clash. Where both sides of a clash read the same, somebody has
repaired by hand what is undone now: it stays as it is.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import product

from githarness.lines.history import Steps
from githarness.lines.ring import Line
from githarness.lines.weave import Replaced, Weave

_COMPARED = 400  # pairs of lines of one hunk that are compared to tell deleted lines from replaced ones
_ALIKE = 0.6


@dataclass(frozen=True, slots=True)
class Clash:
    steps: tuple[int, ...]  # whose lines they are, and who replaced them
    ours: bytes  # as it is now
    theirs: bytes  # as it would be without the selected steps and what was built on them


@dataclass(frozen=True, slots=True)
class Undone:
    data: bytes
    lines: int
    clashes: tuple[Clash, ...] = ()


@dataclass(slots=True)
class _Knot:
    """Hunks that hang together, and the stretch of the weave that they span."""

    steps: set[int]
    lost: set[Line]
    born: set[Line]
    low: int = 0
    high: int = 0


def undo(weave: Weave, selected: Collection[int]) -> Undone:
    history, head = weave.history, weave.head
    before, off = history.off(history.head), history.off(history.head, selected)
    weave.ring.align(head.lines)
    order = weave.ring.number()
    now, after = set(head.lines), set(weave.flipped(head, history.head, before, off))
    clashes = []
    for knot in _stretched(_knots(weave, before, off), order, now):
        span = order[knot.low : knot.high + 1]
        ours, theirs = ([line for line in span if line in side] for side in (now, after - knot.born))
        if _text(ours) == _text(theirs) and knot.born & after <= now:
            after = (after - set(span)) | set(ours)
        else:
            clashes.append(Clash(tuple(sorted(knot.steps)), _text(ours), _text(theirs)))
    lines = [line for line in order if line in after]
    text = _text(lines)
    return Undone(text if not lines or lines[-1].ended(off) else text[:-1], text.count(b"\n"), tuple(clashes))


def _text(lines: list[Line]) -> bytes:
    return b"".join(line.text + b"\n" for line in lines)


def _knots(weave: Weave, before: Steps, off: Steps) -> list[_Knot]:
    knots: list[_Knot] = []
    for hunk in weave.replaced:
        if hunk.step in off:
            continue
        lost = {line for line in hunk.dead if _lost(weave, line, hunk.step, before, off)}
        if lost and _replaces(hunk, lost):
            causes = {cause for line in lost for cause in _causes(line, before, off)}
            knots.append(_Knot({hunk.step} | causes, lost, set(hunk.born)))
        for knot in knots:
            if not knot.born.isdisjoint(hunk.dead):
                knot.steps.add(hunk.step)
                knot.born.update(hunk.born)
    return knots


def _lost(weave: Weave, line: Line, step: int, before: Steps, off: Steps) -> bool:
    """Whether a line that `step` took out would not have been there for it without the selected steps."""
    earlier = [deletion for deletion in line.dels if deletion < step and weave.history.sees(step, deletion)]

    def there(gone: Steps) -> bool:
        return line.born not in gone and all(d in gone or line.put_back(d, gone) for d in earlier)

    return there(before) and not there(off)


def _causes(line: Line, before: Steps, off: Steps) -> set[int]:
    """The step that inserted it, or those whose deletion holds again."""
    return {line.born} if line.born in off else {deletion for deletion in line.dels if deletion in before - off}


def _replaces(hunk: Replaced, lost: set[Line]) -> bool:
    """Whether a hunk put something in the place of a lost line, and not merely deleted it beside lines that it changed.

    Where there are fewer new lines than old ones, each new line that plainly stems from a line which stays does not
    stem from a lost one. In doubt it replaced: a clash is seen, a wrong text is not.
    """
    others = [line for line in hunk.dead if line not in lost]
    pairs = len(hunk.dead) * len(hunk.born)
    if len(hunk.born) >= len(hunk.dead) or not others or pairs > _COMPARED:
        return True
    near = {(new, old): SequenceMatcher(None, old.text, new.text).ratio() for new, old in product(hunk.born, hunk.dead)}
    return not all(max(near[new, old] for old in others) > max(_ALIKE, *(near[new, old] for old in lost))
                   for new in hunk.born)


def _stretched(knots: list[_Knot], order: list[Line], now: set[Line]) -> list[_Knot]:
    """Each knot with its span: its own lines and the gone ones around them; knots that overlap become one."""
    for knot in knots:
        places = [line.place for line in knot.lost | knot.born]
        knot.low, knot.high = min(places), max(places)
        while knot.low and order[knot.low - 1] not in now:
            knot.low -= 1
        while knot.high + 1 < len(order) and order[knot.high + 1] not in now:
            knot.high += 1
    joined: list[_Knot] = []
    for knot in sorted(knots, key=lambda knot: knot.low):
        if joined and knot.low <= joined[-1].high:
            last = joined[-1]
            last.steps |= knot.steps
            last.born |= knot.born
            last.high = max(last.high, knot.high)
        else:
            joined.append(knot)
    return joined
