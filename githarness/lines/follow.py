"""What selected steps did to a text, followed through the later versions as ranges of bytes: where nobody else touched
it no weave is needed. A range holds the lines that they made; what they took out stood before these.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

from githarness.lines.history import BASE, History, Steps
from githarness.lines.hunk import Begins, Change, Hunks, changes, grew

Text = Callable[[int], bytes | None]  # as `weave.Load`


class _Mark(NamedTuple):
    start: int
    end: int
    gone: bytes
    mixed: bool  # some of what is gone may stand behind some of the lines


def undone(history: History, text: Text, selected: Steps, *, hunks: Hunks, begins: Begins) -> bytes | None:
    """What `undo.undo` gives of a weave, without a clash; None where only the weave can tell. Nothing is left where
    every line goes, as there."""
    if not history.simple or history.likes:
        return None
    old, marks = text(BASE), list[_Mark]()
    for own, run in groupby(range(history.head + 1), selected.__contains__):
        for new in _versions(old, list(run), text, begins=None if own else begins):
            if old is None or new is None or not old.endswith(b"\n") or not new.endswith(b"\n"):
                return None
            for change in reversed(changes(old, new, hunks)):
                if own:
                    marks = _extended(marks, change, old)
                elif marks and change.start <= marks[-1].end:
                    if any(_touches(change, mark) for mark in marks):
                        return None
                    marks = [_moved(mark, change) for mark in marks]
            old = new
    return _without(old, marks) if old else None


def _versions(old: bytes | None, run: Sequence[int], text: Text, begins: Begins | None) -> Iterator[bytes | None]:
    """Of a run that only appended the last one tells all, which is why a log is not read over and over."""
    if begins and len(run) > 1 and old is not None:
        last = text(run[-1])
        if last is not None and last.startswith(old) and grew(begins, [run[0] - 1, *run[:-1]], last):
            yield last
            return
    yield from map(text, run)


def _touches(change: Change, mark: _Mark) -> bool:
    """Beside lines is not at them; beside a gap is: what came there may stand before or after what is gone."""
    if mark.start == mark.end:
        return change.start <= mark.end and change.end >= mark.start
    end = mark.end + mark.mixed
    return change.start < end and change.end > mark.start


def _moved(mark: _Mark, change: Change) -> _Mark:
    if mark.end <= change.start:
        return mark
    by = change.new_end - change.new_start - change.end + change.start
    return mark._replace(start=mark.start + by, end=mark.end + by)


def _extended(marks: list[_Mark], change: Change, old: bytes) -> list[_Mark]:
    """With what a selected step changed, as one mark with all that it meets. Changes come from the last to the first,
    so up to the end of this one `old` is what the marks are told of."""
    met = [mark for mark in marks if change.start <= mark.end and change.end >= mark.start]
    start, at, gone = min([change.start, *(mark.start for mark in met)]), change.start, b""
    for mark in met:
        gone += old[at : mark.start] + mark.gone
        at = max(at, mark.end)
    by = change.new_end - change.new_start - change.end + change.start
    end = max([change.end, *(mark.end for mark in met)]) + by
    before = [mark for mark in marks if mark.end < change.start]
    after = [_moved(mark, change) for mark in marks if mark.start > change.end]
    gone += old[at : change.end]
    return [*before, _Mark(start, end, gone, mixed=bool(met and gone)), *after]


def _without(data: bytes, marks: Sequence[_Mark]) -> bytes:
    pieces, at = [], 0
    for mark in marks:
        pieces += [data[at : mark.start], mark.gone]
        at = mark.end
    return b"".join([*pieces, data[at:]])
