"""Messages of the vault's protocol (docs/vault-protocol.md): a value travels as the body of a frame, never in a header.

    request  {"id":1,"op":"get","name":"…","mode":"get"}          body: what the operation is about
    answer   {"id":1,"version":3,"lease":"vl-…"} + value          or {"id":1,"error":{"code","message","fix","details"}}
"""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from githarness.canon import Json
from githarness.errors import Usage
from githarness.frames import Bounds
from githarness.settings import Settings

PROTOCOL = 1
REQUEST = Bounds(header=1 << 16, body=(1 << 20) + (1 << 16))  # a chunk of what is scanned, with its overlap
ANSWER = Bounds(header=4 << 20, body=1 << 20)
LENGTHS = struct.Struct(">II")
DEEPEST = 8  # levels of a header
_COMPACT = json.JSONEncoder(separators=(",", ":"), ensure_ascii=True, allow_nan=False).encode
_DECODED = json.JSONDecoder().decode  # `json.loads` would guess at the encoding first


def socket_path(settings: Settings, common_dir: Path) -> Path:
    """Where the vault daemon of a repository listens."""
    told = hashlib.sha256(bytes(common_dir.resolve())).hexdigest()[:16]
    return settings.runtime_dir / f"vault-{told}.sock"


def head(header: Mapping[str, Json], body: int = 0) -> bytes:
    """The frame up to its body, which has so many bytes."""
    text = _COMPACT(header).encode()
    return LENGTHS.pack(4 + len(text) + body, len(text)) + text


def parse(header: bytes | bytearray) -> dict[str, Any]:
    """A header's object. Raises Usage for what is no JSON object, or is nested deeper than any message."""
    if header.count(b"[") + header.count(b"{") > DEEPEST * 64:
        raise Usage("the header is nested too deep", fix="see docs/vault-protocol.md")
    try:
        found = _DECODED(str(header, "utf-8"))
    except (ValueError, RecursionError):
        raise Usage("the header is not JSON in UTF-8", fix="see docs/vault-protocol.md") from None
    if not isinstance(found, dict):
        raise Usage("the header is no JSON object", fix="see docs/vault-protocol.md")
    return found


def lengths(held: bytes | bytearray | memoryview, bounds: Bounds) -> tuple[int, int]:
    """Of a frame, by its first eight bytes: the length of its header and of its body. Raises Usage out of bounds."""
    length, head_ = LENGTHS.unpack_from(held)
    body = length - 4 - head_
    if not 0 < head_ <= bounds.header or not 0 <= body <= bounds.body:
        raise Usage(f"no frame has a length of {length} with a header of {head_}", fix="see docs/vault-protocol.md")
    return head_, body
