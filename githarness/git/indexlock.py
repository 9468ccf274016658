"""Git's `index.lock`, taken so that a lock which a crash left behind is known as ours.

The lock is a second name of a file in our own folder. Whoever calls holds the repository's flock, so a lock with the
inode of that file has no living owner: it is taken over where it stands, and no git command gets in between. A foreign
lock is waited for and never removed. `index` changes by rename: a reader sees the old one or the new one.
"""

from __future__ import annotations

import contextlib
import os
import stat
from pathlib import Path
from time import sleep

from githarness.clock import SYSTEM
from githarness.errors import Locked, Unavailable

_OPEN = os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW


class IndexLock:
    def __init__(self, git_dir: Path, common_dir: Path, home: Path) -> None:
        name = "main" if git_dir == common_dir else "linked-" + git_dir.name
        self.index = os.fspath(git_dir / "index")
        self.lock = self.index + ".lock"
        self.mine = os.fspath(home / f"worktree-{name}.lock")

    def ours(self) -> bool:
        """Whether the lock is of githarness: this process's, or, before `take`, one that a crash left."""
        return _same(self.mine, self.lock)

    def unfinished(self) -> bool:
        """Whether a lock of a crash never became the index, also where a person has removed it since."""
        return os.path.lexists(self.mine) and not _same(self.mine, self.index)

    def take(self, timeout: float) -> int:
        """An open descriptor of the lock file. Raises Locked where somebody else keeps it for `timeout` seconds."""
        if self.ours():
            return os.open(self.mine, _OPEN)
        descriptor = self._fresh()
        try:
            self._link(SYSTEM.monotonic() + timeout)
        except BaseException:
            os.close(descriptor)
            os.unlink(self.mine)
            raise
        return descriptor

    def _fresh(self) -> int:
        """A new file of ours; an old one is never opened, it may be a name of the index itself."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.mine)
        os.makedirs(os.path.dirname(self.mine), mode=0o700, exist_ok=True)
        descriptor = os.open(self.mine, _OPEN | os.O_CREAT | os.O_EXCL, 0o666)
        with contextlib.suppress(FileNotFoundError):
            wanted = stat.S_IMODE(os.stat(self.index).st_mode)
            if stat.S_IMODE(os.fstat(descriptor).st_mode) != wanted:
                os.fchmod(descriptor, wanted)
        return descriptor

    def _link(self, deadline: float) -> None:
        pause = 0.001
        while True:
            try:
                os.link(self.mine, self.lock)
                return
            except FileExistsError:
                if SYSTEM.monotonic() >= deadline:
                    raise Locked(f"'{self.lock}' is held by another git process",
                                 fix=f"wait for it; if no git is running: rm '{self.lock}'",
                                 details={"lock": self.lock}) from None
            except OSError as error:
                raise Unavailable(f"'{self.lock}' cannot be taken: {error.strerror}") from error
            sleep(pause)
            pause = min(2 * pause, 0.05)

    def publish(self) -> bool:
        """The lock becomes the index; False where somebody removed it under us: a foreign one is not touched."""
        ours = self.ours()
        if ours:
            os.rename(self.lock, self.index)
        os.unlink(self.mine)
        return ours

    def release(self) -> None:
        if self.ours():
            os.unlink(self.lock)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.mine)


def _same(one: str, other: str) -> bool:
    try:
        return os.path.samestat(os.lstat(one), os.lstat(other))
    except FileNotFoundError:
        return False
