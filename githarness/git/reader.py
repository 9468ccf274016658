"""Reads a repository's objects, history and differences: the one place that knows libgit2. No ref is ever written here.

Objects are what their ids say: `refs/replace` is not asked, and a wrong digest is Integrity. A pack that appears, or
takes another's place, after this was opened is found.
"""

from __future__ import annotations

import os
import re
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import pygit2
from pygit2.enums import ConfigLevel, DiffOption, ObjectType, Option, SortMode

from githarness.errors import HarnessError, Integrity, NotFound, Unavailable
from githarness.git import commits, loose, treediff
from githarness.git import repo as repository
from githarness.git.commits import Commit
from githarness.git.objects import FOLDER, Entry, Kind, PathChange, oid_of
from githarness.git.repo import Repo

__all__ = ["Commit", "Hunk", "Reader", "WorktreeAttributes"]

_BINARY_WINDOW = 8000  # git's buffer_is_binary looks no further
_CACHED_TREES = 16  # a walk compares each tree with its successor
_LIBRARY_CACHE = 32 << 20  # bytes
_WINDOW = 4 << 20  # bytes of a pack that are mapped at once
_GONE = 100  # packs that the library may keep mapped though they have gone; from here on it lets go of all
_CONFIGURED = ((ConfigLevel.SYSTEM, "gitconfig"), (ConfigLevel.SYSTEM, "gitattributes"), (ConfigLevel.XDG, "config"),
               (ConfigLevel.XDG, "attributes"), (ConfigLevel.GLOBAL, ".gitconfig"))
_KINDS = {"commit": ObjectType.COMMIT, "tree": ObjectType.TREE, "blob": ObjectType.BLOB, "tag": ObjectType.TAG}
_OID = re.compile(r"[0-9a-f]{40}")
_SEARCH = re.compile(r":|\^\{/|\0")  # `:/text`, `REV^{/text}`, `REV:path`: a search or no commit; NUL would cut it
_MAX_REV = 1000

pygit2.settings.cache_max_size(_LIBRARY_CACHE)
pygit2.settings.mwindow_size = _WINDOW  # else whole packs stay in the memory of a daemon
pygit2.settings.mwindow_mapped_limit = 8 * _WINDOW
pygit2.option(Option.ENABLE_STRICT_HASH_VERIFICATION, 0)  # `Reader` does, in a third of the time
pygit2.option(Option.SET_EXTENSIONS, ["noop-v1", "partialclone", "refstorage"], 3)  # beside those that it knows


@dataclass(frozen=True, slots=True)
class Hunk:
    """Lines of `old` that lines of `new` take the place of: 0-based, without context; either length may be 0."""

    old_start: int
    old_len: int
    new_start: int
    new_len: int


class Reader:
    def __init__(self, repo: Repo) -> None:
        self.repo = self._repo = repo
        self._tree = lru_cache(maxsize=_CACHED_TREES)(self.tree)
        self._open()

    def _open(self) -> None:
        self._shallow_file = _stamp(self._repo)
        self._shallow = repository.shallow_roots(self._repo)
        self._loose = _Loose(self._repo)
        self._library = _opened(self._repo, self._loose)
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
            found, data = self._store().read(oid)
        except (KeyError, pygit2.GitError):
            with self._mapped(oid):
                found, data = self._store().read(oid)
        if found != _KINDS[kind]:
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
        before, after = treediff.differing(self._tree(old) if old else b"", self._tree(new) if new else b"")
        for name in before.keys() | after.keys():
            gone, came = before.get(name), after.get(name)
            self._compare(_folder(gone), _folder(came), f"{folder}{name}/", found)
            if _file(gone) or _file(came):
                found.append(PathChange(folder + name, _file(gone), _file(came)))

    def walk(self, new: str, hide: Sequence[str] = ()) -> Iterator[str]:
        """What `new` has and none of `hide` has, a commit after its parents."""
        with self._mapped(new):
            walker = self._current().walk(new, SortMode.TOPOLOGICAL | SortMode.REVERSE)
            for oid in hide:
                walker.hide(oid)
            yield from (str(commit.id) for commit in walker)

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


