"""One pack and its index per group of commits, durable before the name appears (git's `gitformat-pack`, version 2).

    pack:  "PACK" 2 COUNT, per object TYPE/SIZE [OFFSET-OF-BASE] ZLIB, SHA-1 of all before
    idx:   ff 74 4f 63 2, 256 counts, ids sorted, CRC-32 each, offsets, SHA-1 of the pack, SHA-1 of all before

A pack is born with `.keep`, so that no garbage collection drops it before a ref names it. A reader sees it when its
index is renamed into place, which is after the pack's bytes and before the caller moves a ref.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from githarness.clock import process_start
from githarness.errors import Integrity
from githarness.git.objects import Raw
from githarness.git.trees import varint
from githarness.private import sync_folder

_TYPES = {"commit": 1, "tree": 2, "blob": 3}
_OFS_DELTA = 6
_TINY = 64  # bytes that are stored as they are: most are ids, which no compression makes shorter
_STORED = b"\x78\x01\x01"  # a zlib stream of one block, which is its last and not compressed (RFC 1950, 1951)
_DEEPEST = 45  # git reads chains of 50 by default; ours stay below
_IDX_MAGIC = b"\xfftOc\0\0\0\2"
TEMPORARY = "tmp_githarness_"


@dataclass(frozen=True, slots=True)
class IndexEntry:
    oid: bytes
    crc: int
    offset: int


def write(pack_dir: Path, objects: Sequence[Raw], *, level: int = 1) -> Path | None:
    """Writes `objects`, each once; returns the pack's path without suffix, None where there is nothing to write.

    Raises OSError (full disk, EIO) with nothing left that git would read.
    """
    if not objects:
        return None
    body, entries = encode(objects, level)
    return publish(pack_dir, [_header(len(entries)), body], entries, keep=True)


def _header(count: int) -> bytes:
    return struct.pack(">4sII", b"PACK", 2, count)


def encode(objects: Sequence[Raw], level: int) -> tuple[bytes, list[IndexEntry]]:
    out, at = [], 12
    placed: dict[str, tuple[int, int]] = {}  # id -> offset, depth of its delta chain
    entries = []
    for one in objects:
        if one.oid in placed:
            continue
        offset, depth = placed.get(one.base, (0, _DEEPEST)) if one.base else (0, _DEEPEST)
        if one.delta is not None and depth < _DEEPEST:
            head = _type_and_size(_OFS_DELTA, len(one.delta)) + _backwards(at - offset)
            data = head + _deflated(one.delta, level)
            placed[one.oid] = (at, depth + 1)
        else:
            data = _type_and_size(_TYPES[one.kind], len(one.data)) + _deflated(one.data, level)
            placed[one.oid] = (at, 0)
        out.append(data)
        entries.append(IndexEntry(bytes.fromhex(one.oid), zlib.crc32(data), at))
        at += len(data)
    return b"".join(out), entries


def _deflated(data: bytes, level: int) -> bytes:
    """As `zlib.compress`, whose tables of 256 KB take longer to clear than a commit or a delta to be compressed."""
    if len(data) <= _TINY:
        size = len(data)
        return b"".join((_STORED, struct.pack("<HH", size, size ^ 0xFFFF), data, struct.pack(">I", zlib.adler32(data))))
    window = min(15, max(10, len(data).bit_length()))
    packer = zlib.compressobj(level, zlib.DEFLATED, window, window - 6 if window < 15 else 8)
    return packer.compress(data) + packer.flush()


def _type_and_size(kind: int, size: int) -> bytes:
    first = kind << 4 | size & 15
    return bytes([first | 128]) + varint(size >> 4) if size > 15 else bytes([first])


def _backwards(distance: int) -> bytes:
    out = [distance & 127]
    while distance := distance >> 7:
        distance -= 1
        out.append(distance & 127 | 128)
    return bytes(reversed(out))


def publish(pack_dir: Path, pieces: Sequence[bytes], entries: list[IndexEntry], *, keep: bool) -> Path:
    """Makes header and bodies a pack with its index: all bytes durable first, then the names, then the folder."""
    digest = hashlib.sha1(usedforsecurity=False)
    for piece in pieces:
        digest.update(piece)
    trailer = digest.digest()
    pack_dir.mkdir(parents=True, exist_ok=True)
    stem = pack_dir / f"pack-{trailer.hex()}"
    name = f"{TEMPORARY}{os.getpid()}_{trailer.hex()[:12]}"  # no suffix: git reads whatever ends in .idx
    body, index = pack_dir / f"{name}_pack", pack_dir / f"{name}_idx"
    try:
        _write_durably(body, [*pieces, trailer])
        _write_durably(index, [index_bytes(entries, trailer)])
        with contextlib.suppress(FileExistsError):  # a crash left it of the very same pack, as within one second
            if keep:
                os.link(_anchor(pack_dir), stem.with_suffix(".keep"))
        os.rename(body, stem.with_suffix(".pack"))
        os.rename(index, stem.with_suffix(".idx"))
    except OSError:
        for temporary in (body, index):
            with contextlib.suppress(OSError):
                temporary.unlink()
        raise
    sync_folder(pack_dir)
    return stem


def _anchor(pack_dir: Path) -> Path:
    """A file of ours that every `.keep` of ours is a name of, so that they are known after a crash or power cut."""
    anchor = pack_dir.parent.parent / "githarness" / "keep"
    anchor.parent.mkdir(mode=0o700, exist_ok=True)
    with contextlib.suppress(FileExistsError):
        os.close(os.open(anchor, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o444))
        sync_folder(anchor.parent)
    return anchor


def sweep(pack_dir: Path) -> None:
    """Removes what dead writers left: unfinished files, and `.keep` of packs. For who holds the lane's lock."""
    for file in pack_dir.glob(f"{TEMPORARY}*"):
        if not process_start(int(file.name.removeprefix(TEMPORARY).partition("_")[0])):
            file.unlink(missing_ok=True)
    anchor = _anchor(pack_dir)
    for keep in pack_dir.glob("pack-*.keep"):
        with contextlib.suppress(FileNotFoundError):
            if keep.samefile(anchor):
                keep.unlink()


