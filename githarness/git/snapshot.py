"""The files of a worktree as a tree, as `git add --all` would make it: ignore rules, line ends and modes are git's.

It works on a copy of the worktree's index, which stays as it is. Files that the index was told to overlook
(assume-unchanged, skip-worktree) count all the same. What is in repositories inside the worktree is not looked at.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from githarness.errors import Unavailable
from githarness.git.objects import SUBMODULE
from githarness.git.porcelain import Git
from githarness.git.repo import Checkout


@dataclass(frozen=True, slots=True)
class Snapshot:
    """`nested`: folders with a repository of their own, known to the index or not. `unmerged`: files in conflict."""

    tree: str
    nested: tuple[str, ...]
    unmerged: frozenset[str]


def take(git: Git, checkout: Checkout, scratch: Path, only: Sequence[str] | None = None) -> Snapshot:
    """Of all files, or of `only` these and what is below them; all else counts as the index has it.

    New blobs are in the repository, but not durable. `git` works in the checkout; `scratch` is a folder that nobody
    else uses meanwhile: it is made, and what a crash left of it goes. Raises Unavailable where a file cannot be read,
    or the disk is full.
    """
    try:
        index = _copied(checkout.git_dir / "index", scratch)
        entries = list(_entries(git, index))
        _heed(git, index, [path for tag, _, path in entries
                           if (tag.islower() or tag == "S") and os.path.lexists(checkout.root / path)])
        strange = _add(git, index, (".",) if only is None else only) if only != [] else []
        nested = {path for _, mode, path in _entries(git, index) if mode == SUBMODULE} | set(strange)
        tree = git.run("write-tree", index=index).decode().strip()
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return Snapshot(tree, tuple(sorted(path for path in nested if os.path.lexists(checkout.root / path / ".git"))),
                    frozenset(path for tag, _, path in entries if tag == "M"))


def _copied(index: Path, scratch: Path) -> Path:
    """With its time, which tells git what entries may be racily clean."""
    shutil.rmtree(scratch, ignore_errors=True)
    try:
        scratch.mkdir()
        if index.exists():
            shutil.copy2(index, scratch / "index")
    except OSError as error:
        raise Unavailable(f"git's index cannot be copied to '{scratch}': {error.strerror}",
                          fix="free disk space, then repeat the command") from error
    return scratch / "index"


def _entries(git: Git, index: Path) -> Iterator[tuple[str, str, str]]:
    """Tag, mode and path: H is an entry as usual, M one in conflict, S one to be skipped, small letters are assumed."""
    for line in _names(git.run("ls-files", "-z", "-v", "--stage", index=index)):
        head, _, path = line.partition("\t")
        tag, mode, _ = head.split(" ", 2)
        yield tag, mode, path


def _heed(git: Git, index: Path, overlooked: Sequence[str]) -> None:
    if overlooked:
        names = "".join(path + "\0" for path in overlooked).encode("utf-8", "surrogateescape")
        for flag in ("--no-assume-unchanged", "--no-skip-worktree"):
            git.run("update-index", flag, "-z", "--stdin", input=names, index=index)


def _add(git: Git, index: Path, wanted: Sequence[str]) -> list[str]:
    """Adds what git can add; returns the folders with a repository that has no commit, of which it can make nothing."""
    listed = "".join(path + "\0" for path in wanted).encode("utf-8", "surrogateescape")
    try:
        git.run("--literal-pathspecs", "add", "--all", "--sparse", "--ignore-errors", "--pathspec-from-file=-",
                "--pathspec-file-nul", input=listed, index=index)
    except Unavailable:
        left = _names(git.run("--literal-pathspecs", "ls-files", "-z", "--others", "--modified", "--exclude-standard",
                              "--", *wanted, index=index))
        if not left or any(not name.endswith("/") for name in left):
            raise
        return [name.rstrip("/") for name in left]
    return []


def _names(listed: bytes) -> list[str]:
    return listed.decode("utf-8", "surrogateescape").split("\0")[:-1]
