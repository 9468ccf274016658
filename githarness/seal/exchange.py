"""A box that everybody can close for a public key of X25519 and only its private key opens.

    ephemeral public key (32) | nonce | ciphertext | tag

The key is HKDF-SHA256 of the shared secret, salted with both public keys.
"""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

from githarness.errors import Integrity
from githarness.seal import aead, kdf

_PUBLIC = 32
_PURPOSE = "githarness-vault box 1"


def public_of(private: bytes | bytearray) -> bytes:
    return X25519PrivateKey.from_private_bytes(private).public_key().public_bytes_raw()


def close(public: bytes, content: bytes | bytearray, aad: bytes) -> bytes:
    """Raises Integrity for what is no public key."""
    once = X25519PrivateKey.generate()
    mine = once.public_key().public_bytes_raw()
    key = _key(once, public, mine + public)
    return mine + aead.encrypt(key, content, aad)


def open_(private: bytes | bytearray, box: bytes, aad: bytes) -> bytearray:
    """Raises Integrity where it does not open."""
    mine = X25519PrivateKey.from_private_bytes(private)
    public, sealed = box[:_PUBLIC], box[_PUBLIC:]
    content = bytearray(max(len(sealed) - aead.OVERHEAD, 0))
    aead.decrypt_into(_key(mine, public, public + mine.public_key().public_bytes_raw()), sealed, aad, content)
    return content


def _key(mine: X25519PrivateKey, other: bytes, both: bytes) -> bytearray:
    try:
        shared = mine.exchange(X25519PublicKey.from_public_bytes(other))
    except ValueError as error:
        raise Integrity("a public key of X25519 is malformed") from error
    return kdf.from_random(shared, both, _PURPOSE)
