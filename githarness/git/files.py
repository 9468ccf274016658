"""What is at a path of a worktree, seen without following a link and without opening anything that could block.

Names are bytes, relative to an open folder: a folder that is swapped for a link between check and use is not followed.
"""

from __future__ import annotations

import contextlib
import os
import re
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from githarness.git.objects import EXECUTABLE, LINK, Entry, oid_of

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_ASTRAY = re.compile(rb"(?:^|/)(?:|\.|\.\.|\.git)(?:/|$)", re.IGNORECASE)
Blob = Callable[[str], bytes]
Smudge = Callable[[str, bytes], bytes | None]
Found = os.stat_result


@contextlib.contextmanager
def folder_of(root: int, name: bytes, *, make: bool) -> Iterator[int]:
    """The open folder that `name` lies in. Raises FileNotFoundError, NotADirectoryError (also where a link stands).

    A name that leads out of the worktree or into a git directory has no folder, whatever a tree says.
    """
    if _ASTRAY.search(name):
        raise NotADirectoryError(name)
    here = os.dup(root)
    try:
        for part in name.split(b"/")[:-1]:
            there = _enter(here, part, make=make)
            os.close(here)
            here = there
        yield here
    finally:
        os.close(here)


def _enter(here: int, part: bytes, *, make: bool) -> int:
    try:
        return os.open(part, _FOLDER, dir_fd=here)
    except FileNotFoundError:
        if not make:
            raise
    with contextlib.suppress(FileExistsError):
        os.mkdir(part, dir_fd=here)
    return os.open(part, _FOLDER, dir_fd=here)


def look(folder: int, name: bytes) -> Found | None:
    try:
        return os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return None


def is_file(found: Found) -> bool:
    return stat.S_ISREG(found.st_mode)


def is_folder(found: Found) -> bool:
    return stat.S_ISDIR(found.st_mode)


@contextlib.contextmanager
def opened(folder: int, name: bytes) -> Iterator[int | None]:
    """The plain file of that name, open for reading; None for anything else."""
    found = look(folder, name)
    if found is None or not is_file(found):
        yield None
        return
    descriptor = os.open(name, _FILE, dir_fd=folder)
    try:
        yield descriptor if is_file(os.fstat(descriptor)) else None
    finally:
        os.close(descriptor)


def read(folder: int, name: bytes) -> bytes | None:
    """The content of a plain file; None for anything else."""
    with opened(folder, name) as descriptor:
        if descriptor is None:
            return None
        with open(descriptor, "rb", closefd=False) as file:
            return file.read()


def is_void(folder: int, name: bytes) -> bool:
    """A plain file without content, or of NUL alone: what a power cut leaves of one that was not on disk yet."""
    data = read(folder, name)
    return data is not None and not data.strip(b"\0")


def inside(folder: int, name: bytes) -> Iterator[bytes]:
    """Everything in a folder but folders, by relative name."""
    here = os.open(name, _FOLDER, dir_fd=folder)
    try:
        for one in map(os.fsencode, os.listdir(here)):
            found = look(here, one)
            if found is not None and is_folder(found):
                yield from (one + b"/" + deeper for deeper in inside(here, one))
            else:
                yield one
    finally:
        os.close(here)


def remove_empty(folder: int, name: bytes) -> None:
    """Removes a folder that holds nothing but empty folders. Raises OSError where there is more."""
    inside = os.open(name, _FOLDER, dir_fd=folder)
    try:
        for one in os.listdir(inside):
            remove_empty(inside, os.fsencode(one))
    finally:
        os.close(inside)
    os.rmdir(name, dir_fd=folder)


@dataclass(frozen=True, slots=True)
class Content:
    """Whether a file is what a checkout would have made. `modes`: the executable bit counts (core.fileMode)."""

    blob: Blob
    smudge: Smudge | None
    modes: bool

    def written(self, path: str, data: bytes) -> bytes | None:
        """What a checkout writes for a blob; None where only git with its filters can tell."""
        return self.smudge(path, data) if self.smudge else data

    def can_make(self, path: str) -> bool:
        """Where only git can, a file that is not there is one that waits for git."""
        return self.smudge is None or self.smudge(path, b"") is not None

    def is_at(self, folder: int, name: bytes, path: str, entry: Entry, *, data: bytes | None = None) -> bool:
        """`data`: the content of `entry`, where the repository may not have it yet."""
        found = look(folder, name)
        if found is None or stat.S_ISLNK(found.st_mode) != (entry.mode == LINK):
            return False
        if entry.mode == LINK:
            return oid_of("blob", os.readlink(name, dir_fd=folder)) == entry.oid
        if self.modes and bool(found.st_mode & 0o100) != (entry.mode == EXECUTABLE):
            return False
        there = read(folder, name)
        if there is None or oid_of("blob", there) == entry.oid:
            return there is not None
        if self.smudge is None:
            return False
        return self.smudge(path, self.blob(entry.oid) if data is None else data) == there
