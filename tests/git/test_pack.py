"""Packs as git reads them."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from githarness.git import pack
from githarness.git.objects import raw


@pytest.mark.parametrize("size", [0, 1, 64, 65, 511, 512, 1023, 1024, 16_383, 16_384, 70_000])
def test_git_reads_objects_of_every_size(tmp_path: Path, git: Callable[..., str], size: int) -> None:
    """Those that are stored as they are, and those that are compressed with a small window or a whole one."""
    git(tmp_path, "init", "-q", "-b", "main")
    blob = raw("blob", random.Random(size).randbytes(size // 2) + b"a" * (size - size // 2))
    stem = pack.write(tmp_path / ".git/objects/pack", [blob])
    git(tmp_path, "verify-pack", f"{stem}.idx")
    assert git(tmp_path, "cat-file", "-s", blob.oid).strip() == str(size)
    git(tmp_path, "fsck", "--strict")


def test_what_a_crash_left_of_the_same_pack_is_no_obstacle(tmp_path: Path, git: Callable[..., str]) -> None:
    """The process died between the mark and the name of the pack; repeated within one second it is the same."""
    git(tmp_path, "init", "-q", "-b", "main")
    (tmp_path / ".git/githarness").mkdir()
    folder, blobs = tmp_path / ".git/objects/pack", [raw("blob", b"again")]
    for suffix in (".pack", ".idx"):
        folder.joinpath(f"{pack.write(folder, blobs)}{suffix}").unlink()
    assert pack.write(folder, blobs) and git(tmp_path, "cat-file", "blob", blobs[0].oid) == "again"
