"""The files around a document, as one tree shows them: the adapters of `skills.model.Files`.

`Worktree` shows what is on disk, `Tracked` what git's index lists of it, `Staged` that with the content that the next
commit will have, `Committed` a commit. Paths are read as git reads them: nothing lies behind a link, in a git
directory or in a repository inside the tree, and a submodule is an empty folder. None of them raises for a path.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING

from githarness.git.index import Index, Indexed
from githarness.git.modes import EXECUTABLE, FILE, FOLDER, LINK, SUBMODULE

if TYPE_CHECKING:
    from githarness.git.objects import Entry
    from githarness.git.reader import Reader

_MOST = 2000  # paths of `under`
_LONGEST = 4096  # Linux opens no longer path
# What no tree has: an empty name, `.`, `..`, a git directory, NUL, text that is no file name.
_ASTRAY = "(?:^|/)(?:|\\.|\\.\\.|\\.[gG][iI][tT])(?:/|$)|[\0\ud800-\udc7f\udd00-\udfff]"
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_SHOWN = {FILE: FILE, EXECUTABLE: EXECUTABLE, LINK: LINK, FOLDER: "040000", SUBMODULE: "040000"}


def _is_astray(path: str) -> bool:
    rooted = f"/{path}/"
    plain = "/." not in rooted and "//" not in rooted and path.isprintable()  # as nearly every path is
    return len(path) > _LONGEST or (not plain and re.search(_ASTRAY, path) is not None)


def _raw(path: str) -> bytes:
    return path.encode("utf-8", "surrogateescape")


class Worktree:
    """What is on disk, tracked or not; folders are taken to stay what they are while it is used."""

    def __init__(self, root: str | os.PathLike[str]) -> None:
        self._root = os.fspath(root)
        self._folders = {"": True}
        self._under: tuple[str | None, Sequence[str]] = None, ()

    def mode(self, path: str) -> str | None:
        found = self._look(path)
        if found is None:
            return None
        if stat.S_ISREG(found.st_mode):
            return EXECUTABLE if found.st_mode & 0o100 else FILE
        return "040000" if stat.S_ISDIR(found.st_mode) else LINK if stat.S_ISLNK(found.st_mode) else None

    def size(self, path: str) -> int:
        found = self._look(path)
        return found.st_size if found and stat.S_ISREG(found.st_mode) else 0

    def read(self, path: str, limit: int) -> bytes:
        """Empty also for what may not be read."""
        found = self._look(path)
        try:
            if found and stat.S_ISLNK(found.st_mode):
                return os.fsencode(os.readlink(f"{self._root}/{path}"))[:limit]
            return self._content(path, min(limit, found.st_size)) if found and stat.S_ISREG(found.st_mode) else b""
        except OSError:
            return b""

    def _content(self, path: str, limit: int) -> bytes:
        descriptor = os.open(f"{self._root}/{path}", _READ)
        try:
            return os.read(descriptor, limit)
        finally:
            os.close(descriptor)

    def under(self, folder: str) -> Sequence[str]:
        if folder != self._under[0]:  # more than one gate asks for the files of a skill's folder
            files = islice(self._walk(f"{folder}/" if folder else ""), _MOST) if self.holds(folder) else ()
            self._under = folder, list(files)
        return self._under[1]

    def _walk(self, start: str) -> Iterator[str]:
        """In git's order, which compares a folder's name with `/` behind it."""
        stack = [start]
        while stack:
            here = stack.pop()
            if here.endswith("/") or not here:
                stack += sorted(self._inside(here), reverse=True)
            else:
                yield here

    def _inside(self, prefix: str) -> list[str]:
        try:
            with os.scandir(f"{self._root}/{prefix}") as entries:
                found = {each.name: each.is_dir(follow_symlinks=False) for each in entries
                         if each.is_symlink() or each.is_dir() or each.is_file()}
        except OSError:
            return []
        if prefix and ".git" in found:
            return []
        return [f"{prefix}{name}/" if folder else prefix + name for name, folder in found.items()
                if not _is_astray(name)]

    def holds(self, folder: str) -> bool:
        """Whether a folder is one of this tree: behind no link, and in no other repository."""
        return not folder or (not _is_astray(folder) and self._is_folder(folder))

    def _look(self, path: str) -> os.stat_result | None:
        folder = path.rpartition("/")[0]
        if path and (_is_astray(path) or not self._is_folder(folder)):
            return None
        try:
            return os.lstat(f"{self._root}/{path}")
        except OSError:
            return None

    def _is_folder(self, folder: str) -> bool:
        """Whether it and all folders that it lies in are there and no links."""
        known = self._folders.get(folder)
        if known is None:
            parts = folder.split("/")
            known = all(self._is_real("/".join(parts[:end])) for end in range(1, len(parts) + 1))
            self._folders[folder] = known
        return known

    def _is_real(self, folder: str) -> bool:
        if folder in self._folders:
            return self._folders[folder]
        try:
            there = stat.S_ISDIR(os.lstat(f"{self._root}/{folder}").st_mode)
        except OSError:
            return False
        return there and not os.path.lexists(f"{self._root}/{folder}/.git")


class Tracked(Worktree):
    """What the index lists, with the content that is on disk: the same where nobody edited since `git add`."""

    def __init__(self, root: str | os.PathLike[str], index: Index) -> None:
        super().__init__(root)
        self._index = index

    def mode(self, path: str) -> str | None:
        if not path or _is_astray(path):
            return None if path else "040000"
        if entry := self._entry(path):
            return _SHOWN.get(f"{entry.mode:o}", FILE)
        return "040000" if any(True for _ in self._index.under(_raw(path))) else None

    def under(self, folder: str) -> Sequence[str]:
        return _shown(self._listed(folder), folder)

    def _listed(self, folder: str) -> Iterator[str]:
        for raw in self._index.under(_raw(folder)):
            path = raw.decode("utf-8", "surrogateescape")
            if (entry := self._entry(path)) and f"{entry.mode:o}" != SUBMODULE:
                yield path

    def _entry(self, path: str) -> Indexed | None:
        """What the next commit would have: not what `git add --intent-to-add` only announces."""
        entry = self._index.get(_raw(path))
        return entry if entry and not entry.intended else None


class Staged(Tracked):
    """What the next commit will have."""

    def __init__(self, root: str | os.PathLike[str], index: Index, reader: Reader) -> None:
        super().__init__(root, index)
        self._reader = reader

    def size(self, path: str) -> int:
        return len(self._blob(path)) if self.mode(path) in (FILE, EXECUTABLE) else 0

    def read(self, path: str, limit: int) -> bytes:
        return self._blob(path)[:limit]

    def _blob(self, path: str) -> bytes:
        entry = None if _is_astray(path) else self._entry(path)
        return self._reader.blob(entry.oid) if entry and f"{entry.mode:o}" != SUBMODULE else b""


class Committed:
    """The tree of a commit."""

    def __init__(self, reader: Reader, commit: str) -> None:
        self._reader = reader
        self._commit = commit

    def mode(self, path: str) -> str | None:
        entry = self._entry(path)
        return _SHOWN.get(entry.mode, FILE) if entry else None if path else "040000"

    def size(self, path: str) -> int:
        entry = self._entry(path)
        return self._reader.size(entry.oid) if entry and entry.mode in (FILE, EXECUTABLE) else 0

    def read(self, path: str, limit: int) -> bytes:
        entry = self._entry(path)
        return self._reader.blob(entry.oid)[:limit] if entry and entry.mode in (FILE, EXECUTABLE, LINK) else b""

    def under(self, folder: str) -> Sequence[str]:
        files = self._reader.files(self._commit, f"{folder}/" if folder else "")
        return _shown((path for path, entry in files if entry.mode != SUBMODULE), folder)

    def _entry(self, path: str) -> Entry | None:
        return None if not path or _is_astray(path) else self._reader.entry(self._commit, path)


def _shown(paths: Iterable[str], folder: str) -> Sequence[str]:
    return [] if folder and _is_astray(folder) else list(islice(paths, _MOST))
