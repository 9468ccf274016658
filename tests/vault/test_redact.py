"""The redactor against the plain meaning of its words, for all chunkings; what is held and for how long."""

from __future__ import annotations

import base64
import re
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from githarness.vault.forms import forms
from githarness.vault.redact import _MOST_BREAKS, Patterns, Redactor

TOKEN = b"hunter2-and-more"
SMALL = st.lists(st.sampled_from([b"a", b"b", b"\n"]), min_size=8, max_size=14).map(b"".join)
SECRETS = st.lists(SMALL, min_size=1, max_size=3)
PIECES = st.one_of(st.binary(max_size=4), SMALL, st.sampled_from([b"\n", b"\r\n", b"a", b"ab", b"\n" * 9]))


def oracle(text: bytes, secrets: list[tuple[str, bytes]]) -> bytes:
    """All occurrences of all forms in the whole text, joined where they overlap."""
    found: list[tuple[int, int, str]] = []
    for name, value in reversed(secrets):  # of two with the same form the first gives its name
        for form in forms(value):
            letters = b"[\r\n]{0,%d}" % _MOST_BREAKS
            pattern = letters.join(re.escape(bytes([byte])) for byte in form.text)
            found += [(hit.start(1), hit.end(1), name) for hit in re.finditer(b"(?=(" + pattern + b"))", text)]
    out, at = b"", 0
    names = {(begin, end): name for begin, end, name in found}
    for begin, end in sorted(names, key=lambda span: (span[0], -span[1])):
        if begin >= at:
            out += text[at:begin] + b"[secret %s]" % names[begin, end].encode()
        at = max(at, end)
    return out + text[at:]


def redacted(chunks: list[bytes], secrets: list[tuple[str, bytes]], *, idle: bool = False) -> bytes:
    redactor = Redactor(Patterns(secrets))
    return b"".join(redactor.feed(chunk) + (redactor.idle() if idle else b"") for chunk in chunks) + redactor.close()


def cut(text: bytes, places: list[int]) -> list[bytes]:
    ends = sorted({0, len(text), *(place % (len(text) + 1) for place in places)})
    return [text[begin:end] for begin, end in pairwise(ends)]


@settings(deadline=None)
@given(SECRETS, st.data(), st.lists(st.integers(0, 200), max_size=12))
def test_like_the_oracle_for_all_chunkings(values: list[bytes], data: st.DataObject, places: list[int]) -> None:
    """V48: secrets that overlap, hold each other, stand next to each other or have line breaks in them."""
    secrets = [(f"s{number}", value) for number, value in enumerate(values)]
    hidden = st.sampled_from([form.text for value in values for form in forms(value)] or [b""])
    text = b"".join(data.draw(st.lists(st.one_of(PIECES, hidden), max_size=12)))
    assert redacted(cut(text, places), secrets) == oracle(text, secrets)


def test_occurrences_that_overlap_are_one_mark() -> None:
    """Also where the first was shown before the next had come."""
    assert redacted([b"a"] * 20, [("a", b"a" * 8)]) == b"[secret a]"


@settings(deadline=None)
@given(SECRETS, st.lists(PIECES, max_size=20))
def test_bytes_one_by_one(values: list[bytes], pieces: list[bytes]) -> None:
    """V48: the redactor fed 1-byte chunks."""
    secrets, text = [(f"s{number}", value) for number, value in enumerate(values)], b"".join(pieces)
    assert redacted([bytes([byte]) for byte in text], secrets) == oracle(text, secrets)


@pytest.mark.parametrize("form", forms(b"p/w+rd \xc3\xa4 'x' <s3cr3t>"), ids=lambda form: form.kind)
@pytest.mark.parametrize("size", [1, 3, 1000])
def test_every_form_goes(form: tuple[str, bytes], size: int) -> None:
    """V48: base64, hex, URL, JSON, shell forms, split into chunks."""
    text = b"before " + form[1] + b" after"
    chunks = [text[at : at + size] for at in range(0, len(text), size)]
    assert b"[secret db/main]" in redacted(chunks, [("db/main", b"p/w+rd \xc3\xa4 'x' <s3cr3t>")])
    assert form[1] not in redacted(chunks, [("db/main", b"p/w+rd \xc3\xa4 'x' <s3cr3t>")])


def test_a_wrapped_base64_text_goes() -> None:
    """V48: as `base64` prints a long value."""
    value = bytes(range(32, 127)) * 3
    assert redacted([base64.encodebytes(value)], [("key", value)]) == b"[secret key]\n"


def test_a_terminal_s_carriage_returns_hide_nothing() -> None:
    """A PTY writes CR LF for LF, also inside a private key."""
    value = b"-----BEGIN KEY-----\nabcdefgh\nijklmnop\n-----END KEY-----\n"
    assert redacted([b"> " + value.replace(b"\n", b"\r\n") + b"$ "], [("key", value)]) == b"> [secret key]\r\n$ "


def test_what_begins_no_form_comes_at_once() -> None:
    """Interactive output waits for nothing."""
    assert Redactor(Patterns([("a", TOKEN)])).feed(b"Password: ") == b"Password: "


def test_only_the_begun_form_is_held() -> None:
    """A prefix of a possible match is never released."""
    redactor = Redactor(Patterns([("a", TOKEN)]))
    assert (redactor.feed(b"say hunter2"), redactor.idle()) == (b"say ", b"")
    assert redactor.feed(b"!") == b"hunter2!"


def test_after_an_idle_time_a_few_bytes_are_shown_and_never_more() -> None:
    """A prompt does not wait for the next line, and what follows is still taken for the rest."""
    redactor = Redactor(Patterns([("a", TOKEN)]))
    shown = [redactor.feed(bytes([byte])) + redactor.idle() for byte in TOKEN + b"\n"]
    assert b"".join(shown) == b"hun[secret a]\n"


@settings(deadline=None)
@given(st.lists(PIECES, max_size=20), st.lists(st.integers(0, 200), max_size=12))
def test_idle_times_leak_three_bytes_at_most(pieces: list[bytes], places: list[int]) -> None:
    """Whatever was shown while idle, four bytes of the begin of a secret are not."""
    text = b"".join(pieces).replace(b"a", b"hunter2-").replace(b"b", b"and-more")
    shown = redacted(cut(text, places), [("a", TOKEN)], idle=True)
    assert TOKEN not in shown.translate(None, b"\r\n") or b"\n" * 9 in text


def test_a_long_form_may_show_what_such_forms_share() -> None:
    """`-----` at the end of a heading is not held until the next line."""
    value = b"-----BEGIN OPENSSH PRIVATE KEY-----\n" + b"x1y2" * 400 + b"\n-----END OPENSSH PRIVATE KEY-----\n"
    redactor = Redactor(Patterns([("key", value)]))
    assert redactor.feed(b"Heading\n-----\n") + redactor.idle() == b"Heading\n-----\n"


def test_line_breaks_do_not_grow_what_is_held() -> None:
    """A begun form is given up after some."""
    redactor = Redactor(Patterns([("a", TOKEN)]))
    assert redactor.feed(b"hunter2" + b"\n" * 9) == b"hunter2" + b"\n" * 9
    assert not redactor.holds


def test_a_secret_of_64_kib() -> None:
    """The longest that a record has, byte by byte and with a false begin."""
    value = (b"ab" * 40_000)[:65_535] + b"c"
    assert redacted([value[:60_000], value], [("a", value)]) == value[:60_000] + b"[secret a]"
