"""Frames of the ledger's protocol (docs/protocol.md): how bytes become a header and a body, within bounds.

    u32  length of what follows, big-endian
    u32  length of the header
    ...  header: one JSON object in UTF-8
    ...  body: the contents that the header describes, as they are
"""

from __future__ import annotations

import json
import struct
from typing import Any, NamedTuple

from githarness.errors import Usage

VERSION = 1
_LENGTHS = struct.Struct(">II")
_COMPACT = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode


class Bounds(NamedTuple):
    header: int
    body: int


REQUEST = Bounds(header=1 << 20, body=1 << 20)
# An answer names two blobs for every path of its request, or carries a diff; the side that reads it is its only reader.
ANSWER = Bounds(header=16 << 20, body=1 << 20)


class Oversize(Exception):
    """The message does not fit a frame; whoever wanted to send it has another way."""


class Frame(NamedTuple):
    header: bytes
    body: bytes

    @property
    def size(self) -> int:
        return 8 + len(self.header) + len(self.body)


def pack(header: dict[str, Any], body: bytes, bounds: Bounds) -> bytes:
    """Raises Oversize, and UnicodeEncodeError for text that is no Unicode (an argument with broken UTF-8)."""
    head = _COMPACT(header).encode()
    if len(head) > bounds.header or len(body) > bounds.body:
        raise Oversize
    return b"%b%b%b" % (_LENGTHS.pack(4 + len(head) + len(body), len(head)), head, body)


class Cutter:
    """Cuts a stream into frames. A length out of bounds is refused before its bytes are awaited."""

    def __init__(self, bounds: Bounds) -> None:
        self._bounds = bounds
        self._held = bytearray()

    def __len__(self) -> int:
        return len(self._held)

    def feed(self, data: bytes) -> None:
        self._held += data

    def clear(self) -> None:
        self._held.clear()

    def next(self) -> Frame | None:
        """The next whole frame, or None until more was fed. Raises Usage; the stream is of no use after that."""
        if len(self._held) < 8:
            return None
        length, head = _LENGTHS.unpack_from(self._held)
        body = length - 4 - head
        if not 0 < head <= self._bounds.header or not 0 <= body <= self._bounds.body:
            raise Usage(f"no frame has a length of {length} with a header of {head}", fix="see docs/protocol.md")
        end = 4 + length
        if len(self._held) < end:
            return None
        with memoryview(self._held) as view:
            frame = Frame(bytes(view[8 : 8 + head]), bytes(view[8 + head : end]))
        del self._held[:end]
        return frame


def parse(header: bytes) -> dict[str, Any]:
    """The header's object. Raises Usage for what is no JSON object, or has text that is no Unicode."""
    try:
        found = json.loads(header)
        if b"\\u" in header:  # an escaped lone surrogate would fail later, where a whole group of writes is built
            _COMPACT(found).encode()
    except (ValueError, RecursionError) as error:
        raise Usage("the header is not JSON in UTF-8", fix="see docs/protocol.md") from error
    if not isinstance(found, dict):
        raise Usage("the header is no JSON object", fix="see docs/protocol.md")
    return found
