"""Files that nobody else may read or swap: written whole, and checked before they are believed.

A file appears at once: a temporary file, fsync, rename, fsync of the folder.
"""

from __future__ import annotations

import errno
import os
import secrets
import stat
from pathlib import Path

from githarness.errors import Unavailable

READABLE, WRITABLE = 0o077, 0o022  # what must not be set for others


def make_folders(folder: Path) -> None:
    """The folder and those above it, each on disk before the next."""
    if not folder.is_dir():
        make_folders(folder.parent)
        folder.mkdir(mode=0o700, exist_ok=True)
        sync_folder(folder.parent)


def write(folder: Path, name: str, data: bytes) -> None:
    scratch = folder / f".{secrets.token_hex(8)}.new"
    descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with open(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.rename(scratch, folder / name)
    except BaseException:
        scratch.unlink(missing_ok=True)
        raise
    sync_folder(folder)


def sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def check_folder(folder: Path) -> None:
    """The folder itself is no link and ours alone. Raises Unavailable."""
    status = os.lstat(folder)
    if not stat.S_ISDIR(status.st_mode):
        raise Unavailable(f"'{folder}' is not a folder", fix=f"put a plain folder at '{folder}'")
    check_owner(folder, status, READABLE)


def check_owner(path: Path, status: os.stat_result, wide: int) -> None:
    if status.st_uid != os.geteuid():
        raise Unavailable(f"'{path}' belongs to another user", fix=f"chown \"$(id -un)\" '{path}'")
    if status.st_mode & wide:
        raise Unavailable(f"'{path}' has mode {stat.S_IMODE(status.st_mode):04o}: others could read or swap a key",
                          fix=f"chmod go-rwx '{path}'")


def read(path: Path, largest: int) -> bytes:
    """The file, if it is a plain one that only we can read. Raises Unavailable, FileNotFoundError."""
    try:
        with open(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW), "rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode) or status.st_size > largest:
                raise Unavailable(f"'{path}' is no plain file, or a large one", fix=f"ls -l '{path}'")
            check_owner(path, status, READABLE)
            return file.read(largest)
    except FileNotFoundError:
        raise
    except OSError as error:
        why = "is a symbolic link" if error.errno == errno.ELOOP else f"cannot be read: {error.strerror}"
        raise Unavailable(f"'{path}' {why}", fix=f"ls -l '{path}'") from error


def check_above(path: Path) -> None:
    """Raises Unavailable where others could put another file in place of this one."""
    status = os.stat(path.parent)
    if status.st_mode & WRITABLE and not status.st_mode & stat.S_ISVTX:
        raise Unavailable(f"'{path.parent}' can be written by others, who could swap '{path.name}'",
                          fix=f"chmod go-w '{path.parent}'")
