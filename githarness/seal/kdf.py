"""Keys from secrets: Argon2id (RFC 9106) from what a person remembers, HKDF-SHA256 from what is random already."""

from __future__ import annotations

from typing import NamedTuple

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from githarness.errors import Integrity

_KEY = 32


class Cost(NamedTuple):
    """RFC 9106's second recommendation, for machines that have little memory: some 0.2 s."""

    passes: int = 3
    memory: int = 64 * 1024  # KiB
    lanes: int = 4


# A file that somebody else wrote must not keep this process busy for hours, nor make a password cheap to guess.
_DEAREST = Cost(16, 1024 * 1024, 16)


def from_passphrase(passphrase: bytes | bytearray, salt: bytes, cost: Cost) -> bytearray:
    """32 bytes. Raises Integrity for a cost below the recommended one, or out of all proportion."""
    if any(not least <= given <= most for least, given, most in zip(Cost(), cost, _DEAREST, strict=True)):
        raise Integrity(f"the cost of a passphrase is {tuple(cost)}, which nobody here would have chosen")
    key = bytearray(_KEY)
    Argon2id(salt=salt, length=_KEY, iterations=cost.passes, lanes=cost.lanes, memory_cost=cost.memory).derive_into(
        passphrase, key)  # type: ignore[arg-type]  # any buffer will do, whatever its stub says
    return key


def from_random(secret: bytes | bytearray, salt: bytes, purpose: str) -> bytearray:
    """32 bytes for `purpose` out of a secret that nobody can guess."""
    key = bytearray(_KEY)
    HKDF(algorithm=hashes.SHA256(), length=_KEY, salt=salt, info=purpose.encode()).derive_into(secret, key)
    return key
