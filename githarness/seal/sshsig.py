"""SSHSIG: signatures as `ssh-keygen -Y sign` makes them (OpenSSH's PROTOCOL.sshsig).

    "SSHSIG" uint32(1) string(public key) string(namespace) string("") string("sha512") string(signature)

is armoured in lines of 70 characters of base 64. Signed is "SSHSIG" string(namespace) string("") string("sha512")
string(SHA-512 of the message). Accepted is exactly what this form gives, so that no other text passes for it;
where OpenSSH would also take sha256 as the hash, so does `verify`.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from functools import lru_cache
from typing import NamedTuple

from githarness.errors import Integrity
from githarness.seal import public, wire

BEGIN = "-----BEGIN SSH SIGNATURE-----"
END = "-----END SSH SIGNATURE-----"
_MAGIC = b"SSHSIG"
_VERSION = 1
_WIDTH = 70  # as ssh-keygen wraps
_LONGEST = 16384  # characters of armour; RSA with 16384 bits takes 6,000
# The last string of a signature by such a key: its length, the algorithm, and the length of 64 bytes.
_ED25519 = wire.string(wire.string(b"ssh-ed25519") + wire.string(b"\0" * 64))[:-64]
_HASHES = {b"sha256": hashlib.sha256, b"sha512": hashlib.sha512}


def to_sign(message: bytes, namespace: str, hash_name: bytes = b"sha512") -> bytes:
    """The bytes that the private key signs."""
    digest = _HASHES[hash_name](message).digest()
    return _MAGIC + wire.string(namespace.encode()) + wire.string(b"") + wire.string(hash_name) + wire.string(digest)


def head(public_blob: bytes, namespace: str) -> bytes:
    """All of the signature's blob that stands before the signature itself: the same for every message."""
    fields = (public_blob, namespace.encode(), b"", b"sha512")
    return _MAGIC + _VERSION.to_bytes(4, "big") + b"".join(map(wire.string, fields))


def armor(blob: bytes) -> str:
    text = base64.b64encode(blob).decode()
    return "\n".join((BEGIN, *(text[at : at + _WIDTH] for at in range(0, len(text), _WIDTH)), END, ""))


def verify(armored: str, message: bytes, namespace: str) -> str:
    """The public key line of whoever signed `message` for `namespace`. Raises Integrity, whatever is wrong."""
    blob = _dearmor(armored)
    if blob[-len(_ED25519) - 64 : -64] == _ED25519:  # what stands before it is the same for all that a key signs
        signer, hash_name = _parsed_head(blob[: -len(_ED25519) - 64], namespace)
        signature = blob[4 - len(_ED25519) - 64 :]
    else:
        signature = _last_string(blob)
        signer, hash_name = _parsed_head(blob[: len(blob) - 4 - len(signature)], namespace)
    signer.check(signature, to_sign(message, namespace, hash_name))
    return signer.public


class _Signer(NamedTuple):
    public: str
    check: public.Check


def _last_string(blob: bytes) -> bytes:
    reader = wire.Reader(blob, "a signature")
    reader.take(len(_MAGIC) + 4)
    signature = [reader.string() for _ in range(5)][-1]
    reader.end()
    return signature


@lru_cache(maxsize=1024)
def _parsed_head(data: bytes, namespace: str) -> tuple[_Signer, bytes]:
    """Who signs, and with which hash. Raises Integrity."""
    reader = wire.Reader(data, "a signature")
    if reader.take(len(_MAGIC)) != _MAGIC or reader.uint32() != _VERSION:
        raise Integrity("a signature is not of version 1 of SSHSIG")
    key, named, reserved, hash_name = (reader.string() for _ in range(4))
    reader.end()
    if named != namespace.encode():
        raise Integrity(f"a signature was made for '{named[:40].decode('ascii', 'replace')}', not for '{namespace}'")
    if reserved or hash_name not in _HASHES:
        raise Integrity("a signature has a hash or a field that is not used here")
    return _Signer(public.of_blob(key), public.checker(key)), hash_name


def _dearmor(armored: str) -> bytes:
    if len(armored) > _LONGEST:
        raise Integrity("a signature is too long")
    body = armored.removeprefix(BEGIN).removesuffix(END + "\n").replace("\n", "")
    try:
        blob = base64.b64decode(body, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Integrity("a signature is not an armoured SSH signature") from error
    if armor(blob) != armored:
        raise Integrity("the armour of a signature is not as ssh-keygen writes it")
    return blob
