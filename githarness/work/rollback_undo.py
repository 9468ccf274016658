"""One file without the effect of selected commits: its text by the weave, all else by its last standing value."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from githarness.git.objects import EXECUTABLE, FILE, Entry, oid_of
from githarness.git.reader import Reader
from githarness.lines import follow
from githarness.lines import undo as lines
from githarness.lines.history import BASE, Steps
from githarness.lines.hunk import is_binary
from githarness.lines.register import Register
from githarness.lines.weave import Weave
from githarness.work.rollback_file import FileHistory

_REGULAR = (FILE, EXECUTABLE)


@dataclass(frozen=True, slots=True)
class Clash:
    commits: tuple[str, ...]
    ours: bytes
    theirs: bytes


@dataclass(frozen=True, slots=True)
class Outcome:
    """The file at head, and as it would be."""

    was: str
    before: Entry | None
    name: str
    entry: Entry | None
    data: bytes | None = None  # of `entry`, where the repository may not have it
    known: bool = False  # `entry` is what the file has been before
    clashes: tuple[Clash, ...] = ()

    @property
    def changed(self) -> bool:
        return self.entry != self.before or (self.entry is not None and self.name != self.was)


class _Opaque(Exception):
    """A version of the file is no text."""


def undo_file(file: FileHistory, chosen: Steps, reader: Reader) -> Outcome:
    head = file.turns[file.history.head]
    if len(chosen) == len(file.turns) and not any(turn.row.rolls_back for turn in file.turns):
        name = file.base_name if file.base else head.name
        return Outcome(head.name, head.entry, name, file.base, known=True)  # nobody came after them
    name = Register(file.history, file.base_name, [turn.name for turn in file.turns]).without(chosen)
    try:
        entry, data, clashes = _text(file, chosen, reader)
    except _Opaque:
        entry, data, clashes = _opaque(file, chosen), None, ()
    known = entry is None or any(at is not None and at.oid == entry.oid for at in _entries(file))
    return Outcome(head.name, head.entry, name if entry else head.name, entry, None if known else data, known, clashes)


def weave(file: FileHistory, selected: Steps, reader: Reader) -> Weave | None:
    """The file's lines with what became of each; None where a version of it is no text."""
    if any(entry and entry.mode not in _REGULAR for entry in _entries(file)):
        return None
    try:
        return Weave(file.history, _loader(file, reader), hunks=reader.hunks, begins=_measure(file, reader),
                     selected=selected)
    except _Opaque:
        return None


def _entries(file: FileHistory) -> list[Entry | None]:
    return [file.base, *(turn.entry for turn in file.turns)]


def _text(file: FileHistory, chosen: Steps, reader: Reader) -> tuple[Entry | None, bytes | None, tuple[Clash, ...]]:
    if any(entry and entry.mode not in _REGULAR for entry in _entries(file)):
        raise _Opaque
    found = _undone(file, chosen, reader)
    clashes = tuple(Clash(tuple(_oid(file, step) for step in clash.steps if step != BASE), clash.ours, clash.theirs)
                    for clash in found.clashes)
    there = Register(file.history, file.base is not None, [turn.entry is not None for turn in file.turns])
    if not found.lines and not there.without(chosen):
        return None, None, clashes
    return Entry(_mode(file, chosen), oid_of("blob", found.data)), found.data, clashes


def _undone(file: FileHistory, chosen: Steps, reader: Reader) -> lines.Undone:
    load, begins = _loader(file, reader), _measure(file, reader)
    data = follow.undone(file.history, load, chosen, hunks=reader.hunks, begins=begins)
    if data is not None:
        return lines.Undone(data, data.count(b"\n"))
    return lines.undo(Weave(file.history, load, hunks=reader.hunks, begins=begins, selected=chosen), chosen)


def _loader(file: FileHistory, reader: Reader) -> Callable[[int], bytes | None]:
    entries = _entries(file)

    @lru_cache(maxsize=4)
    def load(step: int) -> bytes | None:
        entry = entries[step + 1]
        data = reader.blob(entry.oid) if entry else None
        if data is not None and is_binary(data):
            raise _Opaque
        return data

    return load


def _measure(file: FileHistory, reader: Reader) -> Callable[[int, bytes], int | None]:
    """By size and id: a text that another one begins with need not be read to be known."""

    entries = _entries(file)

    def begins(step: int, data: bytes) -> int | None:
        entry = entries[step + 1]
        if entry is None:
            return None
        size = reader.size(entry.oid)
        return size if size <= len(data) and oid_of("blob", data[:size]) == entry.oid else None

    return begins


def _oid(file: FileHistory, step: int) -> str:
    return file.turns[step].row.oid


def _mode(file: FileHistory, chosen: Steps) -> str:
    """What the last standing change of the executable bit says; a deletion says nothing."""
    values: list[str | None] = [file.base.mode if file.base else None]
    for turn in file.turns:
        values.append(turn.entry.mode if turn.entry else values[-1])
    standing = Register(file.history, values[0], values[1:]).without(chosen)
    return standing or next(value for value in reversed(values) if value)


def _opaque(file: FileHistory, chosen: Steps) -> Entry | None:
    """Type and content together, as the last commit that stands and changed them left them."""
    kinds = [(entry.oid, None if entry.mode in _REGULAR else entry.mode) if entry else None for entry in _entries(file)]
    found = Register(file.history, kinds[0], kinds[1:]).without(chosen)
    if found is None:
        return None
    oid, special = found
    if special is None and all(entry is None or entry.mode in _REGULAR for entry in _entries(file)):
        return Entry(_mode(file, chosen), oid)
    return next(entry for entry in reversed(_entries(file)) if entry and entry.oid == oid)
