"""The skills of one working tree: its root, the globs of its configuration, its baseline, and the files of a commit.

The configuration is that of the working tree, like the skills: what a write must pass is judged by head's (admit.py).
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from githarness.errors import BadPath, HarnessError, NotFound, Unavailable, Usage
from githarness.git import files
from githarness.git.objects import EXECUTABLE, FILE, Entry, oid_of
from githarness.git.repo import Repo, discover
from githarness.git.swap import Swap, temporary
from githarness.settings import CONFIG, RepoConfig, parse_config
from githarness.skills import baseline
from githarness.work import check
from githarness.work.files_of import Worktree

if TYPE_CHECKING:
    from githarness.git.reader import Reader

_LARGEST_DEBT = 64 << 20  # bytes
_LARGEST_CONFIG = 1 << 20


@dataclass(frozen=True, slots=True)
class Skillset:
    root: Path
    start: Path  # what paths are relative to
    repo: Repo | None
    globs: tuple[str, ...]

    def named(self, paths: Sequence[str]) -> list[str]:
        """The files that paths relative to the start name; all skills where none is. Raises NotFound, Usage."""
        if not paths:
            return check.skills(self.root, self.globs)
        return check.named(self.root, [self._inside(path) for path in paths], self.globs)

    def _inside(self, path: str) -> str:
        full, top = os.path.normpath(os.path.join(self.start, path)), f"{self.root}/"
        inside = full[len(top) :] if full.startswith(top) else os.path.relpath(full, self.root)
        if inside.startswith(".."):
            raise Usage(f"'{path}' is outside of '{self.root}'", fix="name files of the repository, or use -C")
        return inside

    def changed_since(self, rev: str, paths: Sequence[str], reader: Reader) -> tuple[list[str], Before]:
        """Those of `paths` whose content is not that of `rev`, and their versions there. Raises NotFound."""
        commit = reader.resolve(rev)
        old = {path: entry for path, entry in reader.files(commit) if entry.mode in (FILE, EXECUTABLE)}
        return [path for path in paths if not self._is(path, old.get(path))], Before(reader, old)

    def _is(self, path: str, entry: Entry | None) -> bool:
        there = Worktree(self.root)
        return (entry is not None and there.mode(path) in (FILE, EXECUTABLE)
                and oid_of("blob", there.read(path, there.size(path))) == entry.oid)

    def debt(self) -> baseline.Debt:
        """Nothing where there is no baseline. Raises Integrity for a broken one."""
        data = Worktree(self.root).read(baseline.PATH, _LARGEST_DEBT)
        return baseline.load(data) if data else {}

    def write_baseline(self, report: check.Report) -> None:
        with self._folder_of(baseline.PATH) as (folder, name):
            _swap(folder, name, b"").stage(baseline.dump(report.findings), 0o666, exact=False)
            os.replace(temporary(name), name, src_dir_fd=folder, dst_dir_fd=folder)

    def create(self, path: str, data: bytes) -> None:
        """Raises BadPath where the path leads out of the tree."""
        with self._folder_of(path) as (folder, name):
            swap = _swap(folder, name, b"")
            swap.stage(data, 0o666, exact=False)
            swap.create()

    def mend(self, path: str, before: bytes, data: bytes) -> bool:
        """The mended file in place of the old one, with its mode; False where that is not what was judged any more, or
        cannot be replaced."""
        try:
            with self._folder_of(path) as (folder, name):
                swap, found = _swap(folder, name, before), files.look(folder, name)
                if found is None or files.read(folder, name) != before:
                    return False
                return swap.replace(swap.stage(data, found.st_mode & 0o777, exact=True))
        except (OSError, HarnessError):
            return False

    @contextlib.contextmanager
    def _folder_of(self, path: str) -> Iterator[tuple[int, bytes]]:
        """The open folder of a path of the tree, made where it is missing, and the path's last name."""
        root = os.open(self.root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            with files.folder_of(root, raw := os.fsencode(path), make=True) as folder:
                yield folder, raw.rpartition(b"/")[2]
        except NotADirectoryError as error:
            raise BadPath(f"'{path}' leads out of '{self.root}', or through a link") from error
        except OSError as error:
            raise Unavailable(f"'{path}' cannot be written: {error.strerror}") from error
        finally:
            os.close(root)


def _swap(folder: int, name: bytes, before: bytes) -> Swap:
    """Nothing but `before` is replaced, and by nothing that is not on disk."""
    spare = temporary(name)

    def sync(step: str, _: bytes) -> None:
        if step == "staged":
            with files.opened(folder, spare) as descriptor:
                os.fsync(descriptor if descriptor is not None else folder)

    return Swap(folder, name, spare, lambda one: files.read(folder, one) == before, sync)


class Before:
    """The version that a file had at a commit; None where it had none."""

    def __init__(self, reader: Reader, entries: dict[str, Entry]) -> None:
        self._reader = reader
        self._entries = entries

    def __call__(self, path: str) -> bytes | None:
        entry = self._entries.get(path)
        return self._reader.blob(entry.oid) if entry else None


def at(directory: Path) -> Skillset:
    """The set around `directory`: of the repository's worktree, else of the folder itself."""
    start = Path(os.path.realpath(directory))
    if not start.is_dir():
        raise NotFound(f"there is no folder '{directory}'", fix="name an existing one with -C")
    try:
        repo: Repo | None = discover(start)
    except NotFound:
        repo = None
    root = repo.worktree if repo and repo.worktree else start
    return Skillset(root, start, repo, _config(root).skills)


def _config(root: Path) -> RepoConfig:
    data = Worktree(root).read(CONFIG, _LARGEST_CONFIG)
    return parse_config(data) if data else RepoConfig("", "")
