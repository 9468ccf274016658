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

from githarness.errors import Integrity
from githarness.seal import public, wire

BEGIN = "-----BEGIN SSH SIGNATURE-----"
END = "-----END SSH SIGNATURE-----"
_MAGIC = b"SSHSIG"
_VERSION = 1
_WIDTH = 70  # as ssh-keygen wraps
_LONGEST = 16384  # characters of armour; RSA with 16384 bits takes 6,000
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
    lines = [text[at : at + _WIDTH] for at in range(0, len(text), _WIDTH)]
    return "\n".join((BEGIN, *lines, END, ""))


def verify(armored: str, message: bytes, namespace: str) -> str:
    """The public key line of whoever signed `message` for `namespace`. Raises Integrity, whatever is wrong."""
    reader = wire.Reader(_dearmor(armored), "a signature")
    if reader.take(len(_MAGIC)) != _MAGIC or reader.uint32() != _VERSION:
        raise Integrity("a signature is not of version 1 of SSHSIG")
    key, named, reserved, hash_name, signature = (reader.string() for _ in range(5))
    reader.end()
    if named != namespace.encode():
        raise Integrity(f"a signature was made for '{named[:40].decode('ascii', 'replace')}', not for '{namespace}'")
    if reserved or hash_name not in _HASHES:
        raise Integrity("a signature has a hash or a field that is not used here")
    public.checker(key)(signature, to_sign(message, namespace, hash_name))
    return public.of_blob(key)


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
