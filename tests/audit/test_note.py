"""Checkpoints: signed notes as C2SP writes them; whatever is changed in one, it is no longer the log's."""

from __future__ import annotations

import base64

import pytest

from githarness.audit import merkle, note
from githarness.audit.note import Checkpoint
from githarness.errors import Integrity
from githarness.seal import keys
from githarness.seal.keys import KeySigner

KEY = keys.generate()
OTHER = keys.generate()
POINT = Checkpoint("l-" + "0123456789" * 2, 7, merkle.leaf(b"x"))


def signed(key: keys.PrivateKey = KEY) -> str:
    return note.sign(POINT, key.public, KeySigner(key).sign_plain)


def test_a_note_has_the_form_of_c2sp() -> None:
    """Three lines, an empty one, and an em dash, the log's name, four bytes of key id with 64 of signature."""
    lines = signed().split("\n")
    assert lines[:4] == [f"githarness.invalid/{POINT.log}", "7", note.coded(POINT.root), ""]
    assert lines[4].startswith(f"\u2014 githarness.invalid/{POINT.log} ") and len(lines[4].split(" ")[2]) == 92


def test_a_note_of_go_is_read_alike() -> None:
    """Key, id and signature of the example in golang.org/x/mod/sumdb/note, made by another implementation."""
    raw = base64.b64decode("ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW")
    assert (raw[0], note.key_id("PeterNeumann", raw[1:]).hex()) == (1, "c74f20a3")


def test_who_signed_counts() -> None:
    """The log's key alone makes a note the log's; lines of witnesses may follow."""
    witnessed = signed() + "\u2014 witness.example/w " + note.coded(b"1234" + b"w" * 72) + "\n"
    assert note.verify(witnessed, KEY.public) == note.verify(signed(), KEY.public) == POINT
    with pytest.raises(Integrity, match="not signed by the log's key"):
        note.verify(signed(OTHER), KEY.public)


@pytest.mark.parametrize("place", range(len(signed().encode())))
def test_no_byte_of_a_note_can_be_changed(place: int) -> None:
    """Its text, its name, its signature."""
    data = bytearray(signed().encode())
    data[place] ^= 1
    with pytest.raises(Integrity):
        note.verify(data.decode(errors="replace"), KEY.public)


@pytest.mark.parametrize("bad", ["", "x", "\n\n", "a\n1\nAAAA\n\n\u2014 a b\n", signed().replace("\n7\n", "\n07\n"),
                                 signed().replace("\n7\n", "\n-7\n"), signed() + "more"])
def test_what_is_no_note_is_refused(bad: str) -> None:
    """Whoever sent it."""
    with pytest.raises(Integrity):
        note.read(bad)
