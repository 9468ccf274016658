"""Git's index file (git's `gitformat-index`): parsed once, patched entry by entry, written back whole.

    "DIRC", version u32, count u32 | entries | extensions | SHA-1 over all before it (zeros where git skipped it)
    entry: ctime s ns, mtime s ns, dev, ino, mode, uid, gid, size (ten u32), object id (20 bytes), flags u16
           (assume-valid 0x8000, extended 0x4000, stage 0x3000, length of the name or 0xFFF), where extended a second
           u16 (skip-worktree 0x4000, intent-to-add 0x2000), the name, 1 to 8 NUL up to a multiple of 8

Versions 2, 3 and 4 (names cut by their common prefix, no padding) are read, 2 and 3 written. Optional extensions are
dropped, git makes them again; a split or sparse index is refused by name. Entries stay as bytes, so that a change of a
few among thousands costs a join and a hash.
"""

from __future__ import annotations

import bisect
import hashlib
import os
import struct
from collections.abc import Callable, Iterator
from typing import NamedTuple

from githarness.errors import Integrity, Unavailable

_HEAD = struct.Struct(">4sII")
_FIXED = struct.Struct(">10I20sH")
_STAT = struct.Struct(">6I4x3I")
_MTIME = struct.Struct(">I")
_ASSUMED, _EXTENDED, _STAGE, _LENGTH = 0x8000, 0x4000, 0x3000, 0xFFF
_SKIPPED, _INTENDED = 0x4000, 0x2000
_SUBMODULE = 0o160000
_U32 = 0xFFFFFFFF
_REFUSED = {
    b"link": ("a split index", "git config core.splitIndex false && git update-index --no-split-index"),
    b"sdir": ("a sparse index", "git sparse-checkout reapply --no-sparse-index"),
}
Stat = tuple[int, int, int, int, int, int, int, int, int]  # ctime s ns, mtime s ns, dev, ino, uid, gid, size: u32


class Indexed(NamedTuple):
    mode: int
    oid: str
    stat: Stat
    assumed: bool  # git update-index --assume-unchanged
    skipped: bool  # outside a sparse checkout
    intended: bool  # git add --intent-to-add


def stat_of(found: os.stat_result) -> Stat:
    """What git keeps of a file's metadata to know later that it did not change."""
    changed, modified = divmod(found.st_ctime_ns, 10**9), divmod(found.st_mtime_ns, 10**9)
    return (changed[0] & _U32, changed[1], modified[0] & _U32, modified[1], found.st_dev & _U32, found.st_ino & _U32,
            found.st_uid & _U32, found.st_gid & _U32, found.st_size & _U32)


class Index:
    """Keys are names; those of conflict stages carry NUL and the stage behind, which sorts as git does.

    `_racy`: entries recorded in the second in which the file was last written, so that equal metadata does not prove
    equal content. `_ours`: such entries too, but of files whose time of modification no later writer can get.
    """

    def __init__(self) -> None:
        self._raw: dict[bytes, bytes] = {}
        self._order: list[bytes] = []
        self._extended: set[bytes] = set()
        self._racy: set[bytes] = set()
        self._ours: set[bytes] = set()
        self._conflicts = False  # whether there may be such stages
        self._settled = 0  # the second up to which `_ours` has been looked at
        self._read: dict[bytes, Indexed] = {}  # entries asked for, as values

    def __len__(self) -> int:
        return len(self._raw)

    def get(self, name: bytes) -> Indexed | None:
        """The entry of stage 0."""
        if (known := self._read.get(name)) or (raw := self._raw.get(name)) is None:
            return known
        more = int.from_bytes(raw[62:64], "big") if name in self._extended else 0
        stat: Stat = _STAT.unpack_from(raw)
        entry = Indexed(int.from_bytes(raw[24:28], "big"), raw[40:60].hex(), stat, bool(raw[60] & 0x80),
                        bool(more & _SKIPPED), bool(more & _INTENDED))
        self._read[name] = entry
        return entry

    def in_conflict(self, name: bytes) -> bool:
        if not self._conflicts:
            return False
        at = bisect.bisect_left(self._order, name + b"\0")
        return at < len(self._order) and self._order[at].startswith(name + b"\0")

    def under(self, folder: bytes) -> Iterator[bytes]:
        """Names of the entries inside `folder`, those in conflict too."""
        prefix = folder + b"/" if folder else b""
        for at in range(bisect.bisect_left(self._order, prefix), len(self._order)):
            if not self._order[at].startswith(prefix):
                return
            yield self._order[at].partition(b"\0")[0]

    def sparse(self, name: bytes) -> bool:
        """Whether a new entry belongs outside a sparse checkout, as all in the nearest tracked folder do."""
        folder = name
        while self._extended and (folder := folder.rpartition(b"/")[0]):
            near = list(self.under(folder))
            if near:
                return all((found := self.get(one)) is not None and found.skipped for one in near)
        return False

    def since(self, second: int) -> list[bytes]:
        """Names of the entries whose files were last written then or later."""
        return [name for name in self._order if _MTIME.unpack_from(self._raw[name], 8)[0] >= second]

    def trusted(self, name: bytes) -> bool:
        """Whether equal metadata proves that the file is what the entry says."""
        return name not in self._racy

    def put(self, name: bytes, mode: int, oid: str, found: os.stat_result | None, *, ours: bool, skipped: bool) -> None:
        """Sets stage 0. `found`: metadata of the file that surely has this content, None where git must look itself.

        `ours`: nobody who writes the file later can leave it with the same metadata.
        """
        known = self.get(name)
        stat = stat_of(found) if found else (0,) * 9
        flags = min(len(name), _LENGTH) | (_ASSUMED if known and known.assumed else 0) | (_EXTENDED if skipped else 0)
        fixed = _FIXED.pack(*stat[:6], mode, *stat[6:], bytes.fromhex(oid), flags)
        self._set(name, _padded(fixed + (_SKIPPED.to_bytes(2, "big") if skipped else b"") + name), extended=skipped)
        (self._ours.add if found and ours else self._ours.discard)(name)
        (self._racy.add if found and not ours else self._racy.discard)(name)

    def _set(self, key: bytes, raw: bytes, *, extended: bool) -> None:
        if key not in self._raw:
            bisect.insort(self._order, key)
        self._raw[key] = raw
        self._read.pop(key, None)
        (self._extended.add if extended else self._extended.discard)(key)

    def drop(self, name: bytes) -> None:
        if self._raw.pop(name, None) is not None:
            del self._order[bisect.bisect_left(self._order, name)]
            self._read.pop(name, None)
            for some in (self._extended, self._racy, self._ours):
                some.discard(name)

    def settle(self, second: int, untouched: Callable[[bytes, Stat], bool]) -> None:
        """Called before the index gets the time `second`, later than that of entries in `_racy` and `_ours`.

        Git compares content while an entry is not older than the index, in seconds; from now on it would trust equal
        metadata. So what cannot be trusted gets the size 0, which makes git look (its racy-git rule).
        """
        for some in (self._racy, self._ours) if second > self._settled else (self._racy,):
            for name in [one for one in some if _MTIME.unpack_from(self._raw[one], 8)[0] < second]:
                raw = self._raw[name]
                if some is self._racy or not untouched(name, _STAT.unpack_from(raw)):
                    self._raw[name] = raw[:36] + bytes(4) + raw[40:]
                    self._read.pop(name, None)
                some.discard(name)
        self._settled = second

    def emit(self) -> bytes:
        head = _HEAD.pack(b"DIRC", 3 if self._extended else 2, len(self._order))
        body = b"".join([head, *map(self._raw.__getitem__, self._order)])
        return body + hashlib.sha1(body, usedforsecurity=False).digest()

    def _load(self, entries: list[bytes], second: int) -> None:
        for raw in entries:
            more = raw[60] & 0x40
            name, stage = raw[64 if more else 62:].rstrip(b"\0"), (raw[60] & 0x30) >> 4
            key = name + b"\0" + bytes([stage]) if stage else name
            self._raw[key] = raw
            self._conflicts |= bool(stage)
            if more:
                self._extended.add(key)
            if not stage and _MTIME.unpack_from(raw, 8)[0] >= second and raw[24:28] != _SUBMODULE.to_bytes(4, "big"):
                self._racy.add(key)
        self._order = sorted(self._raw)


