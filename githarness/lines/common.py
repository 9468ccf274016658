"""How much two pieces of bytes have in common at either end: found by halving, each half compared at memory speed, and
in the last few bytes by the highest bit in which they differ.
"""

from __future__ import annotations

_FEW = 64


def common_start(old: bytes, new: bytes) -> int:
    low, high = 0, min(len(old), len(new))
    while high - low > _FEW:
        middle = (low + high) // 2
        if old[low:middle] == new[low:middle]:
            low = middle
        else:
            high = middle
    return high - _size(int.from_bytes(old[low:high], "big") ^ int.from_bytes(new[low:high], "big"))


def common_end(old: bytes, new: bytes, most: int) -> int:
    """`most`: bytes, of which both have as many."""
    low, high, was, now = 0, most, len(old), len(new)
    while high - low > _FEW:
        middle = (low + high) // 2
        if old[was - middle : was - low] == new[now - middle : now - low]:
            low = middle
        else:
            high = middle
    return high - _size(int.from_bytes(old[was - high : was - low], "little")
                        ^ int.from_bytes(new[now - high : now - low], "little"))


def _size(number: int) -> int:
    return (number.bit_length() + 7) // 8
