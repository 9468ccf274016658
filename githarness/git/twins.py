"""Whether a tree holds a path's twin: another name for it where letter case or Unicode's form does not count."""

from __future__ import annotations

import re

from githarness import paths
from githarness.git import treediff
from githarness.git.objects import FOLDER
from githarness.git.reader import Reader

_BEYOND_ASCII = re.compile(rb"[0-7]{5} [^\0]*[\x80-\xff]")


def has(reader: Reader, tree: str, path: str) -> bool:
    """At any level of `path`, which is in the tree."""
    at: str | None = tree
    for name in path.split("/"):
        if at is None:
            return False
        data = reader.tree(at)
        if _may_have(data, name) and _has(data, name):
            return True
        entry = treediff.entry(data, name)
        at = entry.oid if entry and entry.mode == FOLDER else None
    return False


def _may_have(data: bytes, name: str) -> bool:
    """Without taking the tree apart: one of thousands of entries is asked about."""
    if not name.isascii() or _BEYOND_ASCII.search(data):
        return True
    return data.lower().count(b" " + name.lower().encode() + b"\0") > 1


def _has(data: bytes, name: str) -> bool:
    key = paths.twin_key(name)
    return any(other != name and paths.twin_key(other) == key for other, _ in treediff.entries(data))
