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

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from githarness.errors import Integrity
from githarness.seal import wire

Check = Callable[[bytes, bytes], None]  # (SSH signature blob, data); raises Integrity

SK_ED25519 = "sk-ssh-ed25519@openssh.com"
KINDS = ("ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "ssh-rsa", SK_ED25519)
_RSA_HASHES = {b"rsa-sha2-256": hashes.SHA256(), b"rsa-sha2-512": hashes.SHA512()}
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
    kind = wire.Reader(blob, "a public key").string()
    return f"{kind.decode('ascii', 'replace')} {base64.b64encode(blob).decode()}"


def fingerprint(public: str) -> str:
    """`SHA256:…` as ssh-keygen prints it."""
    digest = hashlib.sha256(blob_of(public)).digest()
    return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")


@lru_cache(maxsize=1024)
def checker(blob: bytes) -> Check:
    """What tells a good signature by this key. Raises Integrity for a key that is not used here."""
    kind = wire.Reader(blob, "a public key").string().decode("ascii", "replace")
    if kind == SK_ED25519:
        return _sk_ed25519(blob)
    key = _load(kind, blob)
    if isinstance(key, ed25519.Ed25519PublicKey):
        return _ed25519(key)
    if isinstance(key, ec.EllipticCurvePublicKey):
        return _ecdsa(kind.encode(), key)
    if isinstance(key, rsa.RSAPublicKey) and key.key_size >= _LEAST_RSA_BITS:
        return _rsa(key)
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


def _parts(signature: bytes) -> tuple[bytes, wire.Reader]:
    reader = wire.Reader(signature, "a signature")
    return reader.string(), reader


def _refuse(algorithm: bytes) -> Integrity:
    return Integrity(f"a signature by '{algorithm[:40].decode('ascii', 'replace')}' does not fit its key")


def _bad() -> Integrity:
    return Integrity("a signature is not good: it does not fit the key and the content")


def _ed25519(key: ed25519.Ed25519PublicKey) -> Check:
    def check(signature: bytes, data: bytes) -> None:
        algorithm, reader = _parts(signature)
        raw = reader.string()
        reader.end()
        if algorithm != b"ssh-ed25519":
            raise _refuse(algorithm)
        try:
            key.verify(raw, data)
        except InvalidSignature:
            raise _bad() from None

    return check


def _ecdsa(kind: bytes, key: ec.EllipticCurvePublicKey) -> Check:
    algorithm_of_hash = ec.ECDSA(_EC_HASHES[key.curve.key_size])

    def check(signature: bytes, data: bytes) -> None:
        algorithm, reader = _parts(signature)
        numbers = wire.Reader(reader.string(), "a signature")
        reader.end()
        r, s = numbers.mpint(), numbers.mpint()
        numbers.end()
        if algorithm != kind:
            raise _refuse(algorithm)
        try:
            key.verify(encode_dss_signature(r, s), data, algorithm_of_hash)
        except InvalidSignature:
            raise _bad() from None

    return check


def _rsa(key: rsa.RSAPublicKey) -> Check:
    def check(signature: bytes, data: bytes) -> None:
        algorithm, reader = _parts(signature)
        raw = reader.string()
        reader.end()
        if algorithm not in _RSA_HASHES:
            raise _refuse(algorithm)
        try:
            key.verify(raw, data, padding.PKCS1v15(), _RSA_HASHES[algorithm])
        except InvalidSignature:
            raise _bad() from None

    return check


def _sk_ed25519(blob: bytes) -> Check:
    """A key on a FIDO token (PROTOCOL.u2f): it signs hashes of its application and of the data, flags and a counter."""
    fields = wire.Reader(blob, "a public key")
    fields.string()
    raw_key, application = fields.string(), fields.string()
    fields.end()
    if len(raw_key) != 32:
        raise Integrity(f"a public key of type '{SK_ED25519}' is malformed")
    key = ed25519.Ed25519PublicKey.from_public_bytes(raw_key)

    def check(signature: bytes, data: bytes) -> None:
        algorithm, reader = _parts(signature)
        raw, flags_and_counter = reader.string(), reader.take(5)
        reader.end()
        if algorithm != SK_ED25519.encode():
            raise _refuse(algorithm)
        signed = hashlib.sha256(application).digest() + flags_and_counter + hashlib.sha256(data).digest()
        try:
            key.verify(raw, signed)
        except InvalidSignature:
            raise _bad() from None

    return check
