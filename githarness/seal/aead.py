"""AES-256-GCM over a nonce of 12 random bytes: `nonce | ciphertext | tag`.

Under one key at most 2^32 messages may be sealed so; a vault makes a few a day.
"""

from __future__ import annotations

import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from githarness.errors import Integrity

KEY = 32
_NONCE = 12
Buffer = bytes | bytearray | memoryview
OVERHEAD = _NONCE + 16


def encrypt(key: Buffer, data: Buffer, aad: bytes, *, nonce: bytes | None = None) -> bytes:
    """`nonce`: for test vectors alone."""
    nonce = nonce or os.urandom(_NONCE)
    return nonce + AESGCM(key).encrypt(nonce, data, aad)


def decrypt_into(key: Buffer, sealed: bytes, aad: bytes, buffer: Buffer) -> int:
    """How many bytes now stand at the beginning of the writable `buffer`, and nowhere else in this process.

    Raises Integrity where key, additional data or content are not those that were sealed.
    """
    size = len(sealed) - OVERHEAD
    view = memoryview(buffer)
    if size < 0 or len(view) < size:
        raise Integrity("what was sealed is cut short, or larger than its place")
    try:
        return AESGCM(key).decrypt_into(sealed[:_NONCE], sealed[_NONCE:], aad, view[:size])
    except InvalidTag:
        raise Integrity("what was sealed does not open: another key, or it was changed") from None
