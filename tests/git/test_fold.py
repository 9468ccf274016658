"""Small packs become one: nothing is lost, nobody is told of it, and what is damaged is left as it is."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from githarness.git import fold, pack
from githarness.git.objects import raw
from githarness.git.reader import Reader
from githarness.git.repo import discover
from tests.conftest import Git


@pytest.fixture
def packs(repo: Path) -> Path:
    """As many small packs as are worth folding, a blob in each."""
    folder = repo / ".git/objects/pack"
    for number in range(fold.ENOUGH):
        stem = pack.write(folder, [raw("blob", b"%d\n" % number)])
        assert stem
        pack.release(stem)
    return folder


def _has_all(git: Git, repo: Path) -> bool:
    wanted = [raw("blob", b"%d\n" % number).oid for number in range(fold.ENOUGH)]
    found = git(repo, "cat-file", "--batch-check=%(objecttype)", stdin="".join(f"{oid}\n" for oid in wanted))
    return found.split() == ["blob"] * len(wanted)


def test_many_small_packs_become_one(packs: Path, repo: Path, git: Git) -> None:
    """git finds every object in the new pack and nothing to complain about."""
    fold.fold_where_due(discover(packs.parent.parent.parent))
    assert len(list(packs.glob("*.pack"))) == 1
    assert _has_all(git, repo)
    git(repo, "fsck", "--strict", "--full")


def test_who_calls_seldom_folds_at_any_number(packs: Path) -> None:
    """Three of four calls pass by where each write makes one: the daemon's maintenance cannot wait for the fourth."""
    stem = pack.write(packs, [raw("blob", b"one more\n")])
    assert stem
    pack.release(stem)
    fold.fold_where_due(discover(packs.parent.parent.parent))
    assert len(list(packs.glob("*.pack"))) == fold.ENOUGH + 1
    fold.fold_where_due(discover(packs.parent.parent.parent), every=1)
    assert len(list(packs.glob("*.pack"))) == 1


def test_what_a_repack_reads_stays(packs: Path, repo: Path) -> None:
    """The others are folded meanwhile: a repack takes seconds."""
    first, second, *_ = sorted(file.stem for file in packs.glob("*.pack"))
    fold.leave_out(discover(repo), [first, second])
    for number in range(2):
        stem = pack.write(packs, [raw("blob", b"late %d\n" % number)])
        assert stem
        pack.release(stem)
    fold.fold_where_due(discover(repo), every=1)
    left = {file.stem for file in packs.glob("*.pack")}
    assert {first, second} < left and len(left) == 3


def _old_index(git: Git, stem: Path) -> None:
    git(stem.parent, "index-pack", "--index-version=1", "-o", stem.with_suffix(".old"), stem.with_suffix(".pack"))
    os.replace(stem.with_suffix(".old"), stem.with_suffix(".idx"))


def _cut_index(git: Git, stem: Path) -> None:
    stem.with_suffix(".idx").chmod(0o644)
    os.truncate(stem.with_suffix(".idx"), 1080)


def _damage(git: Git, stem: Path) -> None:
    data = stem.with_suffix(".pack").read_bytes()
    stem.with_suffix(".pack").chmod(0o644)
    stem.with_suffix(".pack").write_bytes(data[:-21] + bytes([data[-21] ^ 1]) + data[-20:])


@pytest.mark.parametrize("spoil", [_old_index, _cut_index, _damage])
def test_a_pack_that_is_not_understood_or_damaged_stays_out(packs: Path, git: Git,
                                                            spoil: Callable[[Git, Path], None]) -> None:
    """The others are folded all the same, and no damage is given a good checksum."""
    stem = min(packs.glob("*.pack")).with_suffix("")
    spoil(git, stem)
    fold.fold_where_due(discover(packs.parent.parent.parent))
    assert stem.with_suffix(".pack").exists()
    assert len(list(packs.glob("*.pack"))) == 2


def test_a_disk_that_is_full_is_no_fault_of_the_write_before(packs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All packs stay, no temporary file does."""
    def full(*args: object) -> int:
        raise OSError(28, "No space left on device")
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        fold.fold_where_due(discover(packs.parent.parent.parent))
    assert len(list(packs.glob("*.pack"))) == fold.ENOUGH
    assert not list(packs.glob("tmp_*"))


def test_readers_that_opened_before_find_everything(packs: Path, repo: Path) -> None:
    """A process of git and a reader of ours, both with the old packs open."""
    reader = Reader(discover(repo))
    first, *others = [raw("blob", b"%d\n" % number).oid for number in range(fold.ENOUGH)]
    assert reader.has(first)
    batch = subprocess.Popen(["git", "cat-file", "--batch-check"], cwd=repo, stdin=subprocess.PIPE,
                             stdout=subprocess.PIPE, text=True, bufsize=1)
    assert batch.stdin and batch.stdout
    print(first, file=batch.stdin)
    assert "blob" in batch.stdout.readline()
    fold.fold_where_due(discover(packs.parent.parent.parent))
    assert all(reader.blob(oid) for oid in others)
    for oid in others:
        print(oid, file=batch.stdin)
        assert "blob" in batch.stdout.readline()
    batch.communicate()
