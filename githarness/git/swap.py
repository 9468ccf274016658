"""One file of a worktree replaced, made or removed, such that no edit of a person can be lost.

The new content is written beside the file under a name of ours and exchanged with it in one step
(`renameat2(RENAME_EXCHANGE)`): a reader sees the old file or the new one. Only then is the displaced file looked at;
what somebody saved in the meantime is exchanged back. Nothing is ever written through a name that others use.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import hashlib
import os
import signal
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from githarness.git import files

_NOREPLACE, _EXCHANGE = 1, 2
_UNSERVED = (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP)
Known = Callable[[bytes], bool]
Hook = Callable[[str, bytes], None]


def temporary(name: bytes) -> bytes:
    """The name that the new and later the displaced file of `name` has; the same always, so that a crash is found."""
    return b".githarness-" + hashlib.sha1(name, usedforsecurity=False).hexdigest()[:16].encode()


_libc = ctypes.CDLL(None, use_errno=True)


def _renameat2(folder: int, old: bytes, new: bytes, flags: int) -> None:
    try:
        call = _libc.renameat2
    except AttributeError:
        raise OSError(errno.ENOSYS, "no renameat2") from None
    if call(folder, old, folder, new, flags):
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), os.fsdecode(new))


def exchange(folder: int, one: bytes, other: bytes) -> None:
    try:
        _renameat2(folder, one, other, _EXCHANGE)
    except OSError as error:
        if error.errno not in _UNSERVED:
            raise
        # File systems without it: what is there keeps a second name, so it can still be looked at after the rename.
        # A file that an editor renames into place between these two calls would be lost; there is no call against it.
        spare = one + b"~"
        os.link(other, spare, src_dir_fd=folder, dst_dir_fd=folder, follow_symlinks=False)
        os.rename(one, other, src_dir_fd=folder, dst_dir_fd=folder)
        os.rename(spare, one, src_dir_fd=folder, dst_dir_fd=folder)


def serves_exchange(folder: Path) -> bool:
    """Whether this file system exchanges two files in one step."""
    with tempfile.TemporaryDirectory(dir=folder, prefix=".githarness-") as scratch:
        for name in ("one", "other"):
            Path(scratch, name).touch()
        descriptor = os.open(scratch, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            _renameat2(descriptor, b"one", b"other", _EXCHANGE)
        except OSError as error:
            if error.errno not in _UNSERVED:
                raise
            return False
        finally:
            os.close(descriptor)
    return True


def move(folder: int, old: bytes, new: bytes) -> None:
    """Renames; raises FileExistsError where `new` is there."""
    try:
        _renameat2(folder, old, new, _NOREPLACE)
    except OSError as error:
        if error.errno not in _UNSERVED:
            raise
        os.link(old, new, src_dir_fd=folder, dst_dir_fd=folder, follow_symlinks=False)
        os.unlink(old, dir_fd=folder)


@dataclass(frozen=True, slots=True)
class Swap:
    """`spare`: the temporary name. `known(NAME)`: whether what has this name may go, being the old content.

    `hook` is called between the steps.
    """

    folder: int
    name: bytes
    spare: bytes
    known: Known
    hook: Hook

    def stage(self, data: bytes, mode: int, *, exact: bool) -> os.stat_result:
        """Writes the new file beside the old one; the metadata that it will have, but for its time of change.

        `exact`: the permissions are those of the old file, the umask does not apply to them again.

        Its time of modification is set one nanosecond before the kernel's own stamp. No later writer can get that
        time, not even within the same tick of the clock, so equal metadata proves equal content from here on.
        """
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        descriptor = os.open(self.spare, flags, mode, dir_fd=self.folder)
        try:
            rest = memoryview(data)
            while rest:
                rest = rest[os.write(descriptor, rest):]
            found = os.fstat(descriptor)
            if exact and found.st_mode & 0o777 != mode:
                os.fchmod(descriptor, mode)
            stamp = found.st_mtime_ns - 1
            os.utime(descriptor, ns=(stamp, stamp))
            return os.fstat(descriptor)
        except BaseException:
            os.unlink(self.spare, dir_fd=self.folder)
            raise
        finally:
            os.close(descriptor)

    def stage_link(self, target: bytes) -> os.stat_result:
        os.symlink(target, self.spare, dir_fd=self.folder)
        return os.stat(self.spare, dir_fd=self.folder, follow_symlinks=False)

    def create(self) -> bool:
        """The staged file gets its name; False where something has appeared there."""
        self.hook("staged", self.name)
        try:
            move(self.folder, self.spare, self.name)
        except FileExistsError:
            self._discard()
            return False
        except OSError:
            self._discard()
            raise
        return True

    def replace(self, staged: os.stat_result) -> bool:
        """The staged file takes the place of the old one; False where that was edited and is back."""
        self.hook("staged", self.name)
        try:
            exchange(self.folder, self.spare, self.name)
        except FileNotFoundError:
            self._discard()
            return False
        except OSError:
            here = files.look(self.folder, self.spare)
            if here is not None and same_file(here, staged):  # not what was displaced, whatever the disk says
                self._discard()
            raise
        self.hook("swapped", self.name)
        if self._may_go():
            self._discard()
            return True
        self._back(staged)
        return False

    def _back(self, staged: os.stat_result) -> None:
        """The person's file returns. Had it been saved once more by then, the later version stays."""
        try:
            exchange(self.folder, self.spare, self.name)
        except FileNotFoundError:
            move(self.folder, self.spare, self.name)
            return
        out = files.look(self.folder, self.spare)
        if out is None or same_file(out, staged):
            self._discard()
            return
        exchange(self.folder, self.spare, self.name)
        self._discard()

    def remove(self) -> bool:
        """The old file goes; False where it was edited and stays."""
        self.hook("staged", self.name)
        try:
            move(self.folder, self.name, self.spare)
        except FileNotFoundError:
            return True
        self.hook("swapped", self.name)
        if not self._may_go():
            with contextlib.suppress(FileExistsError):
                move(self.folder, self.spare, self.name)
            self._discard()
            return False
        self._discard()
        return True

    def _may_go(self) -> bool:
        try:
            return not _open_for_writing(self.folder, self.spare) and self.known(self.spare)
        except OSError:
            return False

    def _discard(self) -> None:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.spare, dir_fd=self.folder)


def same_file(one: os.stat_result, other: os.stat_result) -> bool:
    """Same inode, not written since. A rename changes the time of change, so that says nothing."""
    return ((one.st_ino, one.st_dev, one.st_mtime_ns, one.st_size, one.st_mode)
            == (other.st_ino, other.st_dev, other.st_mtime_ns, other.st_size, other.st_mode))


def _open_for_writing(folder: int, name: bytes) -> bool:
    """Whether a process has the displaced file open for writing: its next write would go to a file without a name.

    The kernel grants a read lease only on a file without writers. Where it knows no leases (network file systems, files
    of another user) metadata and content have to do.
    """
    with files.opened(folder, name) as descriptor:
        if descriptor is None:
            return False
        try:
            fcntl.fcntl(descriptor, fcntl.F_SETSIG, signal.SIGURG)  # a broken lease must not end us: SIGIO would
            fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        except BlockingIOError:
            return True
        except OSError:
            return False
        return False  # the lease goes with the descriptor
