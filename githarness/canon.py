"""Canonical bytes: the one JSON form that is hashed, stored or sent, and the digests of sets of blobs."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping

# What drives a terminal, reverses text or cannot be seen.
CONTROL = (r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff"
           r"\ufff9-\ufffb\U000e0000-\U000e007f]")
_SURROGATE = "[\ud800-\udfff]"
# What JSONEncoder.encode makes anew for each value; without its set of what it is in, a circle is a RecursionError.
_encode = json.encoder.c_make_encoder(  # type: ignore[attr-defined]
    None, json.JSONEncoder().default, json.encoder.encode_basestring, None, ":", ",", True, False, False)  # noqa: FBT003
Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]


def dumps(value: object) -> str:
    """Keys sorted, no spaces, UTF-8 kept, no NaN: equal values give equal text.

    Bytes of a file name that are no UTF-8 are lone surrogates in Python (PEP 383), and stand escaped.
    """
    text = "".join(_encode(value, 0))
    return text if text.isascii() else re.sub(_SURROGATE, lambda found: f"\\u{ord(found[0]):04x}", text)


def printable(text: str) -> str:
    """Text from anywhere, safe to show on a terminal: what would drive it stands escaped."""
    if text.replace("\n", "").isprintable():  # nothing of CONTROL is, and nearly every text passes
        return text
    return re.sub(CONTROL, lambda found: found[0].encode("unicode_escape").decode(), text)


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def tree_digest(blobs: Mapping[str, str] | Iterable[tuple[str, str]]) -> str:
    """`sha256:` over the sorted lines `path NUL blob LF`: the form of the Policy trailer (DESIGN §4)."""
    pairs = blobs.items() if isinstance(blobs, Mapping) else blobs
    lines = sorted(f"{path}\0{blob}\n".encode("utf-8", "surrogateescape") for path, blob in pairs)
    return "sha256:" + hashlib.sha256(b"".join(lines)).hexdigest()
