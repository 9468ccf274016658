"""Small packs of whole objects become one pack of deltas: git makes it, and it is durable before its sources go.

git seeks no delta between two objects of one pack unless told to, so the packs that need it are told from the others:
`HOME/repacked` lists, a stem a line, those that have their deltas. Further packs are drawn in while they are smaller
than twice the sum, so that the number of packs stays logarithmic. All objects of the sources come along, reachable or
not; packs with `.keep`, of a partial clone (`.promisor`) or of unreachable objects (`.mtimes`) are left alone.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from githarness import flock
from githarness.errors import Integrity
from githarness.git import fold, pack
from githarness.git.porcelain import Git
from githarness.git.repo import Repo
from githarness.private import sync_folder

_RECORD = "repacked"
_SOON = 64 << 20  # a larger pack that git made is taken as it is: deltas anew would cost minutes
_MOST = 1 << 30
_APART = (".keep", ".promisor", ".mtimes")
_SUFFIXES = (".idx", ".rev", ".bitmap", ".pack")
# The window is wider than git's 10 because trees of one folder come in long runs; its memory is bounded for big files.
_DELTAS = ("--no-reuse-delta", "--delta-base-offset", "--window=50", "--window-memory=100m", "--threads=1")


@dataclass(frozen=True, slots=True, order=True)
class _Pack:
    size: int
    stem: Path


def is_due(repo: Repo) -> bool:
    """Whether enough has come since the last time to be worth seconds of another core."""
    recorded = _recorded(repo.home / _RECORD)
    fresh = [found for found in _packs(repo.common_dir / "objects" / "pack") if found.stem.name not in recorded]
    return len(fresh) >= 20 or sum(found.size for found in fresh) >= 4 << 20


def maintain(git: Git, repo: Repo) -> None:
    """Safe beside writers, readers and git's own maintenance; cheap where nothing is new. Locked where it runs."""
    repo.home.mkdir(mode=0o700, exist_ok=True)
    with flock.exclusive(repo.home / "maintenance.lock", wait=0, what="maintenance"):
        _maintain(git, repo, repo.common_dir / "objects" / "pack", repo.home / _RECORD)


def _maintain(git: Git, repo: Repo, pack_dir: Path, record: Path) -> None:
    """Small packs that come meanwhile are folded meanwhile: a repack takes seconds, and is in nobody's way."""
    with fold.alone(repo):
        sources = _chosen(list(_packs(pack_dir)), _recorded(record))
        fold.leave_out(repo, [source.stem.name for source in sources])
    if not sources:
        return
    made = _repacked(git, pack_dir, sources)
    sync_folder(pack_dir)
    with fold.alone(repo):
        _check_complete(sources, made)
        _remove(pack_dir, [source.stem for source in sources if source.stem not in made])
        fold.leave_out(repo, [])
    git.run("prune-packed", "--quiet")
    kept = {found.stem.name for found in _packs(pack_dir)} & _recorded(record)
    _write(record, kept | {stem.name for stem in made})
    git.run("commit-graph", "write", "--reachable", "--split", "--no-progress")


def _packs(pack_dir: Path) -> Iterable[_Pack]:
    for file in pack_dir.glob("pack-*.idx"):
        with contextlib.suppress(FileNotFoundError):
            if not any(file.with_suffix(suffix).exists() for suffix in _APART):
                yield _Pack(file.with_suffix(".pack").stat().st_size, file.with_suffix(""))


def _chosen(packs: list[_Pack], recorded: set[str]) -> list[_Pack]:
    """Those without deltas, then from the smallest on those that are less than twice what is taken already."""
    chosen = [found for found in packs if found.stem.name not in recorded and found.size < _SOON]
    total = sum(found.size for found in chosen)
    for found in sorted(set(packs) - set(chosen)):
        if total + found.size < _MOST and found.size < 2 * total:
            chosen.append(found)
            total += found.size
    return chosen


def _repacked(git: Git, pack_dir: Path, sources: list[_Pack]) -> list[Path]:
    names = "".join(f"{source.stem.name}.pack\n" for source in sources).encode()
    prefix = str(pack_dir / "pack")
    out = git.run("pack-objects", "--stdin-packs", "--unpacked", "--quiet", *_DELTAS, prefix, input=names)
    return [pack_dir / f"pack-{name}" for name in out.decode().split()]


def _check_complete(sources: list[_Pack], made: list[Path]) -> None:
    """Nothing is removed on git's word alone."""
    there = {oid for stem in made for oid in pack.read_ids(stem.with_suffix(".idx"))}
    for source in sources:
        lost = pack.read_ids(source.stem.with_suffix(".idx")) - there
        if lost:
            raise Integrity(f"a repack left out object '{min(lost).hex()}'", fix="git fsck")


def _remove(pack_dir: Path, stems: list[Path]) -> None:
    """An index over several packs would go on naming those that have gone; git does without it, or makes it anew."""
    (pack_dir / "multi-pack-index").unlink(missing_ok=True)
    for stem in stems:
        if not stem.with_suffix(".keep").exists():
            for suffix in _SUFFIXES:
                stem.with_suffix(suffix).unlink(missing_ok=True)


def _recorded(record: Path) -> set[str]:
    try:
        return set(record.read_text().split())
    except FileNotFoundError:
        return set()


def _write(record: Path, stems: set[str]) -> None:
    fresh = record.with_name(f"{record.name}.{os.getpid()}")
    fresh.write_text("".join(f"{stem}\n" for stem in sorted(stems)))
    fresh.replace(record)