def release(stem: Path) -> None:
    """A ref names the pack now: garbage collection may have it."""
    with contextlib.suppress(FileNotFoundError):
        stem.with_suffix(".keep").unlink()


def _write_durably(path: Path, pieces: Sequence[bytes]) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o444)
    try:
        for piece in pieces:
            view = memoryview(piece)
            while view:
                view = view[os.write(descriptor, view) :]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def index_bytes(entries: list[IndexEntry], trailer: bytes) -> bytes:
    ordered = sorted(entries, key=lambda entry: entry.oid)
    counts = [0] * 256
    for entry in ordered:
        counts[entry.oid[0]] += 1
    fan, total = [], 0
    for count in counts:
        total += count
        fan.append(total)
    large = [entry.offset for entry in ordered if entry.offset >= 1 << 31]
    places = iter(range(len(large)))
    offsets = [1 << 31 | next(places) if entry.offset >= 1 << 31 else entry.offset for entry in ordered]
    data = b"".join([
        _IDX_MAGIC, struct.pack(">256I", *fan), *(entry.oid for entry in ordered),
        struct.pack(f">{total}I", *(entry.crc for entry in ordered)), struct.pack(f">{total}I", *offsets),
        struct.pack(f">{len(large)}Q", *large), trailer,
    ])
    return data + hashlib.sha1(data, usedforsecurity=False).digest()


def read_index(path: Path) -> list[IndexEntry]:
    """The entries of a version 2 index below 2 GiB of pack. Raises Integrity."""
    data, total = _sound(path)
    ids, crcs = 1032, 1032 + 20 * total
    table = struct.unpack_from(f">{2 * total}I", data, crcs)
    return list(_entries(data, ids, table, total))


def read_ids(path: Path) -> set[bytes]:
    """The ids alone, which take a third of the memory. Raises Integrity."""
    data, total = _sound(path)
    return {data[at : at + 20] for at in range(1032, 1032 + 20 * total, 20)}


def _sound(path: Path) -> tuple[bytes, int]:
    data = path.read_bytes()
    if data[:8] != _IDX_MAGIC or hashlib.sha1(data[:-20], usedforsecurity=False).digest() != data[-20:]:
        raise Integrity(f"'{path.name}' is not a sound pack index of version 2", fix="git fsck")
    return data, struct.unpack_from(">I", data, 8 + 255 * 4)[0]


def _entries(data: bytes, ids: int, table: tuple[int, ...], total: int) -> Iterator[IndexEntry]:
    for place in range(total):
        yield IndexEntry(data[ids + 20 * place : ids + 20 * place + 20], table[place], table[total + place])
