"""Reads a repository's objects, history and differences, by libgit2. No ref is ever written here.

Objects are what their ids say: `refs/replace` is not asked, and a wrong digest is Integrity. A pack that appears, or
takes another's place, after this was opened is found.
"""

from __future__ import annotations

import os
import re
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache

import pygit2
from pygit2.enums import DiffOption, ObjectType, SortMode

from githarness.errors import HarnessError, Integrity, NotFound, Unavailable
from githarness.git import commits, library, treediff
from githarness.git import repo as repository
from githarness.git.commits import Commit
from githarness.git.objects import FOLDER, Entry, Kind, PathChange, oid_of
from githarness.git.repo import Repo

__all__ = ["Commit", "Hunk", "Reader"]

_BINARY_WINDOW = 8000  # git's buffer_is_binary looks no further
_GONE = 100  # packs that the library may keep mapped though they have gone; from here on it lets go of all
_OID = re.compile(r"[0-9a-f]{40}")
_SEARCH = re.compile(r":|\^\{/|\0")  # `:/text`, `REV^{/text}`, `REV:path`: a search or no commit; NUL would cut it
_MAX_REV = 1000


@dataclass(frozen=True, slots=True)
class Hunk:
    """Lines of `old` that lines of `new` take the place of: 0-based, without context; either length may be 0."""

    old_start: int
    old_len: int
    new_start: int
    new_len: int


