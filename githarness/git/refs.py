"""Refs read and moved: by git's own lock file, by comparison with the old value, durable when the call returns.

`REF.lock` is made as a second name of a file in our own folder, so that a lock left by a crash is known as ours by
its inode. A lock that is not ours is waited for and never removed. A reader sees the old value or the new one.
"""

from __future__ import annotations

import contextlib
import os
import re
from dataclasses import dataclass
from pathlib import Path
from time import sleep

from githarness.clock import SYSTEM
from githarness.errors import Locked, NotFound, Unavailable
from githarness.git.objects import oid_of
from githarness.git.repo import Repo
from githarness.private import sync_folder

ZERO = "0" * 40
WAIT = 5.0
_OID = re.compile(r"[0-9a-f]{40}\n?")


class Moved(Exception):
    """The ref is not at the expected value: somebody else was faster. Never leaves `work`."""


@dataclass(frozen=True, slots=True)
class Note:
    """What the reflog says of a move."""

    who: str  # "NAME <MAIL>"
    time: int
    message: str


def read(common_dir: Path, ref: str) -> str | None:
    """The id that `ref` names, None where there is no such ref. Raises Unavailable for a symbolic or broken one."""
    with contextlib.suppress(FileNotFoundError, NotADirectoryError, IsADirectoryError):
        with open(f"{common_dir}/{ref}", "rb", buffering=0) as file:  # read at every turn
            text = file.read(64).decode("ascii", "replace")
        if not _OID.fullmatch(text):
            raise Unavailable(f"'{ref}' is not a plain ref", fix="git symbolic-ref --delete, or git fsck")
        return text[:40]
    return next((oid for oid, name in _packed(common_dir) if name == ref), None)


def head(common_dir: Path, ref: str) -> str:
    """The id that the governed branch names. Raises NotFound where it has no commit."""
    found = read(common_dir, ref)
    if found is None:
        raise NotFound(f"the governed branch '{ref}' has no commit",
                       fix=f"githarness init, or git branch -m {ref.removeprefix('refs/heads/')} if it was renamed")
    return found


def update(repo: Repo, ref: str, new: str, *, old: str | None, note: Note, logs: tuple[Path, ...] = ()) -> None:
    """Moves `ref` from `old` (None: it must not exist) to `new`. `logs`: further reflogs to tell, such as HEAD's.

    Raises Moved where the value is another, Locked where somebody holds the ref's lock for five seconds.
    """
    target = repo.common_dir / ref
    _make_folders(target.parent, repo.common_dir)
    mine = repo.home / f"ref-lock-{oid_of('blob', ref.encode())[:12]}"  # one for each ref: some move beside the lane
    with contextlib.suppress(FileNotFoundError):
        if _same_file(mine, target.with_name(target.name + ".lock")):
            os.unlink(target.with_name(target.name + ".lock"))
        os.unlink(mine)
    lock = _take(mine, target, new)
    try:
        if read(repo.common_dir, ref) != old:
            raise Moved(ref)
        os.rename(lock, target)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(lock)
        raise
    finally:
        os.unlink(mine)
    sync_folder(target.parent)
    for log in (repo.common_dir / "logs" / ref, *logs):
        _tell(log, old or ZERO, new, note)


def _make_folders(folder: Path, top: Path) -> None:
    made = []
    while not folder.is_dir() and folder != top:
        made.append(folder)
        folder = folder.parent
    for one in reversed(made):
        one.mkdir(exist_ok=True)
        sync_folder(one.parent)


def _same_file(one: Path, other: Path) -> bool:
    try:
        return os.path.samestat(os.lstat(one), os.lstat(other))
    except FileNotFoundError:
        return False


def _take(mine: Path, target: Path, new: str) -> Path:
    descriptor = os.open(mine, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
    try:
        os.write(descriptor, new.encode() + b"\n")
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    lock = target.with_name(target.name + ".lock")
    deadline = SYSTEM.monotonic() + WAIT
    while True:
        try:
            os.link(mine, lock)
            return lock
        except FileExistsError:
            if SYSTEM.monotonic() > deadline:
                os.unlink(mine)
                raise Locked(f"'{lock.name}' is held by another git process",
                             fix=f"if no git is running: rm '{lock}'", details={"lock": str(lock)}) from None
            sleep(0.01)


def under(common_dir: Path, prefix: str) -> dict[str, str]:
    """The refs whose names begin with `prefix` (a folder, ends in `/`), with their ids.

    Symbolic ones, such as the `refs/remotes/origin/HEAD` of every clone, are left out: what they name has its own name.
    """
    found = {ref: oid for oid, ref in _packed(common_dir) if ref.startswith(prefix)}
    for file in (common_dir / prefix).rglob("*"):
        name = file.relative_to(common_dir).as_posix()
        if not name.endswith(".lock") and _plain(file) and (oid := read(common_dir, name)):
            found[name] = oid
    return found


def _plain(file: Path) -> bool:
    with contextlib.suppress(FileNotFoundError, IsADirectoryError):
        return not file.read_bytes().startswith(b"ref: ")
    return False


def _packed(common_dir: Path) -> list[tuple[str, str]]:
    with contextlib.suppress(FileNotFoundError):
        lines = (common_dir / "packed-refs").read_text(encoding="utf-8", errors="surrogateescape").splitlines()
        return [(line[:40], line[41:]) for line in lines if line[0] not in "#^"]
    return []


def _tell(log: Path, old: str, new: str, note: Note) -> None:
    """Adds a line where git keeps a reflog. It is for people: not durable, and a full disk is no fault of the move."""
    with contextlib.suppress(OSError):
        descriptor = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
        try:
            os.write(descriptor, f"{old} {new} {note.who} {note.time} +0000\t{note.message}\n".encode())
        finally:
            os.close(descriptor)
