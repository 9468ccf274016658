"""Files and index of a worktree brought along when its branch moves, under git's own `index.lock`.

    hold() takes the lock, dirty() says what a person has changed, the caller moves the ref, bring() swaps the files,
    writes the new index into the lock and renames the lock

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
from githarness.git.standing import Standing, folders_of, name_of
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

    def unfinished(self) -> bool:
        """Whether files and index may lack what the ref has: where the lock became the index, they had it."""
        return self.lock.unfinished()

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

    @contextlib.contextmanager
    def look(self) -> Iterator[Held]:
        """For a first judgement by `dirty`, without the lock: `hold` has to ask again, and nothing is brought."""
        standing = self._standing()
        try:
            yield Held(self, -1, standing)
        finally:
            os.close(standing.root)

    def _standing(self) -> Standing:
        loaded = self._load()
        return Standing(os.open(self.checkout.root, _ROOT), loaded, self.content)

    def _leave(self, held: Held) -> None:
        if held.state == "clear":
            self.lock.release()

    def recover(self, changes: Sequence[PathChange]) -> None:
        """Finishes a change whose ref has moved; a path that is as it should be is left alone. May be repeated.
        Raises OSError where the disk is still full.

        After a power cut, files that we wrote shortly before may be empty: those are made again.
        """
        with self.hold() as held:
            held.recover(changes, self._suspects())

    def _suspects(self) -> list[bytes]:
        """Files from the last minute of the index: the system writes what is older to disk by itself."""
        try:
            return self._index.since(int(os.stat(self.lock.index).st_mtime) - 60)
        except FileNotFoundError:
            return []

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

    def publish(self) -> bool:
        """The index in memory, written into the lock, is the file now; False where somebody took the lock away."""
        self.hook("written", b"")
        ours = self.lock.publish()
        self._known = self._identity() if ours else None
        return ours

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
    """The lock is ours. `state`: clear, moving (left so, the lock stays), done: the lock has become the index."""

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

    def keep(self) -> None:
        """The ref has moved and the caller cannot go on: the lock stays for `recover`."""
        self.state = "moving"

    @property
    def unfinished(self) -> bool:
        """Whether `bring` could not write the index: the lock stays, and the change has to be given to `recover`."""
        return self.state == "moving"

    def bring(self, changes: Sequence[PathChange]) -> list[str]:
        """Once the ref has moved, makes files and index what `new` says; the paths where that waits for a person.

        The lock is given up with it, so this is called once.
        """
        self._begin()
        try:
            pending = self._carry(changes, self._placing(changes, recovering=False))
        except OSError:  # the disk is full
            return [change.path for change in changes]
        return pending if self._finish() else [change.path for change in changes]

    def recover(self, changes: Sequence[PathChange], suspects: Sequence[bytes]) -> None:
        placing = self._placing(changes, recovering=True)
        for change in changes:
            placing.tidy(change)
        left = [change for change in changes if not self.standing.has_new(change)]
        damaged = [name for name in suspects if placing.is_damaged(name)]
        if left or damaged:
            self._begin()
            for name in damaged:
                placing.mend(name)
            self._carry(left, placing)
            self._finish()

    def _placing(self, changes: Sequence[PathChange], *, recovering: bool) -> Placing:
        needed = frozenset(folder for one in changes if one.new for folder in folders_of(name_of(one.path)))
        return Placing(self.standing, self.owner.hook, needed, recovering)

    def _begin(self) -> None:
        self.state = "moving"
        self.owner.forget()

    def _carry(self, changes: Sequence[PathChange], placing: Placing) -> list[str]:
        self.standing.note(changes)
        removals = sorted((one for one in changes if one.new is None), key=lambda one: one.path, reverse=True)
        others = sorted((one for one in changes if one.new is not None), key=lambda one: one.path)
        return [change.path for change in (*removals, *others) if not placing.bring(change)]

    def _finish(self) -> bool:
        self.owner.hook("files", b"")
        try:
            self._write()
        except OSError:
            return False
        self.state = "done"
        return self.owner.publish()

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
