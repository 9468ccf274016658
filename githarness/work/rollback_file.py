"""One file through its renames: the commits that changed it, what each left, and who follows whom.

A file keeps its identity when it is renamed (the `Rename` trailer), deleted and made anew; a file that takes a name
after another left it is a different one. Histories come from the commit index, its `main` and `seq` tell ancestry.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import NamedTuple

from githarness.git.objects import Entry
from githarness.lines.history import BASE, History, Step, Steps
from githarness.store import commits
from githarness.store.db import Connection
from githarness.store.rows import ChangeRow, CommitRow, Touch

Row = CommitRow | Touch


class Turn(NamedTuple):
    """What a commit did to the file; a rollback that left it as it is has `before` equal to `entry`."""

    row: Row
    was: str  # its name before
    before: Entry | None
    name: str
    entry: Entry | None


@dataclass(frozen=True, slots=True)
class FileHistory:
    """From the parent of the oldest commit that matters to head: turn N is step N of `history`."""

    turns: tuple[Turn, ...]
    history: History
    base_name: str
    base: Entry | None

    def steps_of(self, oids: Collection[str]) -> Steps:
        return frozenset(step for step, turn in enumerate(self.turns) if turn.row.oid in oids)


class Files:
    """Reads files' histories from one snapshot of the index. `partial(oid)`: whether a rollback undid its commits only
    in the paths that it changed."""

    def __init__(self, conn: Connection, partial: Callable[[str], bool]) -> None:
        self._conn = conn
        self._partial = lru_cache(maxsize=None)(partial)
        self._rows = lru_cache(maxsize=4096)(self._read_rows)
        self._ahead: dict[str, list[Touch]] = {}
        self._row = lru_cache(maxsize=65536)(self._read_row)
        self.rollbacks = commits.rollbacks(conn)

    def look_ahead(self, rows: Sequence[CommitRow]) -> None:
        """What was changed by these is asked for next: one question instead of one for each path."""
        self._ahead = commits.histories(self._conn, [row.seq for row in rows])

    def _read_rows(self, path: str, since: int = 0) -> dict[int, Touch]:
        ahead = self._ahead.get(path)
        if ahead and ahead[0].seq <= since:
            rows = {row.seq: row for row in ahead if row.seq >= since}
        else:
            rows = {row.seq: row for row in commits.history(self._conn, path, since=since)}
        moved = [_untouched(row) for row in self.rollbacks
                 if row.seq >= since and row.seq not in rows and any(path == old for old, _ in row.renames)]
        return dict(sorted((rows | {row.seq: row for row in moved}).items())) if moved else rows

    def _read_row(self, oid: str) -> CommitRow | None:
        return commits.get(self._conn, oid)

    def whole(self, rollback: CommitRow) -> bool:
        return not self._partial(rollback.oid)

    def turns(self, row: CommitRow, was: str, name: str) -> list[Turn]:
        """All that happened to the file that `row` found at `was` and left at `name`, oldest first; where nothing can
        make what came before `row` matter, from there on."""
        if was == name != _renamed(row, name):
            return self._with_rollbacks([*self._before(row.seq + 1, name), *self._from(row.seq + 1, name)])
        turns = self._from(row.seq, was)
        later = any(rollback.seq >= row.seq for rollback in self.rollbacks)
        if not later and all(turn.row.main and len(turn.row.parents) < 2 for turn in turns):
            return turns
        return self._with_rollbacks([*self._before(row.seq, was), *turns])

    def past(self, name: str) -> list[Turn]:
        """All that happened to the file that has this name at head, oldest first."""
        return self._with_rollbacks(self._before(1 << 62, name))

    def files_at(self, row: CommitRow, change: ChangeRow) -> list[tuple[str, str]]:
        """The names, before and after, of what a commit changed at a path: two where one file took another's place."""
        path = change.path
        came, went = self._came(row, path), _renamed(row, path)
        found = [names for names in ((came, path), (path, went)) if names != (path, path)]
        other = change.old_oid if came != path else change.new_oid  # beside the one that came or went
        return [*found, (path, path)] if not found or (len(found) == 1 and other) else found

    def _came(self, row: Row, name: str) -> str:
        """Where a commit took the file of this name from; one that it made under another name came from nowhere."""
        was = _renamed(row, name, back=True)
        return was if was == name or row.seq in self._rows(was) else name

    def _from(self, seq: int, name: str) -> list[Turn]:
        turns: list[Turn] = []
        moved = True
        while moved:
            moved = False
            for row in self._rows(name, seq).values():
                if not row.renames:
                    turns.append(Turn(row, name, _old(row, turns), name, _new(row)))
                    continue
                to = _renamed(row, name)
                if to == name and self._came(row, name) != name:
                    turns.append(Turn(row, name, _old(row), name, None))  # another file took its name
                    again = self._again(row, name)
                    if again is None:
                        return turns
                    turns.append(_born(again, name))
                    seq, moved = again.seq + 1, True
                    break
                after = self._rows(to, row.seq).get(row.seq, row) if to != name else row
                turns.append(Turn(row, name, _old(row), to, _new(after)))
                if to != name:
                    name, seq, moved = to, row.seq + 1, True
                    break
        return turns

    def _before(self, seq: int, name: str) -> list[Turn]:
        turns: list[Turn] = []
        moved = True
        while moved:
            moved = False
            for row in [row for number, row in reversed(self._rows(name).items()) if number < seq]:
                was = self._came(row, name)
                if was == name and _renamed(row, name) != name:  # the file that had the name before went elsewhere
                    turns += [_born(row, name)] if row.new_oid else []
                    over = self._over(row, name)
                    if over is None:
                        return turns[::-1]
                    turns.append(Turn(over, name, _old(over), name, None))
                    seq, moved = over.seq, True
                    break
                earlier = self._rows(was).get(row.seq, row) if was != name else row
                turns.append(Turn(row, was, _old(earlier), name, _new(row)))
                if was != name:
                    name, seq, moved = was, row.seq, True
                    break
        return turns[::-1]

    def _again(self, over: Touch, name: str) -> Touch | None:
        """The rollback that gave a file its place back, of the commit that put another one there."""
        return next((row for row in self._rows(name, over.seq).values()
                     if over.oid in row.rolls_back and self._came(row, name) == name and row.new_oid), None)

    def _over(self, again: Touch, name: str) -> Touch | None:
        """The commit that put another file in the place of the one that this rollback gave its place back."""
        return next((row for row in reversed(self._rows(name).values())
                     if row.oid in again.rolls_back and self._came(row, name) != name and row.old_oid), None)

    def _with_rollbacks(self, turns: list[Turn]) -> list[Turn]:
        """Adds the rollbacks that undid one of these commits without changing the file: its lines were gone already."""
        here = {turn.row.oid for turn in turns}
        for row in self.rollbacks:
            if row.oid in here or not row.main or here.isdisjoint(row.rolls_back) or not self.whole(row):
                continue
            at = bisect_right(turns, row.seq, key=lambda turn: turn.row.seq)
            last = next((turn for turn in reversed(turns[:at]) if turn.row.main), None)
            if last:
                turns.insert(at, Turn(row, last.name, last.entry, last.name, last.entry))
                here.add(row.oid)
        return turns

    def window(self, turns: list[Turn], selected: Collection[str]) -> FileHistory | None:
        """The part of the history that undoing `selected` needs; None where none of them is in what head has."""
        if all(_is_plain(turn.row) for turn in turns):
            return _line(turns, selected)
        parents = self._parents(turns)
        head = max((number for number, turn in enumerate(turns) if turn.row.main), default=None)
        kept = _reached(parents, head)
        undone = [self._undone(turns, number) for number in range(len(turns))]
        chosen = {number for number in kept if turns[number].row.oid in selected}
        if not chosen:
            return None
        first, base = _base(parents, undone, kept, min(chosen))
        return _file(turns, parents, undone, [number for number in kept if number >= first], base)

    def _undone(self, turns: list[Turn], number: int) -> Steps:
        named = turns[number].row.rolls_back
        if not named:
            return frozenset()
        oids = set(named)
        return frozenset(other for other in range(number) if turns[other].row.oid in oids)

    def _parents(self, turns: list[Turn]) -> list[tuple[int, ...]]:
        """Per turn, the turns that made what its parents have; BASE where the file has not been yet."""
        numbers = {turn.row.oid: number for number, turn in enumerate(turns)}
        main = [number for number, turn in enumerate(turns) if turn.row.main]
        seqs = [turns[number].row.seq for number in main]

        def last_main(seq: int) -> int:
            at = bisect_right(seqs, seq)
            return main[at - 1] if at else BASE

        def turn_of(oid: str) -> int:
            while oid not in numbers:
                row = self._row(oid)
                if row is None or row.main:
                    return last_main(row.seq) if row else BASE
                if not row.parents:
                    return BASE
                oid = row.parents[0]
            return numbers[oid]

        found: list[tuple[int, ...]] = []
        for turn in turns:
            plain = turn.row.main and len(turn.row.parents) < 2
            of = [last_main(turn.row.seq - 1)] if plain else [turn_of(oid) for oid in turn.row.parents]
            found.append(tuple(dict.fromkeys(of)) or (BASE,))
        return found