class Reader:
    strict = False  # whether a tree with a name that stands twice is malformed
    cached_trees = 16  # a walk compares each tree with its successor

    def __init__(self, repo: Repo) -> None:
        self.repo = self._repo = repo
        self._tree = lru_cache(maxsize=self.cached_trees)(self.tree)
        self._open()

    def _open(self) -> None:
        self._shallow_file = _stamp(self._repo)
        self._shallow = repository.shallow_roots(self._repo)
        self._loose = library.Loose(self._repo)
        self._library = library.opened(self._repo, self._loose)
        self._odb = self._library.odb

    def _current(self) -> pygit2.Repository:
        if self._loose.gone > _GONE or _stamp(self._repo) != self._shallow_file:
            self._open()
        return self._library

    def _store(self) -> pygit2.Odb:
        if self._loose.gone > _GONE:
            self._open()
        return self._odb

    def has(self, oid: str) -> bool:
        return _OID.fullmatch(oid) is not None and oid in self._store()

    def has_blob(self, oid: str) -> bool:
        return self.has(oid) and self._header(oid)[0] == ObjectType.BLOB

    def size(self, oid: str) -> int:
        return self._header(oid)[1]

    def blob(self, oid: str) -> bytes:
        return self._data(oid, "blob")

    def tree(self, oid: str) -> bytes:
        return self._data(oid, "tree")

    def commit(self, oid: str) -> Commit:
        """At the edge of a shallow clone a commit has no parents, as for git."""
        commit = commits.parse(oid, self._data(oid, "commit"))
        self._current()
        return replace(commit, parents=()) if oid in self._shallow else commit

    def is_cut_off(self, oid: str) -> bool:
        """Whether a commit is at the edge of a shallow clone: what came before it cannot be known."""
        self._current()
        return oid in self._shallow

    def _header(self, oid: str) -> tuple[int, int]:
        with self._mapped(oid):
            return self._store().read_header(oid)

    def _data(self, oid: str, kind: Kind) -> bytes:
        try:
            found, data = self._loose.packed(oid)
        except (KeyError, pygit2.GitError):
            with self._mapped(oid):
                found, data = self._store().read(oid)
        if found != library.KINDS[kind]:
            raise Integrity(f"object '{oid}' is a {ObjectType(found).name.lower()}, not a {kind}", fix="git fsck")
        if oid_of(kind, data) != oid:
            raise _unreadable(oid, "it is corrupt")
        return data

    @contextmanager
    def _mapped(self, oid: str) -> Iterator[None]:
        """What libgit2 says about an object that cannot be had, in our errors."""
        try:
            yield
        except KeyError as error:
            raise self._missing(oid) from error
        except pygit2.GitError as error:
            named = re.search(r"no match for id \(([0-9a-f]{40})", str(error))
            raise (self._missing(named[1]) if named else _unreadable(oid, str(error))) from error

    def _missing(self, oid: str) -> HarnessError:
        if repository.is_partial(self._repo):
            return Unavailable(f"object '{oid}' was left out of this partial clone",
                               fix="git fetch --refetch --no-filter")
        gone = [folder for folder in repository.object_folders(self._repo) if not os.path.isdir(folder)]
        where = f", and '{gone[0]}' of info/alternates is gone" if gone else ""
        return Integrity(f"object '{oid}' is missing{where}", fix="git fsck")

    def resolve(self, rev: str) -> str:
        """The commit that a revision names; revisions that search are not taken. Raises NotFound."""
        try:
            if _SEARCH.search(rev) or len(rev) > _MAX_REV:
                raise ValueError(rev)
            return str(self._current().revparse_single(rev).peel(pygit2.Commit).id)
        except (KeyError, ValueError) as error:
            raise NotFound(f"{rev[:100]!a} names no commit", fix="git log --oneline") from error
        except pygit2.GitError as error:
            raise _unreadable(rev, str(error)) from error

    def entry(self, commit_oid: str, path: str) -> Entry | None:
        """What is at `path`, folders included."""
        entry: Entry | None = Entry(FOLDER, self.commit(commit_oid).tree)
        for name in path.split("/"):
            if entry is None or entry.mode != FOLDER:
                return None
            entry = treediff.entry(self._tree(entry.oid), name)
        return entry

    def files(self, commit_oid: str, prefix: str = "") -> Iterator[tuple[str, Entry]]:
        """All that is not a folder, where the path begins with `prefix`, in git's order."""
        return self._files(self.commit(commit_oid).tree, "", prefix)

    def _files(self, tree: str, folder: str, prefix: str) -> Iterator[tuple[str, Entry]]:
        for name, entry in treediff.entries(self.tree(tree)):
            path = folder + name
            if entry.mode == FOLDER:
                if f"{path}/".startswith(prefix) or prefix.startswith(f"{path}/"):
                    yield from self._files(entry.oid, f"{path}/", prefix)
            elif path.startswith(prefix):
                yield path, entry

    def changes(self, commit_oid: str) -> tuple[PathChange, ...]:
        """What a commit did against its first parent, or against nothing where it has none; no renames are guessed."""
        commit = self.commit(commit_oid)
        return self.diff_trees(self.commit(commit.parents[0]).tree if commit.parents else None, commit.tree)

    def diff_trees(self, old_tree: str | None, new_tree: str | None) -> tuple[PathChange, ...]:
        """By path, in git's order; None is the tree that holds nothing."""
        found: list[PathChange] = []
        self._compare(old_tree, new_tree, "", found)
        return tuple(sorted(found, key=lambda change: change.path.encode("utf-8", "surrogateescape")))

    def _compare(self, old: str | None, new: str | None, folder: str, found: list[PathChange]) -> None:
        if old == new:
            return
        trees = [self._tree(oid) if oid else b"" for oid in (old, new)]
        before, after = treediff.differing(*trees, strict=self.strict)
        for name in before.keys() | after.keys():
            gone, came = before.get(name), after.get(name)
            self._compare(_folder(gone), _folder(came), f"{folder}{name}/", found)
            if _file(gone) or _file(came):
                found.append(PathChange(folder + name, _file(gone), _file(came)))

    def walk(self, new: str, hide: Sequence[str] = ()) -> Iterator[str]:
        """What `new` has and none of `hide` has, a commit after its parents."""
        return (oid for oid, _ in self.lineage(new, hide))

    def lineage(self, new: str, hide: Sequence[str] = ()) -> Iterator[tuple[str, tuple[str, ...]]]:
        """The same, each with its parents."""
        with self._mapped(new):
            walker = self._current().walk(new, SortMode.TOPOLOGICAL | SortMode.REVERSE)
            for oid in hide:
                walker.hide(oid)
            yield from ((str(commit.id), tuple(map(str, commit.parent_ids))) for commit in walker)

    def is_ancestor(self, oid: str, of: str) -> bool:
        """A commit counts as its own ancestor."""
        try:
            with self._mapped(of):
                return oid == of or self._current().descendant_of(of, oid)
        except Integrity as error:
            _unless_parsed_otherwise(error)
            return oid in self._ancestors(of)

    def merge_base(self, one: str, other: str) -> str | None:
        try:
            with self._mapped(one):
                found = self._current().merge_base(one, other)
        except Integrity as error:
            _unless_parsed_otherwise(error)
            known = set(self._ancestors(one))
            return next((oid for oid in self._ancestors(other) if oid in known), None)
        return str(found) if found else None

    def _ancestors(self, oid: str) -> Iterator[str]:
        """The commit and all before it, by our own reading. Raises what is wrong with one of them."""
        seen, left = {oid}, deque([oid])
        while left:
            yield left[0]
            fresh = [parent for parent in self.commit(left.popleft()).parents if parent not in seen]
            seen.update(fresh)
            left.extend(fresh)

    @staticmethod
    def hunks(old: bytes, new: bytes) -> list[Hunk]:
        """A line goes up to and including its LF; the last may lack it."""
        patch = pygit2.Patch.create_from(old, new, flag=DiffOption.FORCE_TEXT, context_lines=0)
        return [Hunk(hunk.old_start - bool(hunk.old_lines), hunk.old_lines,
                     hunk.new_start - bool(hunk.new_lines), hunk.new_lines) for hunk in patch.hunks]

    @staticmethod
    def is_binary(data: bytes) -> bool:
        return b"\0" in data[:_BINARY_WINDOW]

    @staticmethod
    def unified(old: bytes, new: bytes, path: str) -> str:
        """For people: bytes that are not UTF-8 are replaced; of binary content it says only that it differs."""
        shown = path.encode(errors="backslashreplace").decode()
        patch = pygit2.Patch.create_from(old, new, old_as_path=shown, new_as_path=shown)
        return patch.data.decode("utf-8", "replace")


def _folder(entry: Entry | None) -> str | None:
    return entry.oid if entry is not None and entry.mode == FOLDER else None


def _file(entry: Entry | None) -> Entry | None:
    return entry if entry is not None and entry.mode != FOLDER else None


def _unless_parsed_otherwise(error: Integrity) -> None:
    """libgit2 does not read every date that git shows; raises all that is not about that."""
    if "failed to parse" not in error.message:
        raise error


def _unreadable(what: str, why: str) -> Integrity:
    return Integrity(f"object '{what}' cannot be read: {why}", fix="git fsck")


def _stamp(repo: Repo) -> tuple[int, int] | None:
    try:
        found = os.stat(repo.common_dir / "shallow")
    except FileNotFoundError:
        return None
    return found.st_mtime_ns, found.st_ino
