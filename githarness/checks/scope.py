"""What a check looks at: paths, and the files around them. This much needs no git and loads no libgit2."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from githarness.errors import NotFound, Unavailable, Usage
from githarness.git import index
from githarness.git.index import Index
from githarness.git.repo import discover
from githarness.skills.model import Files
from githarness.work.files_of import Tracked, Worktree

if TYPE_CHECKING:
    from githarness.git.reader import Reader

_NEVER = 1 << 40  # no entry was last written after this second


class History(NamedTuple):
    reader: Reader
    base: str | None  # what the commits land on; None: all of history is judged
    head: str


class Scope(NamedTuple):
    files: Files
    paths: Sequence[str]  # relative to the repository; what is gone too, where git says what changed
    tracked: Sequence[str]  # every path that is there
    named: bool = False  # the paths are those that somebody named, all of them meant
    base: Files | None = None  # as they were before the change
    history: History | None = None

    def plain(self, path: str) -> bool:
        """Whether a file is there: no link, no folder."""
        return self.files.mode(path) in ("100644", "100755")


def named(given: Sequence[str]) -> Scope:
    """The files named, read from disk. Where git's index lists them all, what stands around them is what it lists: in a
    hook of pre-commit, which puts unstaged edits aside, that is what the commit will have.

    Raises Usage for a name that is no file of the repository.
    """
    here = os.path.realpath(".")
    root, listed = here, Index()
    try:
        repo = discover(Path(here))
        root = os.fspath(repo.worktree or here)
        listed = read_index(repo.git_dir / "index")
    except NotFound:
        pass  # files without a repository have no more than what is on disk
    except Unavailable:
        pass  # an index that only git reads: what stands around them is what is on disk
    paths = tuple(dict.fromkeys(_inside(root, here, path) for path in given))
    tracked, worktree = Tracked(root, listed), Worktree(root)
    known = all(tracked.mode(path) is not None for path in paths)
    return Scope(tracked if known else worktree, paths, names_of(listed) or worktree.under(""), named=True)


def read_index(file: Path) -> Index:
    """Git's index; an empty one before the first `git add`. Raises Integrity, and Unavailable for what is not read."""
    try:
        return index.parse(file.read_bytes(), _NEVER)
    except FileNotFoundError:
        return Index()


def names_of(listed: Index) -> list[str]:
    return [name.decode("utf-8", "surrogateescape") for name in listed.under(b"")]


def _inside(root: str, here: str, path: str) -> str:
    full = os.path.normpath(os.path.join(here, path))
    inside = os.path.relpath(full, root)
    if inside.startswith(".."):
        raise Usage(f"'{path}' is outside of '{root}'", fix="name files of the repository that you are in")
    if os.path.isdir(full) and not os.path.islink(full):
        raise Usage(f"'{path}' is a folder", fix="name files, or use githarness skills check, which looks into folders")
    if not os.path.lexists(full):
        raise Usage(f"there is no file '{path}'", fix="name files that are there")
    return inside
