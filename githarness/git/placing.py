"""One change of a path carried into a worktree: file first, then its index entry.

The entry always becomes what the ref has now, so that no later commit takes the change back unseen. Its metadata is
recorded only for a file that surely is what it says; for any other, git looks itself and shows a person's edit.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from dataclasses import dataclass
from functools import partial

from githarness.errors import HarnessError
from githarness.git import files
from githarness.git.files import Found
from githarness.git.index import stat_of
from githarness.git.objects import EXECUTABLE, LINK, Entry, PathChange
from githarness.git.standing import Standing, base_of, entry_of, is_submodule, mode_of, name_of, path_of, same
from githarness.git.swap import Hook, Swap, same_file, temporary

_KEPT = b".githarness-kept"


@dataclass(frozen=True, slots=True)
class Placed:
    """`done`: the worktree is as the change says. `proof`: metadata of the file. `ours`: no later writer can get it."""

    done: bool
    proof: Found | None = None
    ours: bool = False


_PENDING, _NOTHING_DUE = Placed(done=False), Placed(done=True)


@dataclass(frozen=True, slots=True)
class Placing:
    """`needed`: folders of the files that the changes make, which therefore stay.

    `recovering`: after a crash, which may have been of the machine, an empty file counts as one that was lost.
    """

    standing: Standing
    hook: Hook
    needed: frozenset[bytes]
    recovering: bool

    def bring(self, change: PathChange) -> bool:
        """False where the path has to wait for a person. Raises OSError where the disk is full."""
        if change.old == change.new:
            return True
        if not self.standing.fits_index(change):
            return False
        index, name = self.standing.index, name_of(change.path)
        before = index.get(name)
        skipped = before.skipped if before else change.new is not None and index.sparse(name)
        try:
            placed = self._file(change, skipped=skipped)
        except (OSError, HarnessError) as error:
            if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise  # nobody has a change here that stands in the way: it is only late
            placed = _PENDING
        if change.new is None:
            index.drop(name)
        else:
            index.put(name, int(mode_of(change.new), 8), change.new.oid, placed.proof, ours=placed.ours,
                      skipped=skipped and placed.proof is None)
        return placed.done

    def _file(self, change: PathChange, *, skipped: bool) -> Placed:
        name = name_of(change.path)
        make = change.new is not None and not skipped
        try:
            with files.folder_of(self.standing.root, name, make=make) as folder:
                found = files.look(folder, base_of(name))
                if is_submodule(change):
                    return Placed(done=change.new is None and found is None)
                if found is None and (skipped or change.new is None):
                    return _NOTHING_DUE
                placed = self._remove(folder, change, found) if change.new is None else self._put(folder, change, found)
        except (FileNotFoundError, NotADirectoryError):
            return Placed(done=not make)
        if change.new is None:
            self._prune(name.rpartition(b"/")[0])
        return placed

    def _remove(self, folder: int, change: PathChange, found: Found | None) -> Placed:
        if found is None or files.is_folder(found):
            return _NOTHING_DUE
        swap = self._swap(folder, change, found)
        return Placed(done=same(self.standing.index.get(name_of(change.path)), change.old)
                      and swap.known(swap.name) and swap.remove())

    def _prune(self, folder: bytes) -> None:
        """Folders that became empty go, as git does, but for those that a new file of the same change needs."""
        with contextlib.suppress(OSError):
            while folder and folder not in self.needed:
                with files.folder_of(self.standing.root, folder, make=False) as above:
                    os.rmdir(base_of(folder), dir_fd=above)
                folder = folder.rpartition(b"/")[0]

    def _put(self, folder: int, change: PathChange, found: Found | None) -> Placed:
        if found is not None and files.is_folder(found):
            files.remove_empty(folder, base_of(name_of(change.path)))
            found = None
        swap = self._swap(folder, change, found)
        stands = same(self.standing.index.get(name_of(change.path)), change.old)
        if stands and (change.old is None if found is None else change.old is not None and swap.known(swap.name)):
            return self._swap_in(swap, change, found)
        return self._already(folder, change)

    def _swap_in(self, swap: Swap, change: PathChange, found: Found | None) -> Placed:
        new = change.new
        data = self._data(change)
        if new is None or data is None:
            return _PENDING
        exact = found is not None and self.standing.content.modes
        stage = partial(swap.stage_link, data) if new.mode == LINK else partial(
            swap.stage, data, _permissions(new, found), exact=exact)
        try:
            staged = stage()
        except FileExistsError:
            _keep_aside(swap.folder, swap.name)
            staged = stage()
        if not (swap.replace(staged) if found else swap.create()):
            return _PENDING
        self.hook("placed", swap.name)
        after = files.look(swap.folder, swap.name)
        return Placed(done=True, proof=after, ours=True) if after and same_file(after, staged) else _PENDING

    def _data(self, change: PathChange) -> bytes | None:
        """What the file gets; None where only git with its filters can tell."""
        if change.new is None:
            return None
        content = self.standing.content
        data = change.data if change.data is not None else content.blob(change.new.oid)
        return data if change.new.mode == LINK else content.written(change.path, data)

    def _already(self, folder: int, change: PathChange) -> Placed:
        """The file was `new` before we came, as where a change is captured from this very worktree."""
        base = base_of(name_of(change.path))
        before, content = files.look(folder, base), self.standing.content
        if change.new and before and content.is_at(folder, base, change.path, change.new, data=change.data):
            after = files.look(folder, base)
            if after and same_file(before, after):
                return Placed(done=True, proof=after)
        return _PENDING

    def _swap(self, folder: int, change: PathChange, first: Found | None) -> Swap:
        """`known` goes by metadata while the index proves it, else by content. `first`: what was there before."""
        name, old, content = name_of(change.path), change.old, self.standing.content
        proven = first is not None and self.standing.untouched(name, first)

        def known(what: bytes) -> bool:
            if proven and what == base_of(name):
                return True
            now = files.look(folder, what)
            if proven and first is not None and now is not None and same_file(first, now):
                return True
            if old is None:
                return False
            return (self.recovering and files.is_void(folder, what)) or content.is_at(folder, what, change.path, old)

        return Swap(folder, base_of(name), temporary(base_of(name)), known, self.hook)

    def tidy(self, change: PathChange) -> None:
        """What a crash in the middle of a swap left beside the file: ours goes, a person's gets its name back."""
        name = name_of(change.path)
        base = base_of(name)
        with contextlib.suppress(OSError), files.folder_of(self.standing.root, name, make=False) as folder:
            if files.look(folder, temporary(base)) is None:
                return
            if self._is_ours(folder, temporary(base), change):
                os.unlink(temporary(base), dir_fd=folder)
            elif self._is_new(folder, base, change):
                os.rename(temporary(base), base, src_dir_fd=folder, dst_dir_fd=folder)
            else:
                _keep_aside(folder, base)

    def is_damaged(self, name: bytes) -> bool:
        """Whether a file has inode and time of modification as recorded, but has lost its content."""
        base, entry = base_of(name), self.standing.index.get(name)
        with contextlib.suppress(OSError), files.folder_of(self.standing.root, name, make=False) as folder:
            found = files.look(folder, base)
            if found is None or entry is None or _written(entry.stat) != _written(stat_of(found)):
                return False
            return files.is_void(folder, base) and not self.standing.content.is_at(
                folder, base, path_of(name), entry_of(entry))
        return False

    def mend(self, name: bytes) -> None:
        """Makes a damaged file again from the repository."""
        root, index, entry = self.standing.root, self.standing.index, self.standing.index.get(name)
        if entry is None:
            return
        change = PathChange(path_of(name), entry_of(entry), entry_of(entry))
        with contextlib.suppress(OSError, HarnessError), files.folder_of(root, name, make=False) as folder:
            placed = self._put(folder, change, files.look(folder, base_of(name)))
            if placed.done:
                index.put(name, entry.mode, entry.oid, placed.proof, ours=placed.ours, skipped=False)

    def _is_new(self, folder: int, base: bytes, change: PathChange) -> bool:
        if change.new is None:
            return files.look(folder, base) is None
        return self.standing.content.is_at(folder, base, change.path, change.new, data=change.data)

    def _is_ours(self, folder: int, spare: bytes, change: PathChange) -> bool:
        """The displaced old content, or a beginning of the new one that was never put in place."""
        content = self.standing.content
        if change.old and content.is_at(folder, spare, change.path, change.old):
            return True
        if files.is_void(folder, spare):
            return True
        data, there = self._data(change), files.read(folder, spare)
        if there is None or data is None:
            new = change.new
            return new is not None and content.is_at(folder, spare, change.path, new, data=change.data)
        return data.startswith(there) and not self._is_new(folder, base_of(name_of(change.path)), change)


def _written(stat: tuple[int, ...]) -> tuple[int, ...]:
    """Time of modification and inode; the device may have another number after a start of the machine."""
    return (*stat[2:4], stat[5])


def _keep_aside(folder: int, base: bytes) -> None:
    """What nobody can account for under our temporary name gets a name that people see."""
    with contextlib.suppress(FileNotFoundError):
        os.link(temporary(base), base + _KEPT, src_dir_fd=folder, dst_dir_fd=folder, follow_symlinks=False)
        os.unlink(temporary(base), dir_fd=folder)


def _permissions(new: Entry, found: Found | None) -> int:
    """Those of the file before, so that none becomes readable to more people; the executable bit follows the entry."""
    executable = mode_of(new) == EXECUTABLE
    if found is None or not files.is_file(found):
        return 0o777 if executable else 0o666
    kept = stat.S_IMODE(found.st_mode) & 0o777
    return kept | (kept & 0o444) >> 2 if executable else kept & ~0o111
