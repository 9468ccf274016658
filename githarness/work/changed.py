"""What somebody changed in a worktree: each changed path with what its file was made from.

In a run's own worktree that is the commit it was made at, or the newest of the governed branch that the agent has taken
in since (merge, rebase, checkout); where a path was captured before, it is what was captured. In a worktree that others
use too it is what the index says, or HEAD where the change is staged already.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from githarness import paths
from githarness.errors import NotFound, Usage
from githarness.git import index, refs, snapshot
from githarness.git.objects import SUBMODULE, Entry, PathChange
from githarness.git.porcelain import Git
from githarness.git.repo import Checkout
from githarness.git.repo import head as head_of
from githarness.git.snapshot import Snapshot
from githarness.store import bases
from githarness.store.rows import RunRow
from githarness.work.asks import Ask
from githarness.work.parts import Parts

_ABSENT = "absent"
_BASE = ""  # where a path has its blob, the book has the commit that the rest of the worktree comes from


@dataclass(frozen=True, slots=True)
class Source:
    """Whose worktree is captured. `only`: files and folders, all where empty. `ask`: its operations still to come."""

    run: RunRow
    checkout: Checkout
    ask: Ask
    only: tuple[str, ...] = ()

    @property
    def own(self) -> bool:
        return self.run.worktree == str(self.checkout.root)


@dataclass(frozen=True, slots=True)
class Found:
    """`base`: the commit that the worktree comes from. `known`: what was captured of it. The rest is as in Snapshot."""

    base: str
    changes: list[PathChange]
    nested: tuple[str, ...]
    unmerged: frozenset[str]
    known: dict[str, Entry | None] = field(default_factory=dict)


def find(parts: Parts, git: Git, source: Source) -> Found:
    """Raises NotFound where worktree or path are not there, Usage for a shared worktree without paths, Unavailable."""
    if not source.checkout.root.is_dir():
        raise NotFound(f"the worktree '{source.checkout.root}' is gone", fix=f"githarness runs show {source.run.id}")
    if not source.own and not source.only:
        raise Usage(f"run '{source.run.id}' has no worktree of its own", fix="name the paths to capture")
    for path in source.only:
        paths.check(path)
    return _in_own(parts, git, source) if source.own else _in_shared(parts, git, source)


def _in_own(parts: Parts, git: Git, source: Source) -> Found:
    base, known = _standing(parts, source)
    snap = _snapshot(parts, git, source, _present(parts, source, base, known))
    changes = {change.path: change for change in _differing(parts, base, snap)}
    for path in known.keys() - changes.keys():  # as at the base: what was captured of it has been taken back
        entry = parts.reader.entry(base, path)
        changes[path] = PathChange(path, entry, entry)
    bound = [replace(change, old=known.get(change.path, change.old)) for change in changes.values()
             if _named(change.path, source.only)]
    return replace(_found(base, bound, snap), known=known)


def _snapshot(parts: Parts, git: Git, source: Source, only: list[str] | None) -> Snapshot:
    return snapshot.take(git, source.checkout, folder_of(parts, source) / "snapshot", only)


def folder_of(parts: Parts, source: Source) -> Path:
    """For files of captures: in the linked worktree's git directory, which goes with it."""
    git_dir = source.checkout.git_dir
    return parts.repo.home if git_dir == parts.repo.common_dir else git_dir


def _standing(parts: Parts, source: Source) -> tuple[str, dict[str, Entry | None]]:
    """The commit that the worktree comes from now, and by path what was captured of it since."""
    with parts.db.read() as conn:
        written = bases.seen(conn, book_of(source.run.id))
    began = written.pop(_BASE, source.run.start_commit)
    if began is None:
        raise NotFound(f"run '{source.run.id}' has no commit that it began at", fix="githarness runs list")
    known = {path: None if text == _ABSENT else Entry(*text.split(" ", 1)) for path, text in written.items()}
    base = _taken_in(parts, source.checkout, began)
    if base != began:
        before, now = (parts.reader.commit(oid).tree for oid in (began, base))
        for change in parts.reader.diff_trees(before, now):
            known.pop(change.path, None)
    return base, known


