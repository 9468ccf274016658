"""text is UTF-8 without byte-order mark and control characters, its lines end in LF, the last one too.

Why: a byte-order mark hides the frontmatter from Gemini CLI and python-frontmatter; YAML forbids control characters,
and in a terminal they can hide what a skill says; CRLF breaks scripts that are copied from a skill.

Looked at: the bytes of the whole file. Encoding, mark and control characters are errors, line ends are warnings. The
fix removes marks and control characters, converts UTF-16, writes LF. Bytes in an unknown encoding are left alone. Of a
file that has more than 1 MiB, which is an error, nothing is mended, and what lies behind is not judged.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from githarness.skills.document import LARGEST, Document
from githarness.skills.model import EVERY, Found, Gate, Place

_CONTROL = rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]|\xc2[\x80-\x84\x86-\x9f]"
_DELETED = bytes({*range(32), 127, 0xC2} - {9, 10, 13})
_UTF16 = (b"\xff\xfe", b"\xfe\xff")


def check(doc: Document, place: Place) -> Iterator[Found]:
    data = doc.data
    if len(data) > LARGEST:
        yield Found(1, f"the file has more than {LARGEST:,} bytes, and is not judged as a whole", "split it")
    if data.startswith(_UTF16):
        yield Found(1, "the file is UTF-16, not UTF-8", "githarness skills check --fix")
        return
    if data.startswith(b"\xef\xbb\xbf"):
        yield Found(1, "the file begins with a byte-order mark", "save it as UTF-8 without BOM")
    if "\ufffd" in doc.text:
        yield from _encoding(data)
    # Deleting is 20 times as fast as a search, and almost no file has any.
    if len(data.translate(None, _DELETED)) != len(data) and (found := re.search(_CONTROL, data)):
        code = ord(found[0].decode())
        yield Found(_line(data, found.start()), f"the control character U+{code:04X} stands in the text", "remove it")
    if (at := data.find(b"\r")) >= 0:
        yield Found(_line(data, at), "lines end in CR or CRLF", "end lines in LF", "warning")
    if data and not data.endswith(b"\n"):
        yield Found(_line(data, len(data)), "the last line has no end", "end the file with a line end", "warning")


def _encoding(data: bytes) -> Iterator[Found]:
    try:
        data.decode()
    except UnicodeDecodeError as error:
        yield Found(_line(data, error.start), f"byte 0x{data[error.start]:02X} is not UTF-8", "save the file as UTF-8")


def _line(data: bytes, at: int) -> int:
    return data.count(b"\n", 0, at) + 1


def fix(doc: Document, place: Place) -> bytes:
    data = doc.data
    if data.startswith(_UTF16):
        data = data.decode("utf-16", "replace").encode("utf-8", "replace")
    while data.startswith(b"\xef\xbb\xbf"):
        data = data[3:]
    data = re.sub(_CONTROL, b"", data.replace(b"\r\n", b"\n").replace(b"\r", b"\n"))
    return data + b"\n" if data and not data.endswith(b"\n") else data


GATE = Gate("GH002", "error", check, fix, EVERY, reads="lines")
