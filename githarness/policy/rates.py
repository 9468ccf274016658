"""Lengths of time and rates as policy files write them: `30s`, `10m`, `2h`, `7d`, `1w`, and `60/10m`."""

from __future__ import annotations

import re
from typing import NamedTuple

from githarness.errors import Usage

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_LONGEST = 366 * 86400


class Rate(NamedTuple):
    """At most `most` in any `seconds`."""

    most: int
    seconds: int


def seconds(text: str) -> int:
    """Raises Usage."""
    found = re.fullmatch(r"([1-9][0-9]{0,8})([smhdw])", text)
    if not found or int(found[1]) * _UNITS[found[2]] > _LONGEST:
        raise Usage(f"'{text[:40]}' is not a length of time up to a year", fix="write it like 30s, 10m, 2h or 7d")
    return int(found[1]) * _UNITS[found[2]]


def rate(text: str) -> Rate:
    """Raises Usage."""
    found = re.fullmatch(r"(0|[1-9][0-9]{0,8})/([0-9a-z]{1,10})", text)
    if not found:
        raise Usage(f"'{text[:40]}' is not a rate", fix="write it like 60/10m: at most 60 in any 10 minutes")
    return Rate(int(found[1]), seconds(found[2]))