def _born(touch: Touch, name: str) -> Turn:
    return Turn(touch, name, None, name, _new(touch))


def _untouched(row: CommitRow) -> Touch:
    """A rollback that gave a file another name, of one that was not there."""
    return Touch(row.seq, row.oid, row.parents, row.main, row.agent, row.rolls_back, row.renames,
                 old_mode=None, old_oid=None, new_mode=None, new_oid=None)


def _renamed(row: Row, name: str, *, back: bool = False) -> str:
    """Where a commit took the file of this name, or `back` where it took it from. A rollback's renames happen at once,
    as two files may have to change places; any other's one after the other."""
    if row.rolls_back:
        return next((old if back else new for old, new in row.renames if name == (new if back else old)), name)
    for old, new in reversed(row.renames) if back else row.renames:
        if name == (new if back else old):
            name = old if back else new
    return name


def _old(touch: Touch, turns: Sequence[Turn] = ()) -> Entry | None:
    """Mostly it is what the last turn left."""
    last = turns[-1].entry if turns else None
    if last and last.oid == touch.old_oid and last.mode == touch.old_mode:
        return last
    return Entry(touch.old_mode, touch.old_oid) if touch.old_mode and touch.old_oid else None


def _new(touch: Touch) -> Entry | None:
    return Entry(touch.new_mode, touch.new_oid) if touch.new_mode and touch.new_oid else None


