"""What stands at a path of a worktree, in the index and as a file, compared with what a change expects.

A change may go on where the index entry is its `old` or already its `new`, and the file is the same as the entry, or
already `new`. All else is a person's work.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from dataclasses import dataclass, field

from githarness.git import files
from githarness.git.files import Content
from githarness.git.index import Index, Indexed, stat_of
from githarness.git.objects import EXECUTABLE, FILE, LINK, SUBMODULE, Entry, PathChange
from githarness.paths import twin_key


@dataclass(slots=True)
class Standing:
    """`root`: the open top folder. `gone`: names of files that the changes seen so far remove."""

    root: int
    index: Index
    content: Content
    gone: set[bytes] = field(default_factory=set)

    def note(self, changes: Iterable[PathChange]) -> None:
        for change in changes:
            (self.gone.discard if change.new else self.gone.add)(name_of(change.path))

    def fits(self, change: PathChange) -> bool:
        return self.fits_index(change) and self._fits_file(change)

    def fits_index(self, change: PathChange) -> bool:
        name = name_of(change.path)
        entry = self.index.get(name)
        if self.index.in_conflict(name) or (entry and entry.intended):
            return False
        if entry is None:
            return change.new is None or (change.old is None and self._has_room(name))
        return same(entry, change.old) or same(entry, change.new)

    def _has_room(self, name: bytes) -> bool:
        """No entry is a folder of this new name, or lies inside it, but for those that go."""
        above = [one for one in folders_of(name) if one not in self.gone]
        if any(self.index.get(one) or self.index.in_conflict(one) for one in above):
            return False
        return all(one in self.gone for one in self.index.under(name))

    def _fits_file(self, change: PathChange) -> bool:
        name = name_of(change.path)
        entry = self.index.get(name)
        at_old = same(entry, change.old)
        try:
            with files.folder_of(self.root, name, make=False) as folder:
                found = files.look(folder, base_of(name))
                if found is None:
                    return self._may_lack(change, entry, at_old=at_old)
                if files.is_folder(found):
                    room = change.new is None or self._will_be_empty(folder, name)
                    return is_submodule(change) or (room and self._may_lack(change, entry, at_old=at_old))
                return self.untouched(name, found) or self._is_wanted(folder, change, at_old=at_old)
        except FileNotFoundError:
            return self._may_lack(change, entry, at_old=at_old)
        except NotADirectoryError:
            return any(one in self.gone for one in folders_of(name))

    def _may_lack(self, change: PathChange, entry: Indexed | None, *, at_old: bool) -> bool:
        """Whether no file has to be there: nobody removed one."""
        if change.new is None or (at_old and change.old is None) or (entry is not None and entry.skipped):
            return True
        return is_submodule(change) or not self.content.can_make(change.path)

    def _is_wanted(self, folder: int, change: PathChange, *, at_old: bool) -> bool:
        base = base_of(name_of(change.path))
        if at_old and change.old and self.content.is_at(folder, base, change.path, change.old):
            return True
        if change.new and self.content.is_at(folder, base, change.path, change.new, data=change.data):
            return True
        return change.old is None and self._is_renamed(folder, change.path)

    def untouched(self, name: bytes, found: files.Found) -> bool:
        """Whether metadata alone proves that the file is what its index entry says."""
        entry = self.index.get(name)
        if entry is None or entry.stat != stat_of(found) or not files.is_file(found) or not self.index.trusted(name):
            return False
        return not self.content.modes or bool(entry.mode & 0o100) == bool(found.st_mode & 0o100)

    def _will_be_empty(self, folder: int, name: bytes) -> bool:
        return all(name + b"/" + one in self.gone for one in files.inside(folder, base_of(name)))

    def _is_renamed(self, folder: int, path: str) -> bool:
        """A file system that ignores case shows, under the new name, the very file that the change removes."""
        found = files.look(folder, base_of(name_of(path)))
        for name in (one for one in self.gone if twin_key(path_of(one)) == twin_key(path)):
            with contextlib.suppress(OSError), files.folder_of(self.root, name, make=False) as other:
                twin = files.look(other, base_of(name))
                if found and twin and found.st_nlink == 1 and os.path.samestat(twin, found):
                    return True
        return False

    def has_new(self, change: PathChange) -> bool:
        return same(self.index.get(name_of(change.path)), change.new)


def name_of(path: str) -> bytes:
    return path.encode("utf-8", "surrogateescape")


def path_of(name: bytes) -> str:
    return name.decode("utf-8", "surrogateescape")


def entry_of(found: Indexed) -> Entry:
    return Entry(f"{found.mode:o}", found.oid)


def folders_of(name: bytes) -> list[bytes]:
    """Every folder that the name lies in, the outermost first."""
    return [name[:at] for at, byte in enumerate(name) if byte == 0x2F]


def base_of(name: bytes) -> bytes:
    return name.rpartition(b"/")[2]


def mode_of(entry: Entry) -> str:
    """As the index has it: old trees also say 100664."""
    if entry.mode in (LINK, SUBMODULE):
        return entry.mode
    return EXECUTABLE if int(entry.mode, 8) & 0o100 else FILE


def same(found: Indexed | None, entry: Entry | None) -> bool:
    if found is None or entry is None:
        return found is None and entry is None
    return found.oid == entry.oid and found.mode == int(mode_of(entry), 8)


def is_submodule(change: PathChange) -> bool:
    return any(entry is not None and entry.mode == SUBMODULE for entry in (change.old, change.new))
