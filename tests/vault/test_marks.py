"""High-water marks: what was seen once is not undone."""

from __future__ import annotations

from pathlib import Path

import pytest

from githarness.errors import Integrity
from githarness.vault import marks


def test_an_older_version_is_refused(tmp_path: Path) -> None:
    """V02: the same and newer ones pass; before anything was seen, all do."""
    marks.advance(tmp_path, [("a", 2, b"two"), ("b", 9, b"nine")])
    seen = marks.load(tmp_path)
    for version, data in ((2, b"two"), (3, b"x")):
        marks.check(seen, "a", version, data)
    marks.check(seen, "new", 1, b"x")
    with pytest.raises(Integrity, match="version 1, and version 2 was seen"):
        marks.check(seen, "a", 1, b"one")
    marks.check({}, "a", 1, b"one")


def test_another_file_of_the_same_version_is_refused(tmp_path: Path) -> None:
    """Two histories that both say version 2 are not one."""
    marks.advance(tmp_path, [("a", 2, b"two")])
    with pytest.raises(Integrity, match="another version 2"):
        marks.check(marks.load(tmp_path), "a", 2, b"other two")


def test_marks_only_rise(tmp_path: Path) -> None:
    """An older version that is told later changes nothing, not even the file."""
    marks.advance(tmp_path, [("a", 5, b"five")])
    before = (tmp_path / marks.FILE).read_bytes()
    marks.advance(tmp_path, [("a", 4, b"four"), ("a", 5, b"other")])
    assert (tmp_path / marks.FILE).read_bytes() == before


def test_a_line_that_a_crash_cut_short_is_none(tmp_path: Path) -> None:
    """At every length; the next line takes its place."""
    marks.advance(tmp_path, [("a", 1, b"one")])
    first = (tmp_path / marks.FILE).read_bytes()
    marks.advance(tmp_path, [("a", 2, b"two")])
    whole = (tmp_path / marks.FILE).read_bytes()
    for size in range(len(first), len(whole)):
        (tmp_path / marks.FILE).write_bytes(whole[:size])
        assert marks.load(tmp_path)["a"].version == 1
        marks.advance(tmp_path, [("a", 2, b"two")])
        assert (tmp_path / marks.FILE).read_bytes() == whole


def test_a_changed_line_is_damage(tmp_path: Path) -> None:
    """Every bit of it counts: a mark that was lowered would let an old version in."""
    marks.advance(tmp_path, [("a", 7, b"seven"), ("b", 1, b"one")])
    whole = (tmp_path / marks.FILE).read_bytes()
    for place in range(len(whole.partition(b"\n")[0]) * 8):
        flipped = bytearray(whole)
        flipped[place // 8] ^= 1 << place % 8
        (tmp_path / marks.FILE).write_bytes(flipped)
        with pytest.raises(Integrity, match="damaged"):
            marks.load(tmp_path)


def test_no_file_is_nothing_seen(tmp_path: Path) -> None:
    """A machine that has just got its keys."""
    assert marks.load(tmp_path) == {}
