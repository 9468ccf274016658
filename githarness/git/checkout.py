"""Files and index of a worktree brought along when its branch moves, under git's own `index.lock`.

    hold() takes the lock, dirty() says what a person has changed, the caller moves the ref, bring() swaps the files and
    writes the new index into the lock, leaving hold() renames the lock

A crash after the ref moved leaves the lock: `git commit -a` refuses instead of reverting the commit, until `recover`
has finished. Nothing here is made durable: git has the content, and a lost file shows as a change. Every call needs the
repository's flock.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from githarness.errors import Unavailable
from githarness.git import config, files, index
from githarness.git.files import Blob, Content, Smudge
from githarness.git.index import Index
from githarness.git.indexlock import IndexLock
from githarness.git.objects import PathChange
from githarness.git.placing import Placing
from githarness.git.repo import Checkout, Repo, settings_of
from githarness.git.standing import Standing, name_of
from githarness.git.swap import Hook

_ROOT = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


def _nothing(point: str, name: bytes) -> None:
    """What happens between the steps, outside tests."""


class CheckedOut:
    """One worktree; the parsed index is kept as long as nobody else writes it. Not for two threads at once.

    `blob` gives content by id. `smudge(path, data)` gives what a checkout writes (line ends, filters), None where only
    git can; without it files are what blobs are. `hook(point, name)` is called where races and crashes matter.
    """

    def __init__(self, checkout: Checkout, repo: Repo, blob: Blob, *, smudge: Smudge | None = None,
                 hook: Hook = _nothing) -> None:
        self.checkout = checkout
        self.hook = hook
        self.content = Content(blob, smudge, _counts_modes(checkout.git_dir))
        self.lock = IndexLock(checkout.git_dir, repo.common_dir, repo.home)
        self._index = Index()
        self._known: tuple[int, ...] | None = None  # identifies the file that `_index` was read from

    def left_behind(self) -> bool:
        """Whether a crash left our lock, so that `recover` is due."""
        return self.lock.ours()

    @contextlib.contextmanager
    def hold(self, timeout: float = 5.0) -> Iterator[Held]:
        """Holds `index.lock`. Raises Locked, Unavailable for an index that is not served, Integrity for a broken one.

        Left by an exception before `bring`, all is as it was. Left by the end of the process or by an interruption,
        the lock stays, because the ref may have moved.
        """
        descriptor = self.lock.take(timeout)
        try:
            held = Held(self, descriptor, self._standing())
        except BaseException:
            os.close(descriptor)
            self.lock.release()
            raise
        try:
            yield held
        except Exception:
            self._leave(held)
            raise
        else:
            self._leave(held)
        finally:
            os.close(held.standing.root)
            os.close(descriptor)

    def _standing(self) -> Standing:
        loaded = self._load()
        return Standing(os.open(self.checkout.root, _ROOT), loaded, self.content)

    def _leave(self, held: Held) -> None:
        if held.state == "brought":
            self.hook("written", b"")
            if self.lock.publish():
                self._known = self._identity()
        elif held.state == "clear":
            self.lock.release()

    def recover(self, changes: Sequence[PathChange]) -> None:
        """Finishes a change whose ref has moved; a path that is as it should be is left alone. May be repeated."""
        with self.hold() as held:
            held.tidy(changes)
            if left := [change for change in changes if not held.standing.has_new(change)]:
                held.bring(left)

    def _load(self) -> Index:
        identity = self._identity()
        if identity is None:
            self._index = Index()
        elif identity != self._known:
            with open(self.lock.index, "rb") as file:
                second = int(os.fstat(file.fileno()).st_mtime)
                self._index = index.parse(file.read(), second)
        self._known = identity
        return self._index

    def forget(self) -> None:
        """The index in memory is about to differ from the file."""
        self._known = None

    def _identity(self) -> tuple[int, ...] | None:
        """Metadata and trailing hash of the index file; None where there is none yet."""
        try:
            descriptor = os.open(self.lock.index, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise Unavailable(f"'{self.lock.index}' cannot be read: {error.strerror}") from error
        try:
            found = os.fstat(descriptor)
            trailer = os.pread(descriptor, 20, max(0, found.st_size - 20))
        finally:
            os.close(descriptor)
        return found.st_dev, found.st_ino, found.st_mtime_ns, found.st_size, int.from_bytes(trailer, "big")


def _counts_modes(git_dir: Path) -> bool:
    values = settings_of(git_dir)
    return "core.filemode" not in values or config.is_true(values["core.filemode"])


@dataclass(slots=True)
class Held:
    """The lock is ours. `state`: clear, moving while `bring` works (left like this, the lock stays), brought."""

    owner: CheckedOut
    descriptor: int
    standing: Standing
    state: str = "clear"
    _vetted: set[str] = field(default_factory=set)

    @property
    def checkout(self) -> Checkout:
        return self.owner.checkout

    def dirty(self, changes: Sequence[PathChange]) -> list[str]:
        """Paths where a person's work is in the way, staged or not.

        A path found clean stays so under this lock: the next change of a group builds on what the first will leave.
        """
        self.standing.note(changes)
        return [change.path for change in changes if not self._is_clean(change)]

    def _is_clean(self, change: PathChange) -> bool:
        if change.path in self._vetted:
            return True
        try:
            clean = self.standing.fits(change)
        except OSError:
            return False
        if clean:
            self._vetted.add(change.path)
        return clean

    def bring(self, changes: Sequence[PathChange]) -> list[str]:
        """Once the ref has moved, makes files and index what `new` says; the paths where that waits for a person."""
        self.state = "moving"
        self.owner.forget()
        self.standing.note(changes)
        placing = self._placing(changes)
        removals = sorted((one for one in changes if one.new is None), key=lambda one: one.path, reverse=True)
        others = sorted((one for one in changes if one.new is not None), key=lambda one: one.path)
        pending = [change.path for change in (*removals, *others) if not placing.bring(change)]
        self.owner.hook("files", b"")
        try:
            self._write()
        except OSError:
            return [change.path for change in changes]  # the lock stays, and with it the duty to recover
        self.state = "brought"
        return pending if self.owner.lock.ours() else [change.path for change in changes]

    def tidy(self, changes: Sequence[PathChange]) -> None:
        placing = self._placing(changes)
        for change in changes:
            placing.tidy(change)

    def _placing(self, changes: Sequence[PathChange]) -> Placing:
        return Placing(self.standing, self.owner.hook, frozenset(name_of(one.path) for one in changes if one.new))

    def _write(self) -> None:
        """The new index goes into the lock file, with a time that is not later than any write that follows."""
        os.utime(self.descriptor)
        stamp = os.fstat(self.descriptor).st_mtime_ns
        self.standing.index.settle(stamp // 10**9, self._still)
        data = memoryview(self.standing.index.emit())
        os.ftruncate(self.descriptor, 0)
        done = 0
        while done < len(data):
            done += os.pwrite(self.descriptor, data[done:], done)
        os.utime(self.descriptor, ns=(stamp, stamp))

    def _still(self, name: bytes, known: index.Stat) -> bool:
        found = files.look(self.standing.root, name)
        return found is not None and index.stat_of(found) == known
