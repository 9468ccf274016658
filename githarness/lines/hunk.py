"""Lines and the differences between two texts: a line reaches up to and includes its LF; only the last may lack it."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from typing import Protocol

_SNIFFED = 8000  # bytes in which git looks for a NUL


class Hunk(Protocol):
    """Lines `old_start … old_start + old_len` became `new_start … new_start + new_len`: indexes from 0, no context."""

    @property
    def old_start(self) -> int: ...
    @property
    def old_len(self) -> int: ...
    @property
    def new_start(self) -> int: ...
    @property
    def new_len(self) -> int: ...


Hunks = Callable[[bytes, bytes], Sequence[Hunk]]  # from old to new, ascending, an unchanged line between any two


def split(data: bytes) -> list[bytes]:
    return io.BytesIO(data).readlines()


def is_binary(data: bytes) -> bool:
    return b"\0" in data[:_SNIFFED]
