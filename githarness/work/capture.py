"""What an agent changed in a worktree becomes attributed writes; what does not fit is held, never lost.

Git itself says what changed: the files are added to a scratch copy of the worktree's index, so ignore rules, line ends
and modes are judged as `git add` judges them, and its real index stays as the agent left it.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from githarness import paths
from githarness.errors import BadPath, Denied, HarnessError, NotFound, Refused, Usage
from githarness.git import refs
from githarness.git.objects import EXECUTABLE, FILE, Entry, PathChange
from githarness.git.porcelain import Git
from githarness.seal.signer import Signer
from githarness.store import bases
from githarness.store.rows import RunRow
from githarness.work import held
from githarness.work.asks import Ask, Lane, Written
from githarness.work.held import Reason, op_of
from githarness.work.parts import Parts

_WRITABLE = (FILE, EXECUTABLE)
_Refusal = tuple[PathChange, HarnessError]


@dataclass(frozen=True, slots=True)
class HeldPath:
    id: str
    path: str
    why: str  # the code of the error that a write of it raised


@dataclass(frozen=True, slots=True)
class Captured:
    written: Written | None  # None: nothing landed
    held: tuple[HeldPath, ...] = ()


@dataclass(frozen=True, slots=True)
class Source:
    """Whose worktree is captured. `only`: paths, all where empty."""

    run: RunRow
    worktree: Path
    ask: Ask  # the ask to land, its operations still to come
    only: tuple[str, ...] = ()


def capture(parts: Parts, git: Git, lane: Lane, source: Source, signer: Signer) -> Captured:
    """One commit of what landed. `git` works in the worktree.

    Raises NotFound where the worktree is gone, Usage for a shared worktree without paths, Unavailable where disks or
    git fail.
    """
    base = source.run.start_commit or _shared(parts, source)
    changes = _since_last(parts, source, changed(parts, git, source, base))
    if not changes:
        return Captured(None)
    written, refused = _land(parts, lane, source, changes)
    if written is not None:
        _catch_up(parts, source, changes, written)
    kept = []
    for change, error in refused:
        reason = Reason(source.run.agent, source.run.id, error.code, source.ask.message or "")
        kept.append(HeldPath(held.hold(parts, base, change, reason, signer), change.path, error.code))
        _learn(parts, source, {change.path: change.new.oid if change.new else "absent"})
    return Captured(written, tuple(kept))


def _shared(parts: Parts, source: Source) -> str:
    """The base in a worktree that several use: head, because a write to a file with an edit is refused as dirty."""
    if not source.only:
        raise Usage(f"run '{source.run.id}' has no worktree of its own", fix="name the paths to capture")
    head = refs.read(parts.repo.common_dir, parts.ref)
    if head is None:
        raise NotFound(f"the governed branch '{parts.ref}' has no commit", fix="githarness init")
    return head


def changed(parts: Parts, git: Git, source: Source, base: str) -> list[PathChange]:
    """What differs between `base` and the files of the worktree."""
    if not source.worktree.is_dir():
        raise NotFound(f"the worktree '{source.worktree}' is gone", fix=f"githarness runs show {source.run.id}")
    tree = git.snapshot(parts.repo.home / f"capture-{os.getpid()}.index", source.only)
    found = list(parts.reader.diff_trees(parts.reader.commit(base).tree, tree))
    listed = {change.path for change in found}
    for path in _captured(parts, source):
        if path not in listed:  # as it was at the base: what was captured of it has been taken back
            entry = parts.reader.entry(base, path)
            found.append(PathChange(path, entry, entry))
    return [change for change in found if not source.only or _named(change.path, source.only)]


def _named(path: str, only: Sequence[str]) -> bool:
    return any(path == one or path.startswith(one.rstrip("/") + "/") for one in only)


def _captured(parts: Parts, source: Source) -> dict[str, str]:
    """By path, the blob that this run captured last; `absent` for a deletion. Apart from what the run has read."""
    with parts.db.read() as conn:
        return bases.seen(conn, book_of(source.run.id))


def book_of(run: str) -> str:
    return run + "#worktree"


def _since_last(parts: Parts, source: Source, changes: list[PathChange]) -> list[PathChange]:
    """Bound to what this run captured before, where it did: that blob is the base of what came afterwards."""
    known = _captured(parts, source)
    bound = []
    for change in changes:
        base = known.get(change.path)
        if base is not None:
            mode = change.old.mode if change.old else change.new.mode if change.new else FILE
            change = replace(change, old=None if base == "absent" else Entry(mode, base))
        if change.old != change.new:
            bound.append(change)
    return bound


def _land(parts: Parts, lane: Lane, source: Source, changes: list[PathChange]) -> tuple[Written | None, list[_Refusal]]:
    """Lands all that can land in one commit; the rest comes back with what was wrong."""
    refused = [(change, problem) for change in changes if (problem := _unwritable(change))]
    left = [change for change in changes if change not in [one for one, _ in refused]]
    while left:
        try:
            ops = tuple(op_of(parts, change) for change in left)
            return lane.write(replace(source.ask, ops=ops, merge=True)), refused
        except (Refused, Denied, BadPath) as error:
            named = _blamed(error, left)
            if named is None:
                raise
            refused.append((named, error))
            left.remove(named)
    return None, refused


def _unwritable(change: PathChange) -> HarnessError | None:
    try:
        paths.check(change.path)
    except BadPath as error:
        return error
    modes = [entry.mode for entry in (change.old, change.new) if entry]
    good = all(mode in _WRITABLE for mode in modes)
    return None if good else BadPath(f"'{change.path}' is a symbolic link or a repository of its own")


def _blamed(error: HarnessError, changes: list[PathChange]) -> PathChange | None:
    named = error.details.get("path")
    if named is None and isinstance(listed := error.details.get("paths"), list):
        named = listed[0]
    by_path = {change.path: change for change in changes}
    if isinstance(named, str) and named in by_path:
        return by_path[named]
    return next((change for change in changes if f"'{change.path}'" in error.message), None)


def _catch_up(parts: Parts, source: Source, changes: list[PathChange], written: Written) -> None:
    """Where a merge landed, the agent's file becomes the merged one, unless the agent wrote meanwhile."""
    landed = {one.path: one for one in written.paths}
    learned: dict[str, str | None] = {}
    for change in changes:
        one = landed.get(change.path)
        if one is None:
            continue
        learned[change.path] = one.blob or "absent"
        if one.merged and one.blob and not _replace(parts, source.worktree / change.path, change, one.blob):
            learned[change.path] = change.old.oid if change.old else None
    _learn(parts, source, learned)


def _replace(parts: Parts, file: Path, change: PathChange, blob: str) -> bool:
    before = parts.reader.blob(change.new.oid) if change.new else b""
    temporary = file.with_name(f".{file.name}.githarness")
    with contextlib.suppress(OSError):
        if file.is_symlink() or file.read_bytes() != before:
            return False
        temporary.write_bytes(parts.reader.blob(blob))
        temporary.chmod(file.stat().st_mode)
        os.replace(temporary, file)
        return True
    return False


def _learn(parts: Parts, source: Source, seen: dict[str, str | None]) -> None:
    book = book_of(source.run.id)
    with parts.db.write(durable=False) as conn:
        bases.put(conn, book, {path: blob for path, blob in seen.items() if blob is not None})
        bases.drop(conn, book, [path for path, blob in seen.items() if blob is None])
