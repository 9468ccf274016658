"""Time and the ids that carry it: the one place that asks the machine what time it is.

Instants are Unix seconds as float, UTC. Ids are `PREFIX-` and 20 characters of Crockford's base 32: 50 bits of
milliseconds, then 50 random bits, so that they sort by time as text.
"""

from __future__ import annotations

import os
import re
import sys
import time
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from githarness.errors import Usage

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_PAIRS = [one + other for one in _ALPHABET for other in _ALPHABET]
_LATEST = 253402300799  # 9999-12-31T23:59:59Z
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


class Clock:
    """The system's clocks; `tests/fakes.py` has a settable one of the same shape."""

    def now(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()

    def boot(self) -> float:
        """Seconds since the machine started, also those that it slept; nobody sets it."""
        return time.clock_gettime(time.CLOCK_BOOTTIME) if sys.platform == "linux" else time.monotonic()


SYSTEM = Clock()


def new_id(prefix: str, now: float) -> str:
    return made_id(prefix, now, int.from_bytes(os.urandom(7)) >> 6)


def made_id(prefix: str, now: float, number: int) -> str:
    """The id that this number of 50 bits makes of a moment: the same each time, for what may be recorded twice."""
    return f"{prefix}-{_moment(int(now * 1000))}{_base32(number)}"


def _base32(number: int) -> str:
    """Of 50 bits. Written out, two digits at once: every event passes here."""
    return (_PAIRS[number >> 40 & 1023] + _PAIRS[number >> 30 & 1023] + _PAIRS[number >> 20 & 1023]
            + _PAIRS[number >> 10 & 1023] + _PAIRS[number & 1023])


_moment = lru_cache(maxsize=16)(_base32)  # many ids are made in one transaction, at one moment


def rfc3339(instant: float) -> str:
    """UTC to the second, as every output of githarness prints it."""
    return _rfc3339(int(instant))


@lru_cache(maxsize=256)
def _rfc3339(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def seconds(text: str) -> float:
    """A length of time: `30s`, `5m`, `2h`, `3d`, `1w`. Raises Usage."""
    found = re.fullmatch(r"([0-9]{1,9})([smhdw])", text)
    if not found:
        raise Usage(f"'{text}' is not a length of time", fix="write it like 30s, 5m, 2h or 3d")
    return float(int(found[1]) * _UNITS[found[2]])


def deadline(text: str, now: float) -> float:
    """A point in time ahead: RFC 3339, a date, or a length of time from now. Raises Usage."""
    moment = now + seconds(text) if re.fullmatch(r"[0-9]{1,9}[smhdw]", text) else instant(text, now)
    if not now < moment < _LATEST:
        raise Usage(f"'{text}' is not ahead", fix="write 2h, 30d, or a later time")
    return moment


def instant(text: str, now: float) -> float:
    """A point in time: RFC 3339, a date, a length of time before now, or `yesterday`. Raises Usage."""
    if text == "now":
        return now
    if text == "yesterday":
        midnight = datetime.fromtimestamp(now, UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        return (midnight - timedelta(days=1)).timestamp()
    if re.fullmatch(r"[0-9]{1,9}[smhdw]", text):
        return now - seconds(text)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise Usage(f"'{text}' is not a time", fix="write RFC 3339, 30s, 5m, 2h, 3d or yesterday") from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def boot_id() -> str:
    """The kernel's id of this boot; where there is none, a constant: leases then rest on the wall clock alone."""
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return "unknown-boot"


def process_start(pid: int) -> int:
    """Start time of a process in clock ticks since boot, 0 where it cannot be known (proc(5), field 22 of stat)."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            return int(file.read().rpartition(")")[2].split()[19])
    except (OSError, ValueError, IndexError):
        return 0


def is_alive(pid: int, start: int) -> bool:
    """Whether the process that started then lives: its pid may be somebody else's by now."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
    except OSError:
        return False
    return int(fields[19]) == start and fields[0] not in b"ZX"


def session_id() -> int:
    return os.getsid(0)
