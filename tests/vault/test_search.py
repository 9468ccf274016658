"""The search for values in contents: every form, every place, split over lines; against a plain look for all forms."""

from __future__ import annotations

import base64
import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from githarness.vault.forms import forms
from githarness.vault.search import Hit, sought
from githarness.vault.search import search as look

VALUE = b"correct-horse+battery/staple 7"
VALUES = st.binary(min_size=8, max_size=40)


def search(secrets: list[tuple[str, bytes]], content: bytes) -> list[Hit]:
    return look(sought(secrets), content)


@settings(deadline=None)
@given(value=VALUES, before=st.binary(max_size=70), after=st.binary(max_size=20), data=st.data())
def test_each_form_at_each_place(value: bytes, before: bytes, after: bytes, data: st.DataObject) -> None:
    """V48: whatever stands around it, and at whatever distance from the begin."""
    form = data.draw(st.sampled_from(forms(value) or [("raw", b"")]))
    found = search([("other", b"0" * 30), ("db/main", value)], before + form[1] + after)
    assert not form[1] or "db/main" in {hit.name for hit in found}


@pytest.mark.parametrize("length", [8, 10, 11, 22, 23, 40])
def test_a_value_of_each_length_at_each_distance(length: int) -> None:
    """How many words are passed over depends on the shortest form, here the value itself."""
    value = string.ascii_letters[:length].encode()
    for before in range(33):
        (hit,) = search([("a", value)], b"~" * before + value)
        assert (hit.offset, hit.length) == (before, length)


@pytest.mark.parametrize("joint", ["\n", "\r\n", '" + "', '" +\n    "', "\\\n", "' \\\n    '", '"\n  "',
                                   '"\n    + "', "\n# ", "\n+", '" "', '",\n "'])
def test_a_value_in_two_parts(joint: str) -> None:
    """V48: split over two lines, or joined by a mark of concatenation; at any place."""
    for at in range(1, len(VALUE)):
        content = b'x = "' + VALUE[:at] + joint.encode() + VALUE[at:] + b'"'
        (hit,) = search([("a", VALUE)], content)
        assert hit.form == "raw, split"
        assert content[hit.offset : hit.offset + hit.length].startswith(VALUE[:1])


def test_base64_over_lines() -> None:
    """V48: a base64 text as MIME and PEM wrap it, indented as in YAML."""
    text = base64.encodebytes(b"header " * 6 + VALUE).replace(b"\n", b"\n      ")
    assert [hit.form for hit in search([("a", VALUE)], text)] == ["base64, split"]


def test_a_private_key_in_a_yaml_block() -> None:
    """A value with line breaks, indented."""
    value = b"-----BEGIN KEY-----\nabcdefgh12345678\nijklmnop12345678\n-----END KEY-----\n"
    text = b"key: |\n" + b"".join(b"    " + line for line in value.splitlines(keepends=True))
    assert [hit.name for hit in search([("key", value)], text)] == ["key"]


def test_words_of_a_value_in_prose_are_no_finding() -> None:
    """Only what joins lines or literals may stand between the parts."""
    assert search([("a", b"correcthorse"), ("b", b"horsebattery")], b"a correct horse, battery/staple") == []


def test_the_place_is_that_of_the_content() -> None:
    """After many marks, which were not counted."""
    content = b'\n "," \t' * 5000 + b"x" + VALUE + b"\n" * 9000
    assert [(hit.offset, hit.length) for hit in search([("a", VALUE)], content)] == [(35001, len(VALUE))]


def test_a_value_of_marks() -> None:
    """What is nearly all quotes and white space is looked for as it is."""
    assert [hit.offset for hit in search([("a", b'" + "\' \'a')], b'xx" + "\' \'a')] == [2]


def test_marks_at_the_ends_are_part_of_it() -> None:
    """What is told is the whole of it, so that a name can be shown without."""
    assert [(hit.offset, hit.length) for hit in search([("a", b"+secret-9/")], b"x +secret-9/ y")] == [(2, 10)]


def test_occurrences_next_to_each_other() -> None:
    """Each is told at its own place."""
    assert [hit.offset for hit in search([("a", VALUE)], b"x\n" + (VALUE + b"\n") * 3)] == [2, 33, 64]


def test_each_of_many_values() -> None:
    """Each occurrence of each value, in the order of places."""
    secrets = [(f"s{number}", b"token-%04d-0123456789" % number) for number in range(300)]
    content = b"\n".join(value for _, value in secrets)
    assert [hit.name for hit in search(secrets, content)] == [name for name, _ in secrets]


def test_a_value_that_is_everywhere() -> None:
    """A secret of one letter repeated: a bounded number of findings in bounded time."""
    assert 0 < len(search([("a", b"a" * 20)], b"a" * 300_000)) <= 200


@pytest.mark.parametrize("content", [b"", b"abc", b"\n" * 20])
def test_little_content(content: bytes) -> None:
    """Nothing to find."""
    assert search([("a", VALUE)], content) == []
    assert search([], content + VALUE) == []
