"""Many small packs become one, beside the lane: their bodies are set end to end and the index is made anew.

Deltas in a pack point back by distance, so a body that moves as a whole stays valid. No object is decompressed, none
is dropped; packs with `.keep` are left alone. A reader that lost a pack looks again and finds the new one, as after
`git repack`.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import struct
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from githarness import flock
from githarness.errors import Integrity, Locked
from githarness.git import pack
from githarness.git.repo import Repo

_YOUNG, _SMALL = 256 << 10, 8 << 20  # a pack is folded with those of its size, so that its bytes move twice at most
_EVERY = 4
ENOUGH = 40  # small packs before folding pays


@dataclass(frozen=True, slots=True)
class _Member:
    stem: Path
    body: bytes
    entries: list[pack.IndexEntry]


def small_packs(pack_dir: Path, *, above: int = 0, below: int = _SMALL) -> list[Path]:
    """Stems of the packs of such a size that may be folded, smallest first."""
    sized = []
    for file in pack_dir.glob("pack-*.pack"):
        with contextlib.suppress(FileNotFoundError):
            size = file.stat().st_size
            apart = any(file.with_suffix(suffix).exists() for suffix in (".keep", ".promisor", ".mtimes"))
            if above <= size < below and not apart and file.with_suffix(".idx").exists():
                sized.append((size, file.with_suffix("")))
    return [stem for _, stem in sorted(sized)]


def fold_where_due(repo: Repo, *, every: int = _EVERY) -> None:
    """A look at the folder's names, and `fold` where there are enough small packs, by one process at a time.

    Never a fault of who wrote before: on a full disk it is left for later. Packs that share objects stay apart: where
    each write calls this, one call in `every` tries.
    """
    pack_dir = repo.common_dir / "objects" / "pack"
    with contextlib.suppress(OSError, Locked):
        count = sum(name.endswith(".idx") for name in os.listdir(pack_dir))
        if count < ENOUGH or count % every:
            return
        with alone(repo, wait=0.0):
            apart = _left_out(repo)
            for above, below in ((0, _YOUNG), (_YOUNG, _SMALL)):
                stems = [stem for stem in small_packs(pack_dir, above=above, below=below) if stem.name not in apart]
                if len(stems) >= ENOUGH:
                    fold(pack_dir, stems)


def alone(repo: Repo, *, wait: float = flock.WAIT) -> AbstractContextManager[None]:
    """Keeps others from folding. Raises Locked."""
    return flock.exclusive(repo.home / "fold.lock", wait=wait, what="folding")


def leave_out(repo: Repo, stems: Sequence[str]) -> None:
    """Names the packs that are not to be folded, in place of those before: a repack reads them. For who is `alone`."""
    listed = repo.home / "repacking"
    fresh = listed.with_suffix(f".{os.getpid()}")
    fresh.write_text("\n".join(stems), encoding="ascii")
    fresh.replace(listed)


def _left_out(repo: Repo) -> set[str]:
    """Also those of a repack that was cut short, until the next one."""
    try:
        return set((repo.home / "repacking").read_text(encoding="ascii").split())
    except FileNotFoundError:
        return set()


def fold(pack_dir: Path, stems: list[Path]) -> Path | None:
    """One pack in place of `stems`; None where fewer than two could be read. Durable before anything is removed."""
    members: list[_Member] = []
    seen: set[bytes] = set()
    for stem in stems:
        with contextlib.suppress(FileNotFoundError, Integrity):  # a repack was faster; git may read what we do not
            member = _read(stem)
            ids = {entry.oid for entry in member.entries}
            if seen.isdisjoint(ids):  # a pack must not hold an object twice
                seen |= ids
                members.append(member)
    if len(members) < 2:
        return None
    entries, at = [], 12
    for member in members:
        entries += [pack.IndexEntry(e.oid, e.crc, e.offset - 12 + at) for e in member.entries]
        at += len(member.body)
    header = struct.pack(">4sII", b"PACK", 2, len(entries))
    stem = pack.publish(pack_dir, [header, *(member.body for member in members)], entries, keep=False)
    (pack_dir / "multi-pack-index").unlink(missing_ok=True)  # it names packs that are about to go
    for member in members:
        if member.stem != stem:
            _remove(member.stem)
    return stem


def _read(stem: Path) -> _Member:
    """Raises Integrity for a damaged pack: folded, it would pass for a sound one."""
    entries = pack.read_index(stem.with_suffix(".idx"))
    data = stem.with_suffix(".pack").read_bytes()
    if hashlib.sha1(data[:-20], usedforsecurity=False).digest() != data[-20:]:
        raise Integrity(f"'{stem.name}.pack' is damaged", fix="git fsck")
    return _Member(stem, data[12:-20], entries)


def _remove(stem: Path) -> None:
    for suffix in (".idx", ".rev", ".bitmap", ".pack"):
        with contextlib.suppress(FileNotFoundError):
            stem.with_suffix(suffix).unlink()
