"""Differences in bytes, told without looking at what two texts begin and end with."""

from __future__ import annotations

import random
from itertools import accumulate

import pytest

from githarness.git.reader import Reader
from githarness.lines.hunk import Change, changes, split


@pytest.mark.parametrize("seed", range(200))
def test_changes_are_the_hunks_of_libgit2(seed: int) -> None:
    """Also where lines repeat, so that an insertion could stand in several places."""
    rng = random.Random(seed)
    words = [b"%d\n" % number for number in range(rng.choice([2, 3, 40]))] + [b"\n", b"10\n"]
    old = [rng.choice(words) for _ in range(rng.randint(0, 12))]
    new = list(old)
    for _ in range(rng.randint(0, 3)):
        at = rng.randint(0, len(new))
        new[at:at + rng.randint(0, 3)] = [rng.choice(words) for _ in range(rng.randint(0, 3))]
    was, now = ([0, *accumulate(map(len, lines))] for lines in (old, new))
    assert changes(b"".join(old), b"".join(new), Reader.hunks) == [
        Change(was[hunk.old_start], was[hunk.old_start + hunk.old_len],
               now[hunk.new_start], now[hunk.new_start + hunk.new_len])
        for hunk in Reader.hunks(b"".join(old), b"".join(new))]


def test_one_change_asks_for_no_differences() -> None:
    """Where the lines between have nothing in common there is nothing to find out; whole lines count, not bytes."""
    old = b"".join(b"line %d\n" % number for number in range(50))
    found = changes(old, old.replace(b"line 7\n", b"line 77\nline 8 now\n"), hunks=None)  # type: ignore[arg-type]
    assert [split(old[one.start:one.end]) for one in found] == [[b"line 7\n"]]
