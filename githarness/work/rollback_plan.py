"""What a rollback would do: a function of the index, the objects and the selection, that changes nothing."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from functools import partial

from githarness import paths
from githarness.git.objects import FOLDER, PathChange
from githarness.git.reader import Reader
from githarness.lines.history import Steps
from githarness.policy import renames, trailers
from githarness.store import commits
from githarness.store.db import Connection
from githarness.store.rows import CommitRow
from githarness.work.asks import Progress
from githarness.work.rollback_file import FileHistory, Files
from githarness.work.rollback_select import Excluded, Selection, items, kept_out, select
from githarness.work.rollback_undo import Clash, Outcome, undo_file

SCOPE = ("Rollback-Scope", "changed-paths")  # undoes the named commits in the paths that it changes, not in all
Action = str  # restored | removed | recreated | merged | unchanged | conflict


@dataclass(frozen=True, slots=True)
class PathAction:
    path: str
    action: Action


@dataclass(frozen=True, slots=True)
class Conflict:
    path: str
    commits: tuple[str, ...]
    ours: str  # as it is now
    theirs: str  # as it would be


@dataclass(frozen=True, slots=True)
class RollbackPlan:
    rows: tuple[CommitRow, ...]  # what is undone, oldest first
    changes: tuple[PathChange, ...]
    renamed: tuple[tuple[str, str], ...]
    paths: tuple[PathAction, ...]
    conflicts: tuple[Conflict, ...]
    excluded: tuple[Excluded, ...]
    whole: bool  # undone in every path that they changed

    @property
    def trailers(self) -> tuple[tuple[str, str], ...]:
        return (*(("Rename", renames.text(old, new)) for old, new in self.renamed),
                *(("Rolls-Back", row.oid) for row in self.rows), *(() if self.whole else (SCOPE,)))


@dataclass(frozen=True, slots=True)
class _File:
    """A file that selected commits changed, and what undoing them makes of it."""

    rows: tuple[CommitRow, ...]
    outcome: Outcome
    clashes: tuple[Clash, ...] = ()
    skipped: bool = False

    @property
    def stays(self) -> bool:
        return bool(self.clashes) or self.skipped

    @property
    def touched(self) -> set[str]:
        return {self.outcome.was, self.outcome.name}


def make(conn: Connection, reader: Reader, wanted: Selection, *, skip: Collection[str] = (),
         progress: Progress | None = None) -> RollbackPlan:
    """`skip`: paths to leave as they are, because a person is editing them. The index must be that of head."""
    rows, excluded = select(conn, wanted)
    files, whole = _undone(Files(conn, partial(_is_partial, reader)), reader, rows, wanted.paths, progress)
    files = [replace(file, skipped=not file.touched.isdisjoint(skip)) for file in files]
    files = _without_collisions(files, reader, commits.head(conn) or "")
    excluded += [Excluded(why, path=path) for path, why in _kept_out(rows, files).items()]
    excluded += [Excluded("an uncommitted edit in the working tree", path=file.outcome.was)
                 for file in files if file.skipped]
    if wanted.commits:
        seen = {row.oid for file in files for row in file.rows}
        excluded += [Excluded("rolled back already", commit=row.oid) for row in rows if row.oid not in seen and whole]
    return _plan(files, excluded, whole=whole and not any(file.stays for file in files))


def _is_partial(reader: Reader, oid: str) -> bool:
    return SCOPE in trailers.parse(reader.commit(oid).message)


def _undone(files: Files, reader: Reader, rows: list[CommitRow], globs: tuple[str, ...], progress: Progress | None,
            ) -> tuple[list[_File], bool]:
    """The files in scope, and whether these are all that the commits changed."""
    by_oid = {row.oid: row for row in rows}
    covered: set[tuple[int, str]] = set()
    found: list[_File] = []
    whole = True
    pairs = [(row, path) for row, path in items(rows) if not kept_out(path)]
    for number, (row, path) in enumerate(pairs):
        if progress:
            progress(number, len(pairs))
        if (row.seq, path) in covered:
            continue
        turns = files.turns(row, path)
        covered.update((turn.row.seq, name) for turn in turns for name in (turn.was, turn.name))
        history = files.window(turns, by_oid)
        chosen = _chosen(history, by_oid) if history else frozenset()
        if history is None or not chosen:
            continue
        if not _in_scope(history, chosen, globs):
            whole = False
            continue
        found.append(_File(tuple(by_oid[history.turns[step].row.oid] for step in sorted(chosen)),
                           undo_file(history, chosen, reader)))
    return found, whole


def _chosen(file: FileHistory, oids: Collection[str]) -> Steps:
    """What is selected and not rolled back already."""
    return file.steps_of(oids) - file.history.off(file.history.head)


def _in_scope(file: FileHistory, chosen: Steps, globs: tuple[str, ...]) -> bool:
    names = {file.turns[file.history.head].name}
    names.update(name for step in chosen for name in (file.turns[step].was, file.turns[step].name))
    return not globs or any(paths.matches(glob, name) for glob in globs for name in names)


def _kept_out(rows: list[CommitRow], files: list[_File]) -> dict[str, str]:
    names = [path for _, path in items(rows)] + [name for file in files for name in sorted(file.touched)]
    return {path: why for path in names if (why := kept_out(path))}


def _without_collisions(files: list[_File], reader: Reader, head: str) -> list[_File]:
    """A file that would come back where another one is now clashes; two that would share a path do too."""
    moving = [file for file in files if not file.stays and file.outcome.changed]
    vacated = {one.was for one in (file.outcome for file in moving) if one.entry is None or one.name != one.was}
    taken: set[str] = set()
    out = []
    for file in files:
        name, entry = file.outcome.name, file.outcome.entry
        if file not in moving or entry is None or (file.outcome.before and name == file.outcome.was):
            out.append(file)
            continue
        other = _occupant(reader, head, name, vacated)
        if other or name in taken or kept_out(name):
            ours, theirs = (reader.blob(oid) if oid else b"" for oid in (other, file.outcome.before and entry.oid))
            clash = Clash(tuple(row.oid for row in file.rows), ours, file.outcome.data or theirs)
            out.append(replace(file, clashes=(clash,)))
        else:
            taken.add(name)
            out.append(file)
    return out


def _occupant(reader: Reader, head: str, name: str, vacated: Collection[str]) -> str | None:
    """The blob of a file that head has at `name`, below it, or in place of one of its folders."""
    parts = name.split("/")
    for depth in range(1, len(parts) + 1):
        at = "/".join(parts[:depth])
        entry = reader.entry(head, at)
        if entry is None:
            return None
        if entry.mode != FOLDER and at not in vacated:
            return entry.oid
    below = reader.files(head, name + "/") if entry and entry.mode == FOLDER else ()
    return next((found.oid for path, found in below if path not in vacated), None)


def _plan(files: list[_File], excluded: list[Excluded], *, whole: bool) -> RollbackPlan:
    moving = [file.outcome for file in files if not file.stays and file.outcome.changed]
    rows = {row.seq: row for file in files if not file.stays for row in file.rows}
    return RollbackPlan(
        tuple(rows[seq] for seq in sorted(rows)) if moving else (),
        _changes(moving),
        tuple((one.was, one.name) for one in moving if one.name != one.was),
        tuple(sorted((action for file in files for action in _actions(file)), key=lambda action: action.path)),
        tuple(Conflict(file.outcome.was, clash.commits, _shown(clash.ours), _shown(clash.theirs))
              for file in files for clash in file.clashes),
        tuple(excluded), whole)


def _changes(moving: list[Outcome]) -> tuple[PathChange, ...]:
    """One change per path, also where one file leaves a path that another one takes."""
    changes: dict[str, PathChange] = {}
    for one in moving:
        if one.name == one.was:
            changes[one.was] = PathChange(one.was, one.before, one.entry, one.data)
        else:
            there = changes.get(one.was)
            changes[one.was] = replace(there, old=one.before) if there else PathChange(one.was, one.before, None)
            old = changes[one.name].old if one.name in changes else None
            changes[one.name] = PathChange(one.name, old, one.entry, one.data)
    return tuple(changes.values())


def _actions(file: _File) -> Iterator[PathAction]:
    one = file.outcome
    if file.clashes:
        yield PathAction(one.was, "conflict")
    elif file.skipped or not one.changed:
        yield PathAction(one.was, "unchanged")
    elif one.entry is None:
        yield PathAction(one.was, "removed")
    elif one.name != one.was:
        yield PathAction(one.was, "removed")
        yield PathAction(one.name, "recreated")
    elif one.before is None:
        yield PathAction(one.was, "recreated")
    else:
        yield PathAction(one.was, "restored" if one.known else "merged")


def _shown(data: bytes) -> str:
    return data.decode("utf-8", "replace")
