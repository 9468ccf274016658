"""The skills of one working tree: its root, the globs of its configuration, its baseline, and the files of a commit.

The configuration is that of the working tree, like the skills: what a write must pass is judged by head's (admit.py).
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from githarness.errors import NotFound, Usage
from githarness.git.objects import EXECUTABLE, FILE, Entry, oid_of
from githarness.git.reader import Reader
from githarness.git.repo import Repo, discover
from githarness.settings import RepoConfig, parse_config
from githarness.skills import baseline
from githarness.work import check
from githarness.work.adopted import write_file
from githarness.work.governance import CONFIG

_LARGEST_DEBT = 64 << 20  # bytes


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
        full = os.path.normpath(self.start / path)
        inside = os.path.relpath(full, self.root)
        if inside.startswith(".."):
            raise Usage(f"'{path}' is outside of '{self.root}'", fix="name files of the repository, or use -C")
        return inside

    def changed_since(self, rev: str, paths: Sequence[str], reader: Reader) -> tuple[list[str], Before]:
        """Those of `paths` whose content is not that of `rev`, and their versions there. Raises NotFound."""
        commit = reader.resolve(rev)
        old = {path: entry for path, entry in reader.files(commit) if entry.mode in (FILE, EXECUTABLE)}
        return [path for path in paths if not self._is(path, old.get(path))], Before(reader, old)

    def _is(self, path: str, entry: Entry | None) -> bool:
        file = self.root / path
        return entry is not None and file.is_file() and oid_of("blob", file.read_bytes()) == entry.oid

    def debt(self) -> baseline.Debt:
        """Nothing where there is no baseline. Raises Integrity for a broken one."""
        try:
            with open(self.root / baseline.PATH, "rb") as file:
                return baseline.load(file.read(_LARGEST_DEBT))
        except FileNotFoundError:
            return {}

    def write_baseline(self, report: check.Report) -> None:
        place = self.root / baseline.PATH
        place.parent.mkdir(exist_ok=True)
        write_file(place, baseline.dump(report.findings))

    def create(self, path: str, data: bytes) -> None:
        place = self.root / path
        place.parent.mkdir(parents=True)
        with open(place, "xb") as file:
            file.write(data)

    def write(self, path: str, data: bytes) -> None:
        """The mended file in place of the old one, with its mode."""
        place = self.root / path
        mode = place.stat().st_mode
        write_file(place, data)
        place.chmod(mode & 0o777)


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
    try:
        return parse_config((root / CONFIG).read_bytes())
    except FileNotFoundError:
        return RepoConfig("", "")