class WorktreeAttributes:
    """A worktree's attributes, and the configuration, as they are when this is made; no program that they name runs."""

    def __init__(self, repo: Repo) -> None:
        self._library = _opened(repo, _Loose(repo))
        self._config = self._library.config.snapshot()
        places = [f"{folder}/{name}" for level, name in _CONFIGURED
                  for folder in pygit2.settings.search_path[level].split(os.pathsep) if folder]
        own = self.setting("core.attributesfile")
        self._files = (*places, f"{repo.common_dir}/config", f"{repo.git_dir}/config.worktree",
                       f"{repo.common_dir}/info/attributes", *([os.path.expanduser(own)] if own else ()))

    def attribute(self, path: str, name: str) -> str | bool | None:
        return self._library.get_attr(path.encode("utf-8", "surrogateescape"), name)

    def setting(self, name: str) -> str | None:
        try:
            return str(self._config[name])
        except (KeyError, ValueError):
            return None

    def files(self) -> tuple[str, ...]:
        return self._files


class _Loose(pygit2.OdbBackend):
    """What libgit2 asks about objects that no pack has; errors raised here go through it to the caller."""

    def __init__(self, repo: Repo) -> None:
        super().__init__()
        self._folders = repository.object_folders(repo)
        self._seen: set[str] = set()
        self.gone = 0

    def read_cb(self, oid: pygit2.Oid) -> tuple[int, bytes]:
        found = loose.read(self._folders, str(oid))
        if found is None:
            raise KeyError(str(oid))
        return _KINDS[found[0]], found[1]

    def read_header_cb(self, oid: pygit2.Oid) -> tuple[int, int]:
        kind, data = self.read_cb(oid)
        return kind, len(data)

    def read_prefix_cb(self, prefix: str) -> tuple[int, bytes, pygit2.Oid]:
        oid = self.exists_prefix_cb(prefix)
        return *self.read_cb(oid), oid

    def exists_cb(self, oid: pygit2.Oid) -> bool:
        return loose.exists(self._folders, str(oid))

    def exists_prefix_cb(self, prefix: str) -> pygit2.Oid:
        if len(prefix) == 40:  # asked for every object that is read, most of which are in packs
            found = [prefix] if loose.may_exist(self._folders, prefix) else []
        else:
            found = sorted(set(loose.with_prefix(self._folders, prefix)))
        if len(found) > 1:
            raise ValueError(f"'{prefix}' is ambiguous")
        if not found:
            raise KeyError(prefix)
        return pygit2.Oid(hex=found[0])

    def refresh_cb(self) -> None:
        """After a miss: the library maps what packs there are now, and forgets none that it has."""
        there = {name for folder in self._folders for name in _packs(folder)}
        self._seen |= there
        self.gone = len(self._seen) - len(there)


def _packs(folder: Path) -> list[str]:
    with suppress(OSError):
        return [name for name in os.listdir(folder / "pack") if name.endswith(".idx")]
    return []


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


def _opened(repo: Repo, unpacked: _Loose) -> pygit2.Repository:
    if (repo.common_dir / "info" / "grafts").exists():
        raise Unavailable(f"'{repo.common_dir / 'info' / 'grafts'}' gives commits other parents than they have",
                          fix="git replace --convert-graft-file")
    try:
        library = pygit2.Repository(str(repo.git_dir))
    except pygit2.GitError as error:
        if "not owned" not in str(error):
            raise Unavailable(f"'{repo.git_dir}' cannot be opened: {error}", fix="git fsck") from error
        raise Unavailable(f"'{repo.git_dir}' belongs to another user",
                          fix=f"git config --global --add safe.directory '{repo.worktree or repo.git_dir}'") from error
    store = pygit2.Odb()
    store.add_backend(unpacked, 1)
    for folder in repository.object_folders(repo):
        if os.path.isdir(folder):
            store.add_backend(pygit2.OdbBackendPack(str(folder)), 2)
    library.set_odb(store)
    for table in ("branches", "references", "remotes", "submodules"):
        vars(library).pop(table, None)  # they refer back to it: a circle, which would keep packs mapped
    return library
