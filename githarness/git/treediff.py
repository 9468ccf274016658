"""Trees compared as bytes: only the stretch in which two trees differ is parsed, so that one change among thousands of
entries costs little more than reading both."""

from __future__ import annotations

import re
from collections.abc import Iterator

from githarness.errors import Integrity
from githarness.git.objects import Entry
from githarness.lines.common import common_end, common_start

_ITEM = re.compile(rb"([0-7]{5,6}) ([^\0/]+)\0(.{20})", re.DOTALL)
_ITEMS = re.compile(rb"(?:[0-7]{5,6} [^\0/]+\0.{20})*", re.DOTALL)


def entries(data: bytes) -> Iterator[tuple[str, Entry]]:
    """Name and entry of all that a tree holds, in its order. Raises Integrity where it is no tree."""
    at = 0
    while at < len(data):
        item = _item(data, at)
        at = item.end()
        yield _named(item)


def entry(data: bytes, name: str) -> Entry | None:
    """What a tree has under one name."""
    wanted = b" " + name.encode("utf-8", "surrogateescape") + b"\0"
    at, found = 0, data.find(wanted)
    while found >= 0:
        at = _start(data, found - 1, at)
        if at < found and (item := _item(data, at)).start(2) == found + 1:
            return _named(item)[1]
        found = data.find(wanted, found + 1)
    return None


def differing(old: bytes, new: bytes, *, strict: bool = False) -> tuple[dict[str, Entry], dict[str, Entry]]:
    """The entries that one tree has and the other has not, or has otherwise. `strict`: raises Integrity where a name
    stands twice among those that are looked at; else the last counts."""
    at, same_end = _start(old, common_start(old, new)), common_end(old, new, min(len(old), len(new)))
    was, now, twice = dict[str, Entry](), dict[str, Entry](), False
    old_left, new_left = len(old) - at, len(new) - at
    while old_left != new_left or old_left > same_end:
        older = old_left >= new_left
        item = _item(old, len(old) - old_left) if older else _item(new, len(new) - new_left)
        (name, entry), seen = _named(item), was if older else now
        twice |= name in seen
        seen[name] = entry
        if older:
            old_left = len(old) - item.end()
        else:
            new_left = len(new) - item.end()
    if strict and twice:
        raise _malformed()
    same = len(was) * len(now) > 1 and was.items() & now.items()  # of one entry each it is known that they differ
    return (dict(was.items() - same), dict(now.items() - same)) if same else (was, now)


def _start(data: bytes, limit: int, since: int = 0) -> int:
    """Where the entry starts that the byte at `limit` is in; ids may hold any byte, so this goes from the start, or
    from where another entry starts."""
    whole = _ITEMS.match(data, since, limit)
    return whole.end() if whole else since


def _item(data: bytes, at: int) -> re.Match[bytes]:
    item = _ITEM.match(data, at)
    if not item:
        raise _malformed()
    return item


def _named(item: re.Match[bytes]) -> tuple[str, Entry]:
    return item[2].decode("utf-8", "surrogateescape"), Entry(item[1].decode(), item[3].hex())


def _malformed() -> Integrity:
    return Integrity("a tree is malformed", fix="git fsck")
