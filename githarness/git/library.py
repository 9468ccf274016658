"""Opens libgit2 on a repository, with packs read by it and loose objects by us."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

import pygit2
from pygit2.enums import ObjectType, Option

from githarness.errors import Unavailable
from githarness.git import loose
from githarness.git import repo as repository
from githarness.git.repo import Repo

KINDS = {"commit": ObjectType.COMMIT, "tree": ObjectType.TREE, "blob": ObjectType.BLOB, "tag": ObjectType.TAG}
_CACHE = 32 << 20  # bytes
_WINDOW = 4 << 20  # bytes of a pack that are mapped at once

pygit2.settings.cache_max_size(_CACHE)
pygit2.settings.mwindow_size = _WINDOW  # else whole packs stay in the memory of a daemon
pygit2.settings.mwindow_mapped_limit = 8 * _WINDOW
pygit2.option(Option.ENABLE_STRICT_HASH_VERIFICATION, 0)  # `Reader` does, in a third of the time
pygit2.option(Option.SET_EXTENSIONS, ["noop-v1", "partialclone", "refstorage"], 3)  # beside those that it knows


class Loose(pygit2.OdbBackend):
    """What libgit2 asks about objects that no pack has; errors raised here go through it to the caller."""

    def __init__(self, repo: Repo) -> None:
        super().__init__()
        self._folders = repository.object_folders(repo)
        self._seen: set[str] = set()
        self.gone = 0
        self.packs: list[pygit2.OdbBackendPack] = []  # those that are asked after

    def packed(self, oid: str) -> tuple[int, bytes]:
        """From the packs that are known by now: the library asks us about each object before. Raises KeyError."""
        for pack in self.packs:
            with suppress(KeyError):
                return pack.read(oid)
        raise KeyError(oid)

    def read_cb(self, oid: pygit2.Oid) -> tuple[int, bytes]:
        found = loose.read(self._folders, str(oid))
        if found is None:
            raise KeyError(str(oid))
        return KINDS[found[0]], found[1]

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


def opened(repo: Repo, unpacked: Loose) -> pygit2.Repository:
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
            unpacked.packs.append(pygit2.OdbBackendPack(str(folder)))
            store.add_backend(unpacked.packs[-1], 2)
    library.set_odb(store)
    for table in ("branches", "references", "remotes", "submodules"):
        vars(library).pop(table, None)  # they refer back to it: a circle, which would keep packs mapped
    return library
