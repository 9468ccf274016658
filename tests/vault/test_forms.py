"""The forms of a value: each encoding that leak guards know, wherever in a longer text the value stands."""

from __future__ import annotations

import base64
import html
import json
import re
import shlex
import subprocess
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from githarness.vault.forms import LEAST, forms

VALUE = b"p\xc3\xa4ss/w+rd <&>' \"$x\\~=s3cr3t"
VALUES = st.binary(min_size=8, max_size=80)
BREAKLESS = VALUES.map(lambda value: value.translate(None, b"\r\n")).filter(lambda value: len(value) >= 8)


def _in(text: str | bytes, value: bytes = VALUE) -> bool:
    raw = (text.encode() if isinstance(text, str) else text).translate(None, b"\r\n")
    return any(form.text in raw for form in forms(value, whole=False))


@settings(deadline=None)
@given(VALUES, st.binary(max_size=5), st.binary(max_size=5))
def test_base64_at_any_place(value: bytes, before: bytes, after: bytes) -> None:
    """V48: base64, standard and URL-safe, at all three alignments, finds the value whatever stands around it."""
    assert _in(base64.b64encode(before + value + after), value)
    assert _in(base64.urlsafe_b64encode(before + value + after).rstrip(b"="), value)


@settings(deadline=None)
@given(BREAKLESS, st.binary(max_size=80))
def test_base64_wrapped_over_lines(value: bytes, before: bytes) -> None:
    """V48: as MIME and PEM wrap it."""
    assert _in(base64.encodebytes(before + value), value)


@settings(deadline=None)
@given(BREAKLESS)
def test_hex_and_percent(value: bytes) -> None:
    """V48: hex and percent-encoding, of every byte or of the special ones, in both letter cases."""
    lower = re.sub("%..", lambda found: found[0].lower(), quote(value))
    for text in (value.hex(), value.hex().upper(), quote(value, safe=""), quote(value), quote_plus(value), lower,
                 "%" + value.hex("%"), "%" + value.hex("%").upper()):
        assert _in(text, value)


@settings(deadline=None)
@given(st.text(min_size=8, max_size=40).filter(lambda text: len(text.strip("\r\n").encode("utf-8", "replace")) >= 8))
def test_json(text: str) -> None:
    """V48: JSON, with and without ASCII only, with `\\/`, and with every character escaped."""
    value = text.encode("utf-8", "surrogatepass")
    for written in (json.dumps(text), json.dumps(text).replace("/", "\\/")):
        assert _in(written, value)
    if value.isascii():
        assert _in("".join(f"\\u{ord(one):04x}" for one in text), value)
        assert _in("".join(f"\\u{ord(one):04X}" for one in text), value)


def test_json_as_go_writes_it() -> None:
    """V48: `<`, `>` and `&` escaped."""
    text = json.dumps(VALUE.decode(), ensure_ascii=False)
    assert _in(text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"))


@pytest.mark.parametrize("value", [VALUE, b"it's a secret", b'say "secret" $now'])
def test_as_shells_quote_it(value: bytes) -> None:
    """Python's shlex, and bash's own `%q`, `@Q` and traces."""
    script = 'printf "%q\n" "$V"; printf "%s\n" "${V@Q}"; set -x; : "$V"'
    done = subprocess.run(["bash", "-c", script], env={b"V": value, b"LC_ALL": b"C.UTF-8"}, capture_output=True,
                          check=True)
    lines = [shlex.quote(value.decode()).encode(), *done.stdout.splitlines(), done.stderr]
    assert [line for line in lines if not _in(line, value)] == []


def test_as_python_and_html_show_it() -> None:
    """`repr` of text and bytes, and HTML."""
    for shown in (repr(VALUE.decode()), repr(VALUE), html.escape(VALUE.decode())):
        assert _in(shown), shown


@settings(deadline=None)
@given(st.binary(max_size=40))
def test_no_form_is_short_or_has_breaks(value: bytes) -> None:
    """A text of a few letters is never looked for."""
    assert all(len(form.text) >= LEAST and not set(form.text) & set(b"\r\n") for form in forms(value))


def test_a_break_at_the_end_is_no_part_of_it() -> None:
    """A value that was read from a file."""
    assert forms(b"correct-horse\n") == forms(b"correct-horse")


def test_what_nobody_quotes_has_few_forms() -> None:
    """A scan looks for all of them, a thousand times."""
    assert len(forms(b"ghp_0123456789abcdefghijklmnopqrstuvwxyz", whole=False)) <= 16
