"""Git's objects as bytes: what is hashed, and what a pack carries (git's `Documentation/gitformat-pack`).

An object's id is SHA-1 over `TYPE SP SIZE NUL` and its data. A tree's data is, per entry and sorted by name with `/`
added to folders' names, `MODE SP NAME NUL` and 20 bytes of id, the mode in octal without leading zeros.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Literal

from githarness.git.modes import EXECUTABLE, FILE, FOLDER, LINK, SUBMODULE

__all__ = ["EXECUTABLE", "FILE", "FOLDER", "LINK", "SUBMODULE", "Entry", "Kind", "PathChange", "Raw", "oid_of", "raw"]
Kind = Literal["commit", "tree", "blob"]


@dataclass(frozen=True, slots=True)
class Entry:
    """What a tree has at a path: the mode as git writes it in trees (`100644`, `40000`), the object's id in hex."""

    mode: str
    oid: str


@dataclass(frozen=True, slots=True)
class PathChange:
    path: str
    old: Entry | None
    new: Entry | None
    data: bytes | None = None  # content of `new`; None where the repository has the object already


@dataclass(frozen=True, slots=True)
class Raw:
    """An object on its way to a pack. `base` and `delta`: how it follows from an object of the same pack."""

    kind: Kind
    oid: str
    data: bytes
    base: str | None = None
    delta: bytes | None = None


def oid_of(kind: Kind, data: bytes) -> str:
    digest = hashlib.sha1(b"%s %d\0" % (kind.encode(), len(data)), usedforsecurity=False)
    digest.update(data)
    return digest.hexdigest()


def raw(kind: Kind, data: bytes) -> Raw:
    return Raw(kind, oid_of(kind, data), data)
