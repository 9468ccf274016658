"""What of an event is kept, and in which form: secrets go before anything is stored, and every text has an end.

`shown` makes the safe fields, which are sealed into git and may be read by everybody; `body` the rest, which stays in
the database, is known outside by its salted digest, and can be purged.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from githarness import canon
from githarness.audit import line
from githarness.canon import Json
from githarness.skills import secrets

_LARGEST = 64 * 1024  # bytes of a body
_HEADERS = {"authorization", "proxy-authorization", "cookie", "set-cookie"}
_GIVEN = re.compile(  # what follows says that it is secret, however it looks; the gates of skills are not so strict
    r"(?i)(\b(?:bearer|basic)\s+|--?(?:password|passwd|passphrase|token|secret|api-?key)[= ]\s*)([^\s\"'\\]{4,})")
_GONE = "[redacted]"


def shown(fields: Mapping[str, Json]) -> str:
    return line.safe({redacted(name): _redacted(name, value) for name, value in fields.items()})


def body(value: Json, *, most: int = _LARGEST) -> str:
    """Canonical JSON; of what is larger than `most` bytes (64 KiB) the beginning, its size and its hash."""
    text = canon.dumps(_redacted("", value))
    data = text.encode("utf-8", "surrogatepass")
    if len(data) <= most:
        return text
    return canon.dumps({"cut": text[: most // 4], "size": len(data), "sha256": canon.sha256(data)})


def redacted(text: str) -> str:
    return secrets.redacted(_GIVEN.sub(lambda found: found[1] + _GONE, text))


def _redacted(name: str, value: Json) -> Json:
    if isinstance(value, dict):
        return {redacted(key): _redacted(key, item) for key, item in value.items()}
    if isinstance(value, list):
        return [_redacted(name, item) for item in value]
    if value is None or isinstance(value, bool):
        return value
    if secrets.is_secret_name(name) or name.lower() in _HEADERS:
        return _GONE
    return redacted(value) if isinstance(value, str) else value

