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
    was, now = _Cursor(old, at), _Cursor(new, at)
    while was.left != now.left or was.left > same_end:
        (was if was.left >= now.left else now).step()
    if strict and (was.twice or now.twice):
        raise _malformed()
    same = was.seen.items() & now.seen.items()
    return (dict(was.seen.items() - same), dict(now.seen.items() - same)) if same else (was.seen, now.seen)


class _Cursor:
    def __init__(self, data: bytes, at: int) -> None:
        self._data = data
        self._at = at
        self.seen: dict[str, Entry] = {}
        self.twice = False

    @property
    def left(self) -> int:
        return len(self._data) - self._at

    def step(self) -> None:
        item = _item(self._data, self._at)
        self._at = item.end()
        name, entry = _named(item)
        self.twice |= name in self.seen
        self.seen[name] = entry


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
