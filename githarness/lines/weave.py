"""The line weave: all lines that a text ever had, in one order, each with the step that inserted it and those that
deleted it (SCCS's interleaved deltas, replayed from the versions in git).

A version is the list of its lines, so every difference is taken between exact texts. Lines are kept without their LF;
that the last line of a text lacks it is said of that line. A file that is made anew after it was deleted starts a new
generation: its maker deletes the old lines once more. A rollback replays as the absence of what it undid, a version put
back by a person as the lines that it had; only what is left over is their own edit. A merge owns what none of its
parents has and what none of them took out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import NamedTuple

from githarness.lines.history import BASE, History, Steps
from githarness.lines.hunk import Begins, Hunks, changes, grew, split
from githarness.lines.ring import Line, Ring

Load = Callable[[int], bytes | None]  # the text after a step or BASE; None where there is no file


@dataclass(frozen=True, slots=True)
class Replaced:
    """A hunk with two sides: `step` put `born` where `dead` was."""

    step: int
    dead: list[Line]
    born: list[Line]


class Version(NamedTuple):
    lines: list[Line]
    data: bytes | None  # with a final LF, so that a missing one is no difference; None where there is no file


class _Span(NamedTuple):
    old_start: int
    old_len: int
    new_start: int
    new_len: int


class Weave:
    def __init__(self, history: History, load: Load, *, hunks: Hunks, begins: Begins, selected: Collection[int] = (),
                 ) -> None:
        """`selected`: what `undo` will be asked for; it decides which steps can be replayed in one go, nothing else."""
        self.history = history
        self.replaced: list[Replaced] = []
        self._load = load
        self._hunks = hunks
        self._begins = begins
        self.ring = Ring()
        self._in_runs = history.linear and all(step.like is None for step in history.steps)
        base = self._first(load(BASE))
        self._versions = {BASE: base}
        self._uses = Counter(used for step in history.steps for used in (*step.parents, step.like))
        if history.linear:
            self._replay_runs(frozenset(selected))
        else:
            for step in range(history.head + 1):
                self._versions[step] = self._replayed(step, load(step))
                self._release(*history.steps[step].parents, history.steps[step].like)
        self.head = self._versions[history.head]

    def stands(self, line: Line, step: int, off: Steps) -> bool:
        """Whether a line is there as of `step`, with the steps of `off` taken away."""
        return line.born not in off and not any(
            deletion not in off and self.history.sees(step, deletion) and not line.put_back(deletion, off)
            for deletion in line.dels)

    def flipped(self, version: Version, step: int, old: Steps, new: Steps) -> list[Line]:
        """The lines of a version of `step` once not `old` but `new` is taken away."""
        here = set(version.lines)
        if old == new:
            return version.lines
        touched = old | new
        return [line for line in self.ring
                if (line in here if not line.dels and line.born not in touched
                    else self._stays(line, step, old, new, here=line in here))]

    def _stays(self, line: Line, step: int, old: Steps, new: Steps, *, here: bool) -> bool:
        before, after = self.stands(line, step, old), self.stands(line, step, new)
        return here if before == after else after and self.history.sees(step, line.born)

    # Replay

    def _first(self, data: bytes | None) -> Version:
        return self._closed(Version(self._born(self.ring.top, data or b"", BASE), data), BASE, frozenset())

    def _born(self, anchor: Line, text: bytes, step: int) -> list[Line]:
        """As a run where it can be cut: a version beside the current one would not learn of the cut."""
        return self.ring.insert(anchor, ([text] if text else []) if self._in_runs else split(text), step)

    def _replay_runs(self, selected: Steps) -> None:
        """Neighbours of one kind that only appended are one step: a log is read once per change of hands."""
        like = {step.like for step in self.history.steps}
        steps = self.history.steps
        rollbacks = [(number, step.undoes) for number, step in enumerate(steps) if step.undoes]

        def kind(number: int) -> object:
            alone = bool(steps[number].undoes) or steps[number].like is not None or number in like
            return number if alone else (number in selected, *(who for who, undone in rollbacks if number in undone))

        for _, run in groupby(range(len(steps)), kind):
            numbers = list(run)
            self._replay_run(numbers[0], numbers[-1], self._load(numbers[-1]))
            self._release(steps[numbers[0]].like)

    def _replay_run(self, first: int, last: int, data: bytes | None) -> None:
        """`data`: what the last one left."""
        before = self._versions[first - 1]
        if first == last:
            self._versions[last] = self._replayed(last, data)
            self._release(first - 1)
        elif before.data is not None and data is not None and data.startswith(before.data) and (
                grew(self._begins, range(first - 1, last), data)):
            self._versions[last] = self._edited(last, before, data)
            self._release(first - 1)
        else:
            middle = (first + last) // 2
            self._replay_run(first, middle, self._load(middle))
            self._replay_run(middle + 1, last, data)

    def _release(self, *used: int | None) -> None:
        """Forgets versions that no later step is made from: a long log would keep each of them whole."""
        for step in used:
            self._uses[step] -= 1
            if step is not None and not self._uses[step]:
                del self._versions[step]

    def _replayed(self, step: int, data: bytes | None) -> Version:
        parents, like = self.history.steps[step].parents, self.history.steps[step].like
        if len(parents) > 1:
            return self._merged(step, [(parent, self._versions[parent]) for parent in parents], data)
        before = self._versions[parents[0]]
        if like is not None and data is not None:
            return self._put_back(step, before, self._versions[like])
        if self.history.steps[step].undoes:
            return self._edited(step, self._undone(step, parents[0], before), data)
        if data is None or before.data is None:
            self._end_generation(step)
        return self._edited(step, before, data)

    def _end_generation(self, step: int) -> None:
        for line in self.ring:
            if self.history.sees(step, line.born):
                line.dels.append(step)

    def _undone(self, step: int, parent: int, before: Version) -> Version:
        lines = self.flipped(before, step, self.history.off(parent), self.history.off(step))
        there = lines or before.data is not None
        return Version(lines, b"".join(line.text + b"\n" for line in lines) if there else None)

    def _put_back(self, step: int, before: Version, like: Version) -> Version:
        wanted, here, off = set(like.lines), set(before.lines), self.history.off(step)
        for line in before.lines:
            if line not in wanted:
                line.dels.append(step)
        lines = []
        for line in like.lines:
            if line not in here and line.born in off:
                line = self.ring.insert(line, [line.text], step)[0]
            elif line not in here:
                line.back.append((step, frozenset(line.dels)))
            lines.append(line)
        return self._closed(Version(lines, like.data), step, off, self._load(step))

    def _edited(self, step: int, before: Version, data: bytes | None) -> Version:
        if data is None:
            for line in before.lines:
                if step not in line.dels:
                    line.dels.append(step)
            return Version([], None)
        old, new = before.data or b"", _ended(data)
        pieces = _Pieces(self.ring, before.lines)
        lines: list[Line] = []
        for change in changes(old, new, self._hunks):
            lines += pieces.up_to(change.start)
            dead = pieces.up_to(change.end)
            text = new[change.new_start : change.new_end]
            if dead and text:
                dead = [line for piece in dead for line in self.ring.singles(piece)]
                born = self.ring.insert(dead[-1], split(text), step)
            else:
                anchor = dead[-1] if dead else self._anchor(lines, at_end=change.start == len(old))
                born = self._born(anchor, text, step)
            self._record(step, dead, born)
            lines += born
        return self._closed(Version([*lines, *pieces.rest()], new), step, self.history.off(step), data)

    def _anchor(self, before: list[Line], *, at_end: bool) -> Line:
        """After which line of the weave an insertion stands. What comes at the end comes after everything."""
        if at_end:
            return self.ring.last
        return before[-1] if before else self.ring.top

    def _record(self, step: int, dead: list[Line], born: list[Line]) -> None:
        for line in dead:
            line.dels.append(step)
        if dead and born:
            self.replaced.append(Replaced(step, dead, born))

    def _closed(self, version: Version, step: int, off: Steps, data: bytes | None = None) -> Version:
        """Notes whether the last line has its LF."""
        data = version.data if data is None else data
        if version.lines and data is not None:
            has = data.endswith(b"\n")
            if version.lines[-1].ended(off) != has:
                version.lines[-1].ends.append((step, has))
            return Version(version.lines, _ended(data))
        return version

    # Merges

    def _merged(self, step: int, parents: list[tuple[int, Version]], data: bytes | None) -> Version:
        new = _ended(data or b"")
        lines = self._matched(step, [version for _, version in parents], new)
        self.ring.align(lines)
        kept = set(lines)
        for parent, version in parents:
            others = [(other, set(there.lines)) for other, there in parents if other != parent]
            for line in version.lines:
                if line not in kept and step not in line.dels and not self._taken(line, others):
                    line.dels.append(step)
        self._record_merge(step, kept)
        return self._closed(Version(lines, None if data is None else new), step, self.history.off(step), data)

    def _matched(self, step: int, versions: list[Version], new: bytes) -> list[Line]:
        """The lines of a merge's text: the first parent's that has it there, else the merge's own."""
        texts = split(new)
        found: list[Line | None] = [None] * len(texts)
        used: set[Line] = set()
        for version in versions:
            for at, line in self._equal(version, new, len(texts)):
                if found[at] is None and line not in used:
                    found[at] = line
                    used.add(line)
        lines: list[Line] = []
        for old, text in zip(found, texts, strict=True):
            lines.append(old or self.ring.insert(lines[-1] if lines else self.ring.top, [text], step)[0])
        return lines

    def _equal(self, version: Version, new: bytes, count: int) -> Iterator[tuple[int, Line]]:
        old_at = new_at = 0
        end = _Span(len(version.lines), 0, count, 0)
        for hunk in [*(self._hunks(version.data or b"", new) if version.data != new else ()), end]:
            yield from zip(range(new_at, hunk.new_start), version.lines[old_at : hunk.old_start], strict=True)
            old_at, new_at = hunk.old_start + hunk.old_len, hunk.new_start + hunk.new_len

    def _taken(self, line: Line, others: list[tuple[int, set[Line]]]) -> bool:
        """Whether one of the other parents knew the line and has it no more."""
        return any(line not in there and self.history.sees(other, line.born) for other, there in others)

    def _record_merge(self, step: int, kept: set[Line]) -> None:
        dead: list[Line] = []
        born: list[Line] = []
        for line in [*self.ring, self.ring.top]:
            if line.born == step:
                born.append(line)
            elif step in line.dels:
                dead.append(line)
            elif line in kept or line is self.ring.top:
                if dead and born:
                    self.replaced.append(Replaced(step, dead, born))
                dead, born = [], []


class _Pieces:
    """The lines of a version from the first to the last, cut where asked for."""

    def __init__(self, ring: Ring, lines: list[Line]) -> None:
        self._ring = ring
        self._lines = lines
        self._next = 0  # number of the line that begins at byte `_at`, or in which `_at` is
        self._at = 0
        self._cut: Line | None = None  # what is left of that line

    def up_to(self, end: int) -> list[Line]:
        """From where the last call ended."""
        found: list[Line] = []
        while self._at < end:
            line = self._cut or self._lines[self._next]
            size = len(line.text) + 1
            if self._at + size > end:
                size = end - self._at
                self._cut = self._ring.cut(line, size)
            else:
                self._cut = None
                self._next += 1
            found.append(line)
            self._at += size
        return found

    def rest(self) -> list[Line]:
        if self._cut is None:
            return self._lines[self._next:]
        return [self._cut, *self._lines[self._next + 1:]]


def _ended(data: bytes) -> bytes:
    return data if not data or data.endswith(b"\n") else data + b"\n"
