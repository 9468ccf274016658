"""Reads a repository's objects, history and differences: the one place that knows libgit2. No ref is ever written here.

Objects are what their ids say: `refs/replace` is not asked, and a wrong digest is Integrity. A pack that appears, or
takes another's place, after this was opened is found.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import TypeVar

import pygit2
from pygit2.enums import DiffOption, ObjectType, SortMode

from githarness.errors import Integrity, NotFound, Unavailable
from githarness.git import commits
from githarness.git import repo as repository
from githarness.git.commits import Commit
from githarness.git.objects import FOLDER, Entry, PathChange
from githarness.git.repo import Repo

__all__ = ["Commit", "Hunk", "Reader"]

_BINARY_WINDOW = 8000  # git's buffer_is_binary looks no further
_CACHED_TREES = 2048
_Answer = TypeVar("_Answer")


@dataclass(frozen=True, slots=True)
class Hunk:
    """Lines of `old` that lines of `new` take the place of: 0-based, without context; either length may be 0."""

    old_start: int
    old_len: int
    new_start: int
    new_len: int


class Reader:
    def __init__(self, repo: Repo) -> None:
        self._repo = repo
        self._git = _opened(repo)
        self._names = lru_cache(maxsize=_CACHED_TREES)(self._read_names)

    def has(self, oid: str) -> bool:
        return oid in self._git.odb

    def has_blob(self, oid: str) -> bool:
        return self.has(oid) and self._asked(oid, lambda: self._git.odb.read_header(oid))[0] == ObjectType.BLOB

    def blob(self, oid: str) -> bytes:
        return self._data(oid, ObjectType.BLOB)

    def size(self, oid: str) -> int:
        return self._asked(oid, lambda: self._git.odb.read_header(oid))[1]

    def tree(self, oid: str) -> bytes:
        return self._data(oid, ObjectType.TREE)

    def commit(self, oid: str) -> Commit:
        return commits.parse(oid, self._data(oid, ObjectType.COMMIT))

    def _data(self, oid: str, kind: ObjectType) -> bytes:
        found, data = self._asked(oid, lambda: self._git.odb.read(oid))
        if found != kind:
            raise Integrity(f"object '{oid}' is a {ObjectType(found).name.lower()}, not a {kind.name.lower()}",
                            fix="git fsck")
        return data

    def _asked(self, oid: str, ask: Callable[[], _Answer]) -> _Answer:
        """Maps what libgit2 says about an object that cannot be had."""
        try:
            return ask()
        except KeyError as error:
            raise self._missing(oid) from error
        except (pygit2.GitError, ValueError, OSError) as error:
            raise Integrity(f"object '{oid}' cannot be read: {error}", fix="git fsck") from error

    def _missing(self, oid: str) -> Integrity | Unavailable:
        if repository.is_partial(self._repo):
            return Unavailable(f"object '{oid}' was left out of this partial clone",
                               fix="git fetch --refetch --no-filter")
        return Integrity(f"object '{oid}' is missing", fix="git fsck")

    def resolve(self, rev: str) -> str:
        """The commit that a revision names. Raises NotFound."""
        try:
            return str(self._git.revparse_single(rev).peel(pygit2.Commit).id)
        except (KeyError, ValueError, pygit2.GitError) as error:
            raise NotFound(f"{rev!a} names no commit", fix="git log --oneline") from error

    def entry(self, commit_oid: str, path: str) -> Entry | None:
        """What is at `path`, folders included."""
        entry: Entry | None = Entry(FOLDER, self.commit(commit_oid).tree)
        for name in path.split("/"):
            if entry is None or entry.mode != FOLDER:
                return None
            entry = self._children(entry.oid).get(name)
        return entry

    def files(self, commit_oid: str, prefix: str = "") -> Iterator[tuple[str, Entry]]:
        """All that is not a folder below paths that begin with `prefix`, in git's order."""
        return self._files(self.commit(commit_oid).tree, "", prefix)

    def _files(self, tree: str, folder: str, prefix: str) -> Iterator[tuple[str, Entry]]:
        for name, entry in self._children(tree).items():
            path = folder + name
            if entry.mode == FOLDER:
                if prefix.startswith(path + "/") or path.startswith(prefix) or (path + "/").startswith(prefix):
                    yield from self._files(entry.oid, path + "/", prefix)
            elif path.startswith(prefix):
                yield path, entry

    def _children(self, tree: str) -> dict[str, Entry]:
        return dict(commits.named(item) for item in commits.tree_items(self.tree(tree)))

    def changes(self, commit_oid: str) -> tuple[PathChange, ...]:
        """What a commit did against its first parent, or against nothing where it has none; no renames are guessed."""
        commit = self.commit(commit_oid)
        return self.diff_trees(self.commit(commit.parents[0]).tree if commit.parents else None, commit.tree)

    def diff_trees(self, old_tree: str | None, new_tree: str | None) -> tuple[PathChange, ...]:
        found: list[PathChange] = []
        self._compare(old_tree, new_tree, "", found)
        return tuple(sorted(found, key=lambda change: change.path.encode("utf-8", "surrogateescape")))

    def _compare(self, old: str | None, new: str | None, folder: str, found: list[PathChange]) -> None:
        if old == new:
            return
        was, now = self._names(old), self._names(new)
        before, after = dict(map(commits.named, was - now)), dict(map(commits.named, now - was))
        for name in before.keys() | after.keys():
            gone, came = before.get(name), after.get(name)
            if _is_folder(gone) or _is_folder(came):
                self._compare(_folder(gone), _folder(came), f"{folder}{name}/", found)
            gone, came = (None if _is_folder(one) else one for one in (gone, came))
            if gone or came:
                found.append(PathChange(folder + name, gone, came))

    def _read_names(self, tree: str | None) -> frozenset[bytes]:
        return frozenset(commits.tree_items(self.tree(tree))) if tree else frozenset()

    def walk(self, new: str, hide: Sequence[str] = ()) -> Iterator[str]:
        """What `new` has and none of `hide` has, a commit after its parents."""
        walker = self._asked(new, lambda: self._git.walk(new, SortMode.TOPOLOGICAL | SortMode.REVERSE))
        for oid in hide:
            self._asked(oid, partial(walker.hide, oid))
        yield from (str(commit.id) for commit in walker)

    def is_ancestor(self, oid: str, of: str) -> bool:
        """A commit counts as its own ancestor."""
        return oid == of or self._asked(of, lambda: self._git.descendant_of(of, oid))

    def merge_base(self, one: str, other: str) -> str | None:
        found = self._asked(one, lambda: self._git.merge_base(one, other))
        return str(found) if found else None

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
        patch = pygit2.Patch.create_from(old, new, old_as_path=path, new_as_path=path)
        return patch.data.decode("utf-8", "replace")


def _is_folder(entry: Entry | None) -> bool:
    return entry is not None and entry.mode == FOLDER


def _folder(entry: Entry | None) -> str | None:
    return entry.oid if entry is not None and entry.mode == FOLDER else None


def _opened(repo: Repo) -> pygit2.Repository:
    try:
        return pygit2.Repository(str(repo.git_dir))
    except pygit2.GitError as error:
        if "not owned" in str(error):
            fix = f"git config --global --add safe.directory '{repo.worktree or repo.git_dir}'"
            raise Unavailable(f"'{repo.git_dir}' belongs to another user", fix=fix) from error
        raise Unavailable(f"'{repo.git_dir}' cannot be opened: {error}", fix="git fsck") from error