def parse(data: bytes, second: int) -> Index:
    """`second`: time of modification of the index file. Raises Integrity, and Unavailable for what is not served."""
    try:
        magic, version, count = _HEAD.unpack_from(data)
        if magic != b"DIRC" or data[-20:] not in (bytes(20), hashlib.sha1(data[:-20], usedforsecurity=False).digest()):
            raise _corrupt()
        if version not in (2, 3, 4):
            raise Unavailable(f"git's index has version {version}, which githarness does not read",
                              fix="git update-index --index-version 2")
        entries, end = (_compressed if version == 4 else _plain)(data, count)
        _check_extensions(data, end)
    except (struct.error, IndexError, ValueError) as error:
        raise _corrupt() from error
    index = Index()
    index._load(entries, second)
    if len(index) != count:
        raise _corrupt()
    return index


def _corrupt() -> Integrity:
    return Integrity("git's index file is corrupt", fix="rm .git/index && git reset")


def _padded(entry: bytes) -> bytes:
    return entry + bytes(8 - len(entry) % 8)


def _plain(data: bytes, count: int) -> tuple[list[bytes], int]:
    entries, at = [], 12
    for _ in range(count):
        start = at + (64 if data[at + 60] & 0x40 else 62)
        length = (data[at + 60] << 8 | data[at + 61]) & _LENGTH
        end = start + length if length < _LENGTH else data.index(b"\0", start)
        size = (end - at + 8) & ~7
        entries.append(data[at:at + size])
        at += size
    return entries, at


def _compressed(data: bytes, count: int) -> tuple[list[bytes], int]:
    entries, at, name = [], 12, b""
    for _ in range(count):
        start = at + (64 if data[at + 60] & 0x40 else 62)
        cut, begin = _varint(data, start)
        end = data.index(b"\0", begin)
        if cut > len(name):
            raise ValueError("more cut than there is")
        name = name[:len(name) - cut] + data[begin:end]
        entries.append(_padded(data[at:start] + name))
        at = end + 1
    return entries, at


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """Git's offset encoding: seven bits a byte, the highest first, one added for each further byte."""
    value = data[at] & 0x7F
    while data[at] & 0x80:
        at += 1
        value = ((value + 1) << 7) | (data[at] & 0x7F)
    return value, at + 1


def _check_extensions(data: bytes, at: int) -> None:
    while at < len(data) - 20:
        name, size = data[at:at + 4], int.from_bytes(data[at + 4:at + 8], "big")
        if not name[:1].isupper():
            what, fix = _REFUSED.get(name, (f"an extension '{name.decode('latin-1')}' that githarness does not know",
                                            "rm .git/index && git reset"))
            raise Unavailable(f"git's index has {what}", fix=fix)
        at += 8 + size
