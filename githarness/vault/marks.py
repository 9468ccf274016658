"""High-water marks: the newest version of each secret that this machine has seen, so that no older one comes back.

    NAME VERSION SHA256 CHECK LF      SHA256 of the record's file, CHECK the first 16 hex digits of that of the line

The file grows at its end, each line on disk before it counts. A last line that a crash cut short is taken for none;
any other that is not right is damage.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from githarness import canon, flock, private
from githarness.errors import Integrity, Unavailable

FILE = "marks"
_LOCK = "marks.lock"  # writers, clones and the daemon of one user all add to it
_LARGEST = 1 << 26


class Mark(NamedTuple):
    version: int
    sha256: str


def load(folder: Path) -> dict[str, Mark]:
    """By name. Raises Integrity, Unavailable."""
    return _parsed(_data(folder), folder / FILE)[0]


def check(marks: Mapping[str, Mark], name: str, version: int, data: bytes) -> None:
    """Raises Integrity where a record is older than what was seen, or another of the same version."""
    seen = marks.get(name)
    if seen is None or version > seen.version:
        return
    if version < seen.version:
        raise Integrity(f"the record '{name}' has version {version}, and version {seen.version} was seen here",
                        fix=f"githarness vault history {name}; githarness vault rotate {name} sets a new value",
                        details={"secret": name, "version": version, "seen": seen.version})
    if canon.sha256(data) != seen.sha256:
        raise Integrity(f"the record '{name}' is another version {version} than the one that was seen here",
                        fix=f"githarness vault history {name}; githarness vault rotate {name} sets a new value",
                        details={"secret": name, "version": version, "seen": seen.version})


def advance(folder: Path, seen: Iterable[tuple[str, int, bytes]]) -> None:
    """`seen`: name, version, file. What is not newer than its mark changes nothing. Raises Integrity, Unavailable."""
    merge(folder, ((name, Mark(version, canon.sha256(data))) for name, version, data in seen))


def merge(folder: Path, seen: Iterable[tuple[str, Mark]]) -> None:
    """The greater mark of each counts. Raises Integrity, Unavailable."""
    with flock.exclusive(folder / _LOCK, what="the marks of the vault"):
        marks, end = _parsed(_data(folder), folder / FILE)
        text = "".join(_line(name, *mark) for name, mark in seen
                       if name not in marks or mark.version > marks[name].version)
        if text:
            _append(folder / FILE, text.encode(), end)


def _append(path: Path, data: bytes, end: int) -> None:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            os.ftruncate(descriptor, end)  # a line that was cut short
            if os.pwrite(descriptor, data, end) != len(data):
                raise Unavailable(f"'{path}' cannot grow", fix="make room on its disk")
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        private.sync_folder(path.parent)
    except OSError as error:
        raise Unavailable(f"'{path}' cannot be written: {error.strerror}",
                          fix=f"make room in '{path.parent}'") from error


def _data(folder: Path) -> bytes:
    try:
        return private.read(folder / FILE, _LARGEST)
    except FileNotFoundError:
        return b""


def _parsed(data: bytes, path: Path) -> tuple[dict[str, Mark], int]:
    """The marks, and where the last whole line ends."""
    marks: dict[str, Mark] = {}
    whole, _, _cut = data.rpartition(b"\n")
    end = len(whole) + 1 if whole else 0
    for line in whole.split(b"\n") if whole else ():
        words = line.decode("ascii", "replace").split(" ")
        well = len(words) == 4 and words[1].isdecimal()
        if not well or _line(words[0], int(words[1]), words[2]).encode() != line + b"\n":
            raise Integrity(f"'{path}' is damaged: what versions of secrets were seen is not known any more",
                            fix="githarness restore-backup FILE")
        marks[words[0]] = Mark(int(words[1]), words[2])
    return marks, end


def _line(name: str, version: int, sha256: str) -> str:
    text = f"{name} {version} {sha256}"
    return f"{text} {canon.sha256(text.encode())[:16]}\n"
