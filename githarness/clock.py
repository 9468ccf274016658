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

from githarness.errors import Usage

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
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
    return f"{prefix}-{_base32(int(now * 1000), 10)}{_base32(number, 10)}"


def _base32(number: int, width: int) -> str:
    return "".join(_ALPHABET[(number >> (5 * place)) & 31] for place in range(width - 1, -1, -1))


def rfc3339(instant: float) -> str:
    """UTC to the second, as every output of githarness prints it."""
    return datetime.fromtimestamp(int(instant), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def seconds(text: str) -> float:
    """A length of time: `30s`, `5m`, `2h`, `3d`, `1w`. Raises Usage."""
    found = re.fullmatch(r"([0-9]{1,9})([smhdw])", text)
    if not found:
        raise Usage(f"'{text}' is not a length of time", fix="write it like 30s, 5m, 2h or 3d")
    return int(found[1]) * _UNITS[found[2]]


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


def session_id() -> int:
    return os.getsid(0)