def _taken_in(parts: Parts, checkout: Checkout, began: str) -> str:
    own, head = _head_commit(parts, checkout), refs.read(parts.repo.common_dir, parts.ref)
    if own in (None, began) or head is None:
        return began
    shared = parts.reader.merge_base(own or began, head)
    return shared if shared and parts.reader.is_ancestor(began, shared) else began


def _head_commit(parts: Parts, checkout: Checkout) -> str | None:
    ref = head_of(checkout.git_dir)
    if ref is not None:
        return refs.read(parts.repo.common_dir, ref)
    return (checkout.git_dir / "HEAD").read_text(encoding="ascii").strip()


def _in_shared(parts: Parts, git: Git, source: Source) -> Found:
    base = _head_commit(parts, source.checkout)
    if base is None:
        raise NotFound(f"there is no commit at HEAD of '{source.checkout.root}'", fix="git commit")
    snap = _snapshot(parts, git, source, _present(parts, source, base, {}))
    entries = _index(source.checkout)
    bound = []
    for change in _differing(parts, base, snap):
        if _named(change.path, source.only):
            indexed = entries.get(change.path.encode("utf-8", "surrogateescape"))
            made_from = Entry(f"{indexed.mode:o}", indexed.oid) if indexed and not indexed.intended else None
            bound.append(change if made_from == change.new else replace(change, old=made_from))
    return _found(base, bound, snap)


def _index(checkout: Checkout) -> index.Index:
    try:
        return index.parse((checkout.git_dir / "index").read_bytes(), 0)
    except FileNotFoundError:
        return index.Index()


def _present(parts: Parts, source: Source, base: str, known: Mapping[str, object]) -> list[str] | None:
    """Those of the paths asked for that git can be told of. Raises NotFound where one is and was nothing at all."""
    if not source.only:
        return None
    entries = _index(source.checkout)
    there = []
    for path in source.only:
        name = path.encode()
        if os.path.lexists(source.checkout.root / path) or entries.get(name) or any(entries.under(name)):
            there.append(path)
        elif path not in known and parts.reader.entry(base, path) is None:
            raise NotFound(f"there is no file '{path}' in '{source.checkout.root}'",
                           fix="name a file from the top of the worktree", details={"path": path})
    return there


def _differing(parts: Parts, base: str, snap: Snapshot) -> tuple[PathChange, ...]:
    return parts.reader.diff_trees(parts.reader.commit(base).tree, snap.tree)


def _named(path: str, only: tuple[str, ...]) -> bool:
    return not only or any(path == one or path.startswith(one + "/") for one in only)


def _found(base: str, bound: list[PathChange], snap: Snapshot) -> Found:
    """Without repositories that have come into the worktree: what is in them is not the worktree's."""
    changes = [change for change in bound if change.old != change.new and not _is_nested(change)]
    return Found(base, changes, snap.nested, snap.unmerged)


def _is_nested(change: PathChange) -> bool:
    came = change.new is not None and change.new.mode == SUBMODULE
    return came and (change.old is None or change.old.mode != SUBMODULE)


def learn(parts: Parts, source: Source, found: Found, seen: Mapping[str, Entry | None]) -> None:
    """`seen` was dealt with: what these files are from now on is compared with that."""
    if source.own:
        known = {**found.known, **seen}
        written = {path: f"{entry.mode} {entry.oid}" if entry else _ABSENT for path, entry in known.items()}
        with parts.db.write(durable=False) as conn:
            bases.forget(conn, book_of(source.run.id))
            bases.put(conn, book_of(source.run.id), {**written, _BASE: found.base})


def book_of(run: str) -> str:
    """Apart from what the run itself has read and written: its worktree does not follow those."""
    return run + "#worktree"