def _is_plain(row: Row) -> bool:
    """One commit after the other on the branch, and none that undoes another."""
    return row.main and len(row.parents) < 2 and not row.rolls_back


def _line(turns: list[Turn], selected: Collection[str]) -> FileHistory | None:
    """`Files.window` of plain turns: what it comes to where each is built on the one before."""
    first = next((number for number, turn in enumerate(turns) if turn.row.oid in selected), None)
    if first is None:
        return None
    here = tuple(turns[first:])
    name, entry = (turns[first - 1].name, turns[first - 1].entry) if first else (here[0].was, here[0].before)
    steps = [_follows(number) for number in range(len(here))]
    return FileHistory(here, History(_with_likes(here, entry, steps)), name, entry)


@lru_cache(maxsize=4096)
def _follows(step: int) -> Step:
    return Step((step - 1,))


def _reached(parents: list[tuple[int, ...]], head: int | None) -> list[int]:
    seen: set[int] = set()
    waiting = [] if head is None else [head]
    while waiting:
        number = waiting.pop()
        if number != BASE and number not in seen:
            seen.add(number)
            waiting += parents[number]
    return sorted(seen)


def _base(parents: list[tuple[int, ...]], undone: list[Steps], kept: list[int], first: int) -> tuple[int, int]:
    """The first turn to replay, and the one turn (or BASE) that all from there on are built on.

    What a later rollback undid is replayed too: its effect is gone, also from what was there before.
    """
    while True:
        replayed = [number for number in kept if number >= first]
        earliest = min((other for number in replayed for other in undone[number]), default=first)
        before = {parent for number in replayed for parent in parents[number] if parent < first}
        if earliest < first:
            first = earliest
        elif len(before) == 1:
            return first, before.pop()
        else:
            first = max(before)


def _file(turns: list[Turn], parents: list[tuple[int, ...]], undone: list[Steps], kept: list[int], base: int,
          ) -> FileHistory:
    number_of = {number: step for step, number in enumerate(kept)}
    steps = [Step(tuple(dict.fromkeys(number_of.get(parent, BASE) for parent in parents[number])),
                  frozenset(number_of[other] for other in undone[number] if other in number_of)) for number in kept]
    here = tuple(turns[number] for number in kept)
    name, entry = (here[0].was, here[0].before) if base == BASE else (turns[base].name, turns[base].entry)
    return FileHistory(here, History(_with_likes(here, entry, steps)), name, entry)


def _with_likes(turns: tuple[Turn, ...], base: Entry | None, steps: list[Step]) -> list[Step]:
    """Notes where a person put back an earlier version as it was. An agent's equal text is the agent's own."""
    if all(turn.row.agent is not None for turn in turns):
        return steps
    history = History(steps)
    seen: dict[str, list[int]] = {base.oid: [BASE]} if base else {}
    for step, turn in enumerate(turns):
        if turn.entry is None:
            continue
        same = seen.setdefault(turn.entry.oid, [])
        plain = turn.row.agent is None and len(steps[step].parents) == 1 and not steps[step].undoes
        if plain and (turn.before is None or turn.before.oid != turn.entry.oid):
            like = next((other for other in reversed(same) if history.sees(step, other)), None)
            steps[step] = replace(steps[step], like=like)
        same.append(step)
    return steps
