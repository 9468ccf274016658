"""The forms in which a value may stand in a text: itself, base64, hex, percent-encoded, and as programs quote it.

A form is looked for without the line breaks in it, in a text without them, so that a wrapped base64 text and the CR
that a terminal adds hide nothing. Of base64 it is the characters that do not depend on what stands before and after the
value: with them a value is found inside a longer text that was encoded. Not covered: compression, encryption, other
alphabets, a part of a value.
"""

from __future__ import annotations

import html
import json
import re
from base64 import b64encode
from collections.abc import Iterator
from typing import NamedTuple
from urllib.parse import quote_from_bytes

_LONG = 4096  # bytes; a longer value is looked for as it is, in base64, hex and JSON
LEAST = 7  # bytes of a form without its line breaks; what is shorter stands in any text
BREAKS = b"\r\n"
_URL_SAFE = bytes.maketrans(b"+/", b"-_")
_PLAIN = re.compile(rb"[A-Za-z0-9_.-]+")  # what nobody quotes
# Python's and curl's, a path's, JavaScript's encodeURIComponent and encodeURI.
_KEPT = ("", "/", "!'()*", ";/?:@&=+$,#!'()*")
_PERCENT = re.compile(rb"%[0-9A-F]{2}")
_UNICODE = re.compile(r"\\u[0-9a-f]{4}")
_SPECIAL = re.compile(rb"([^A-Za-z0-9_.,:/@%+=~\x80-\xff-])")
_HTML_IN_JSON = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"})  # as Go writes JSON


class Form(NamedTuple):
    kind: str  # raw, base64, hex, url, json, shell, html, escaped
    text: bytes  # without CR and LF, at least LEAST bytes


def forms(value: bytes, *, whole: bool = True) -> tuple[Form, ...]:
    """Different texts; the raw value first. Without `whole`, none of base64 that only adds to another one's ends."""
    core = value.strip(BREAKS)
    found: dict[bytes, str] = {}
    for kind, text in _all(core, whole=whole):
        found.setdefault(text.translate(None, BREAKS), kind)
    return tuple(Form(kind, text) for text, kind in found.items() if len(text) >= LEAST)


def _all(value: bytes, *, whole: bool) -> Iterator[tuple[str, bytes]]:
    yield "raw", value
    for text in _base64(value, whole=whole):
        yield "base64", text
        yield "base64", text.translate(_URL_SAFE)
    yield "hex", value.hex().encode()
    yield "hex", value.hex().upper().encode()
    if len(value) > _LONG:
        yield "json", json.dumps(_text(value))[1:-1].encode()
        return
    for digits in (value.hex("|"), value.hex("|").upper()):
        yield "url", ("%" + digits.replace("|", "%")).encode()
        yield "escaped", ("\\x" + digits.replace("|", "\\x")).encode()
    for unit in _units(value):
        yield "json", unit.encode()
    if not _PLAIN.fullmatch(value):
        yield from _quoted(value)


def _base64(value: bytes, *, whole: bool) -> Iterator[bytes]:
    """For each place in a group of three bytes, the characters that hold bits of the value only; 10 at least."""
    for before in range(3):
        text = b64encode(bytes(before) + value)
        yield text[-(-before * 8 // 6) : (before + len(value)) * 8 // 6]
    if whole:
        text = b64encode(value)
        yield text
        yield text.rstrip(b"=")


def _units(value: bytes) -> Iterator[str]:
    r"""`\u0061\u0062`: every character as JSON may write it."""
    digits = _text(value).encode("utf-16-be", "surrogatepass").hex("|", 2)
    for written in (digits, digits.upper()):
        yield "\\u" + written.replace("|", "\\u")


def _text(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")


def _quoted(value: bytes) -> Iterator[tuple[str, bytes]]:
    for kept in _KEPT:
        text = quote_from_bytes(value, kept).encode()
        for written in (text, text.replace(b"%20", b"+"), text.replace(b"~", b"%7E")):
            yield "url", written
            yield "url", _PERCENT.sub(lambda found: found[0].lower(), written)
    for one in _json(_text(value)):
        yield "json", one.encode(errors="surrogatepass")
    yield from _shell(value)
    yield "html", html.escape(_text(value)).encode(errors="surrogatepass")
    yield "html", html.escape(_text(value), quote=False).encode(errors="surrogatepass")


def _json(text: str) -> Iterator[str]:
    for ascii_only in (True, False):
        inner = json.dumps(text, ensure_ascii=ascii_only)[1:-1]
        for written in (inner, inner.translate(_HTML_IN_JSON)):
            for one in (written, written.replace("/", "\\/")):
                yield one
                yield _UNICODE.sub(lambda found: "\\u" + found[0][2:].upper(), one)


def _shell(value: bytes) -> Iterator[tuple[str, bytes]]:
    """Inside quotes of a shell, behind backslashes, and inside Python's own quotes."""
    yield "shell", value.replace(b"'", b"'\"'\"'")
    yield "shell", value.replace(b"'", b"'\\''")
    yield "shell", _SPECIAL.sub(rb"\\\1", value)
    yield "shell", re.sub(rb'([\\"$`])', rb"\\\1", value)
    for shown in (repr(_text(value))[1:-1], repr(value)[2:-1]):
        yield "escaped", shown.encode(errors="surrogatepass")
