"""What a rollback would do: a function of the index, the objects and the selection, that changes nothing."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from functools import partial

from githarness.git.objects import FOLDER, PathChange
from githarness.git.reader import Reader
from githarness.lines.history import Steps
from githarness.policy import renames, trailers
from githarness.store import commits
from githarness.store.db import Connection
from githarness.store.rows import CommitRow
from githarness.work.asks import Progress
from githarness.work.rollback_file import FileHistory, Files
from githarness.work.rollback_select import Excluded, Selection, in_scope, items, kept_out, select
from githarness.work.rollback_undo import Clash, Outcome, undo_file

SCOPE = ("Rollback-Scope", "changed-paths")  # undoes the named commits in the paths that it changes, not in all
_AHEAD = 256  # commits whose paths' histories are read at once
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
    clashes: tuple[Clash, ...]
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
    rows, excluded = select(conn, reader, wanted)
    survey = _Survey(Files(conn, partial(is_partial, reader)), reader, rows, wanted.paths)
    survey.run(progress)
    files = [replace(file, skipped=not file.touched.isdisjoint(skip)) for file in survey.files]
    files = _without_collisions(files, reader, commits.head(conn) or "")
    excluded += [Excluded(why, path=path) for path, why in _kept_out(rows, files, wanted.paths).items()]
    excluded += [Excluded("an uncommitted edit in the working tree", path=file.outcome.was)
                 for file in files if file.skipped]
    undone = {row.oid for file in files for row in file.rows}
    if wanted.commits:
        excluded += [Excluded("rolled back already", commit=oid) for oid in sorted(survey.before - undone)]
    whole = undone.isdisjoint(survey.before | survey.beyond) and not any(file.stays for file in files)
    return _plan(files, excluded, whole=whole)


def is_partial(reader: Reader, oid: str) -> bool:
    """Whether a rollback undid its commits only in the paths that it changed."""
    return SCOPE in trailers.parse(reader.commit(oid).message)


class _Survey:
    """Finds the files that selected commits changed, each once, and undoes the commits in those in scope."""

    def __init__(self, histories: Files, reader: Reader, rows: list[CommitRow], globs: tuple[str, ...]) -> None:
        self.files: list[_File] = []
        self.before: set[str] = set()  # commits that are rolled back already in one of their files
        self.beyond: set[str] = set()  # commits that changed a file out of scope, too
        self._histories, self._reader, self._globs = histories, reader, globs
        self._rows = {row.oid: row for row in rows}
        self._seen: set[tuple[int, str, str]] = set()

    def run(self, progress: Progress | None) -> None:
        rows = list(self._rows.values())
        for number, row in enumerate(rows):
            if progress:
                progress(number, len(rows))
            if number % _AHEAD == 0:
                self._histories.look_ahead(rows[number : number + _AHEAD])
            for change in row.changes:
                for was, name in self._histories.files_at(row, change) if not kept_out(change.path) else ():
                    if (row.seq, was, name) not in self._seen:
                        self._look_at(row, was, name)

    def _look_at(self, row: CommitRow, was: str, name: str) -> None:
        turns = self._histories.turns(row, was, name)
        self._seen.update((turn.row.seq, turn.was, turn.name) for turn in turns if turn.row.oid in self._rows)
        file = self._histories.window(turns, self._rows)
        if file is None:
            return
        steps, off = file.steps_of(self._rows), file.history.off(file.history.head)
        self.before.update(file.turns[step].row.oid for step in steps & off)
        chosen = steps - off
        undone = [self._rows[file.turns[step].row.oid] for step in sorted(chosen)]
        if not _in_scope(file, chosen, self._globs):
            self.beyond.update(row.oid for row in undone)
        elif chosen:
            outcome = undo_file(file, chosen, self._reader)
            self.files.append(_File(tuple(undone), outcome, outcome.clashes))


def _in_scope(file: FileHistory, chosen: Steps, globs: tuple[str, ...]) -> bool:
    names = {file.turns[file.history.head].name}
    names.update(name for step in chosen for name in (file.turns[step].was, file.turns[step].name))
    return in_scope(globs, names)


def _kept_out(rows: list[CommitRow], files: list[_File], globs: tuple[str, ...]) -> dict[str, str]:
    names = [path for _, path in items(rows)] + [name for file in files for name in sorted(file.touched)]
    return {path: why for path in names if in_scope(globs, [path]) and (why := kept_out(path))}


def _without_collisions(files: list[_File], reader: Reader, head: str) -> list[_File]:
    """A file that would come back where another one is now clashes; two that would share a path do too. What clashes
    stays where it is, which may be in the way of the next."""
    while (checked := _checked(files, reader, head)) != files:
        files = checked
    return files


def _checked(files: list[_File], reader: Reader, head: str) -> list[_File]:
    moving = [file for file in files if not file.stays and file.outcome.changed]
    vacated = {one.was for one in (file.outcome for file in moving) if one.entry is None or one.name != one.was}
    taken: set[str] = set()
    out = []
    for file in files:
        name, entry = file.outcome.name, file.outcome.entry
        arrives = not file.stays and (file.outcome.before is None or name != file.outcome.was)
        if entry is None or not arrives:
            out.append(file)
            continue
        other = _occupant(reader, head, name, vacated)
        if other or name in taken or kept_out(name):
            ours = reader.blob(other) if other else b""
            theirs = reader.blob(entry.oid) if file.outcome.data is None else file.outcome.data
            out.append(replace(file, clashes=(Clash(tuple(row.oid for row in file.rows), ours, theirs),)))
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
    changes = _changes(moving)
    same = {change.path for change in changes if change.old == change.new}  # one went, its equal came: no rename to git
    return RollbackPlan(
        tuple(rows[seq] for seq in sorted(rows)) if moving else (),
        tuple(change for change in changes if change.path not in same),
        tuple((one.was, one.name) for one in moving if one.name != one.was and one.name not in same),
        tuple(sorted((action for file in files for action in _actions(file)), key=lambda action: action.path)),
        tuple(Conflict(file.outcome.was, clash.commits, _shown(clash.ours), _shown(clash.theirs))
              for file in files for clash in file.clashes),
        tuple(excluded), whole)


def _changes(moving: list[Outcome]) -> tuple[PathChange, ...]:
    """One change per path, also where one file leaves a path that another one takes."""
    changes: dict[str, PathChange] = {}
    for one in moving:
        for path, old, new in ((one.was, one.before, None), (one.name, None, one.entry)):
            there = changes.get(path, PathChange(path, None, None))
            changes[path] = PathChange(path, old or there.old, new or there.new, one.data if new else there.data)
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
