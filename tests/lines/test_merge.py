"""The three-way merge by lines: what it merges and what it refuses."""

from difflib import SequenceMatcher
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from githarness.lines import merge
from githarness.lines.hunk import split


class Hunk(NamedTuple):
    old_start: int
    old_len: int
    new_start: int
    new_len: int


def hunks(old: bytes, new: bytes) -> list[Hunk]:
    codes = SequenceMatcher(None, split(old), split(new), autojunk=False).get_opcodes()
    return [Hunk(a, b - a, c, d - c) for tag, a, b, c, d in codes if tag != "equal"]


def three_way(base: bytes, ours: bytes, theirs: bytes) -> merge.Merged:
    return merge.three_way(base, ours, theirs, hunks=hunks)


TEXTS = st.lists(st.sampled_from([b"a\n", b"b\n", b"c\r\n", b"\n"]), max_size=12).map(b"".join)


@given(TEXTS, TEXTS)
def test_a_change_of_one_side_only_is_that_side(base: bytes, changed: bytes) -> None:
    """Where only one side changed, the merge is that side, whichever it is."""
    assert three_way(base, changed, base) == three_way(base, base, changed) == merge.Merged(changed)


@given(TEXTS, TEXTS, TEXTS, TEXTS, TEXTS)
def test_edits_of_different_places_are_both_there(top: bytes, new_top: bytes, ours: bytes, end: bytes, x: bytes,
                                                  ) -> None:
    """Edits with untouched lines between them are all in the result."""
    wall = b"".join(b"wall %d\n" % number for number in range(30))
    merged = three_way(top + wall + end, new_top + wall + end, top + wall + x)
    assert merged.data == new_top + wall + x
    assert three_way(wall + wall, wall + ours + wall, wall + wall).data == wall + ours + wall


@given(TEXTS, TEXTS, TEXTS)
def test_sides_are_equal_before_the_merge(base: bytes, ours: bytes, theirs: bytes) -> None:
    """Exchanging the sides changes nothing but the names of the sides in a clash."""
    one, other = three_way(base, ours, theirs), three_way(base, theirs, ours)
    assert one.data == other.data
    assert [(c.line, c.base, c.ours, c.theirs) for c in one.clashes] == [
        (c.line, c.base, c.theirs, c.ours) for c in other.clashes]


@pytest.mark.parametrize(("base", "ours", "theirs"), [
    (b"stock 10\n", b"stock 9\n", b"stock 9\n"),
    (b"a\nb\n", b"a\n", b"a\n"),
    (b"a\nb\n", b"a\nx\nb\n", b"a\ny\nb\n"),
    (b"a\nb\n", b"A\nb\n", b"a\nB\n"),
    (b"a\n", b"a\nx\n", b"a\ny\n"),
    (b"", b"x\n", b"x\n"),
    (b"a", b"a\n", b"a\n"),
    (b"a\0", b"b\0", b"a\0b"),
    (b"text\n" * 9, b"TEXT\n" + b"text\n" * 8, b"a\0b"),
])
def test_what_clashes(base: bytes, ours: bytes, theirs: bytes) -> None:
    """Identical changes, touching changes, insertions at one point and binary files are never merged."""
    merged = three_way(base, ours, theirs)
    assert merged.data is None
    assert merged.clashes


def test_a_clash_names_the_line_and_both_sides() -> None:
    """A clash says where it is in the base and what each side made of those lines."""
    merged = three_way(b"1\n2\n3\n4\n", b"1\n2\nours\n4\n", b"1\ntheirs\n3\n4\n")
    assert merged.clashes == (merge.Clash(2, b"2\n3\n", b"2\nours\n", b"theirs\n3\n"),)


def test_a_text_without_a_final_newline_keeps_it_so() -> None:
    """The last line's missing LF survives a merge of lines above it."""
    assert three_way(b"a\nb\nc\nd", b"A\nb\nc\nd", b"a\nb\nC\nd").data == b"A\nb\nC\nd"
