"""Public keys of SSH and what each one's signatures look like: the algorithms that a signature may have here.

ssh-ed25519, ecdsa-sha2-nistp256/384/521, ssh-rsa of 2048 bits and more (signing with rsa-sha2-256 or -512 only, never
SHA-1) and sk-ssh-ed25519@openssh.com. DSA, certificates and everything else are refused.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from githarness.errors import Integrity
from githarness.seal import wire

Check = Callable[[bytes, bytes], None]  # (SSH signature blob, data); raises Integrity

SK_ED25519 = "sk-ssh-ed25519@openssh.com"
KINDS = ("ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "ssh-rsa", SK_ED25519)
_RSA_HASHES = {"rsa-sha2-256": hashes.SHA256(), "rsa-sha2-512": hashes.SHA512()}
_EC_HASHES = {256: hashes.SHA256(), 384: hashes.SHA384(), 521: hashes.SHA512()}
_LEAST_RSA_BITS = 2048
_MOST_BYTES = 4096  # a public key of RSA with 16384 bits takes 2 kB


def line(text: str) -> str:
    """`TYPE BASE64` of a line that may go on with a comment, checked. Raises Integrity."""
    words = text.split()
    if len(words) < 2:
        raise Integrity("a public key is not of the form 'TYPE BASE64'", fix="paste the content of the .pub file")
    blob = blob_of(f"{words[0]} {words[1]}")
    checker(blob)
    return of_blob(blob)


def blob_of(public: str) -> bytes:
    """The bytes that a line `TYPE BASE64` carries; the type stands in both."""
    kind, _, coded = public.partition(" ")
    try:
        blob = base64.b64decode(coded, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Integrity(f"the public key '{coded[:24]}' is not base 64") from error
    if kind not in KINDS or of_blob(blob) != public:
        raise Integrity(f"'{kind[:40]}' is not a type of key that signs here, or the key is not of that type",
                        fix="use a key of type " + ", ".join(KINDS))
    return blob


def of_blob(blob: bytes) -> str:
    return f"{wire.Reader(blob, 'a public key').string().decode('ascii', 'replace')} {base64.b64encode(blob).decode()}"


def fingerprint(public: str) -> str:
    """`SHA256:…` as ssh-keygen prints it."""
    return "SHA256:" + base64.b64encode(hashlib.sha256(blob_of(public)).digest()).decode().rstrip("=")


@lru_cache(maxsize=1024)
def checker(blob: bytes) -> Check:
    """What tells a good signature by this key. Raises Integrity for a key that is not used here."""
    kind = wire.Reader(blob, "a public key").string().decode("ascii", "replace")
    if kind == SK_ED25519:
        return _check((kind,), _sk_ed25519(blob), tail=5)
    key = _load(kind, blob)
    if isinstance(key, ed25519.Ed25519PublicKey):
        return _check((kind,), lambda signed: key.verify(signed.raw, signed.data))
    if isinstance(key, ec.EllipticCurvePublicKey):
        return _check((kind,), _ecdsa(key))
    if isinstance(key, rsa.RSAPublicKey) and key.key_size >= _LEAST_RSA_BITS:
        return _check(tuple(_RSA_HASHES), lambda signed: key.verify(
            signed.raw, signed.data, padding.PKCS1v15(), _RSA_HASHES[signed.algorithm]))
    raise Integrity(f"a key of type '{kind[:40]}' of this size does not sign here")


def _load(kind: str, blob: bytes) -> object:
    if kind not in KINDS or len(blob) > _MOST_BYTES:
        raise Integrity(f"a key of type '{kind[:40]}' does not sign here", fix="use a key of type " + ", ".join(KINDS))
    text = of_blob(blob).encode()
    try:
        key = serialization.load_ssh_public_key(text)
        plain = key.public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    except (ValueError, NotImplementedError, UnsupportedAlgorithm) as error:
        raise Integrity(f"a public key of type '{kind}' is malformed") from error
    if plain != text:
        raise Integrity(f"a public key of type '{kind}' is not in its plain form")
    return key


class _Signed(NamedTuple):
    algorithm: str
    raw: bytes
    tail: bytes
    data: bytes


def _check(algorithms: tuple[str, ...], verify: Callable[[_Signed], None], tail: int = 0) -> Check:
    """Takes a signature blob apart: string(algorithm) string(signature), and `tail` bytes more."""

    def check(signature: bytes, data: bytes) -> None:
        reader = wire.Reader(signature, "a signature")
        signed = _Signed(reader.string().decode("ascii", "replace"), reader.string(), reader.take(tail), data)
        reader.end()
        if signed.algorithm not in algorithms:
            raise Integrity(f"a signature by '{signed.algorithm[:40]}' does not fit its key")
        try:
            verify(signed)
        except InvalidSignature:
            raise Integrity("a signature is not good: it does not fit the key and the content") from None

    return check


def _ecdsa(key: ec.EllipticCurvePublicKey) -> Callable[[_Signed], None]:
    algorithm = ec.ECDSA(_EC_HASHES[key.curve.key_size])

    def verify(signed: _Signed) -> None:
        numbers = wire.Reader(signed.raw, "a signature")
        r, s = numbers.mpint(), numbers.mpint()
        numbers.end()
        key.verify(encode_dss_signature(r, s), signed.data, algorithm)

    return verify


def _sk_ed25519(blob: bytes) -> Callable[[_Signed], None]:
    """A key on a FIDO token (PROTOCOL.u2f): it signs hashes of its application and of the data, flags and a counter."""
    fields = wire.Reader(blob, "a public key")
    _, raw, application = fields.string(), fields.string(), fields.string()
    fields.end()
    if len(raw) != 32:
        raise Integrity(f"a public key of type '{SK_ED25519}' is malformed")
    key = ed25519.Ed25519PublicKey.from_public_bytes(raw)

    def verify(signed: _Signed) -> None:
        parts = hashlib.sha256(application).digest(), signed.tail, hashlib.sha256(signed.data).digest()
        key.verify(signed.raw, b"".join(parts))

    return verify
