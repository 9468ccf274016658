"""Canonical bytes: the one JSON form that is hashed, stored or sent, and the digests of sets of blobs."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping

_SURROGATE = re.compile("[\ud800-\udfff]")
Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]


def dumps(value: object) -> str:
    """Keys sorted, no spaces, UTF-8 kept, no NaN: equal values give equal text.

    Bytes of a file name that are no UTF-8 are lone surrogates in Python (PEP 383), and stand escaped.
    """
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text if text.isascii() else _SURROGATE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def tree_digest(blobs: Mapping[str, str] | Iterable[tuple[str, str]]) -> str:
    """`sha256:` over the sorted lines `path NUL blob LF`: the form of the Policy trailer (DESIGN §4)."""
    pairs = blobs.items() if isinstance(blobs, Mapping) else blobs
    lines = sorted(f"{path}\0{blob}\n".encode("utf-8", "surrogateescape") for path, blob in pairs)
    return "sha256:" + hashlib.sha256(b"".join(lines)).hexdigest()
