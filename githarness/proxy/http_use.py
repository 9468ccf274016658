"""What the daemon grants for one request, and the header field made of it; a value that would end a line is refused."""

from __future__ import annotations

import base64
import json
from typing import NamedTuple

from githarness.proxy.http_link import Answer, Refused
from githarness.proxy.http_upstream import Origin

_LEAST = 8  # bytes; a shorter password of a pair is hidden only beside its name


class Use(NamedTuple):
    name: str
    version: int
    origin: Origin
    field: str  # the name of the header field
    value: str  # what it says
    hidden: tuple[bytes, ...]  # what no answer may show


def granted(answer: Answer) -> Use:
    """Raises Refused for a value that no header field can carry."""
    told = answer.header
    field, _, template = told["header"].partition(": ")
    pair = _pair(answer.body)
    plain = b":".join(pair) if pair else answer.body
    coded = base64.b64encode(plain).decode()
    shown = (answer.body, *((plain, pair[1]) if pair else ()))
    hidden = tuple(dict.fromkeys(each for one in shown for each in (one, _quoted(one)) if len(each) >= _LEAST))
    try:
        value = template.replace("{base64}", coded) if "{base64}" in template else template.replace(
            "{}", answer.body.decode("ascii"))
    except UnicodeDecodeError:
        value = "\0"
    if not value.isprintable():
        raise Refused("usage", f"the value of '{told['name']}' cannot stand in a header field: it is not one line of "
                      "plain text", f"githarness vault set {told['name']}")
    return Use(told["name"], told["version"], Origin(told["scheme"], told["host"], told["port"]), field, value, hidden)


def _quoted(value: bytes) -> bytes:
    """As it stands in JSON, which may be encoded as a whole once more."""
    return json.dumps(value.decode("latin-1"))[1:-1].encode()


def _pair(value: bytes) -> tuple[bytes, bytes] | None:
    """User name and password of a value that is a JSON object of these."""
    try:
        found = json.loads(value)
        return found["username"].encode(), found["password"].encode()
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
