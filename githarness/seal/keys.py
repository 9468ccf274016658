"""Private keys: made, read, written and put to use as a Signer; in OpenSSH's own file format and in PEM."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass, field

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from githarness.errors import Integrity, Unavailable
from githarness.seal import public as public_keys
from githarness.seal import sshsig, wire

_BEGIN = b"-----BEGIN OPENSSH PRIVATE KEY-----"
_END = b"-----END OPENSSH PRIVATE KEY-----"
_MAGIC = b"openssh-key-v1\0"
_Raw = ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
_EC_HASHES = {256: hashes.SHA256(), 384: hashes.SHA384(), 521: hashes.SHA512()}


@dataclass(frozen=True, slots=True)
class PrivateKey:
    public: str  # TYPE BASE64
    _raw: _Raw = field(repr=False, compare=False)

    def sign(self, data: bytes) -> bytes:
        """SSH's signature blob over the bytes themselves (RFC 8709, RFC 5656, RFC 8332)."""
        if isinstance(self._raw, ed25519.Ed25519PrivateKey):
            return wire.string(b"ssh-ed25519") + wire.string(self._raw.sign(data))
        if isinstance(self._raw, rsa.RSAPrivateKey):
            return wire.string(b"rsa-sha2-512") + wire.string(self._raw.sign(data, padding.PKCS1v15(), hashes.SHA512()))
        r, s = decode_dss_signature(self._raw.sign(data, ec.ECDSA(_EC_HASHES[self._raw.curve.key_size])))
        return wire.string(self.public.split()[0].encode()) + wire.string(wire.mpint(r) + wire.mpint(s))

    def to_pem(self) -> bytes:
        """Unencrypted, in OpenSSH's format: for a file of mode 0600 in a folder of mode 0700."""
        return self._raw.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption())


class KeySigner:
    """A Signer over a private key in this process's memory."""

    def __init__(self, key: PrivateKey) -> None:
        self.public = key.public
        self._key = key
        self._heads: dict[str, bytes] = {}

    def sign(self, message: bytes, namespace: str) -> str:
        head = self._heads.get(namespace)
        if head is None:
            head = self._heads[namespace] = sshsig.head(public_keys.blob_of(self.public), namespace)
        return sshsig.armor(head + wire.string(self._key.sign(sshsig.to_sign(message, namespace))))

    def sign_plain(self, message: bytes) -> bytes:
        """The signature over the bytes themselves, without SSH's names around it: 64 bytes of Ed25519."""
        fields = wire.Reader(self._key.sign(message), "a signature")
        fields.string()
        return fields.string()


def generate() -> PrivateKey:
    return _wrap(ed25519.Ed25519PrivateKey.generate())


def fingerprint(public: str) -> str:
    """`SHA256:…` as ssh-keygen prints it."""
    return public_keys.fingerprint(public)


def load(pem: bytes, passphrase: bytes | None = None) -> PrivateKey:
    """Raises Unavailable where the passphrase is missing or wrong, Integrity for what is no usable key."""
    if is_encrypted(pem) and passphrase is None:
        raise Unavailable("a private key is encrypted", fix="ssh-add FILE, then repeat")
    public_of(pem)  # refuses the types that do not sign here
    reader = serialization.load_ssh_private_key if _BEGIN in pem else serialization.load_pem_private_key
    try:
        raw = reader(pem, passphrase if is_encrypted(pem) else None)
    except UnsupportedAlgorithm as error:
        raise Unavailable(f"a private key needs what is not here: {error}", fix="ssh-add FILE, then repeat") from error
    except (ValueError, TypeError) as error:
        if passphrase is not None:
            raise Unavailable("a private key does not open with this passphrase", fix="repeat with it") from error
        raise Integrity("a file is not a private key of SSH", fix="ssh-keygen -t ed25519 makes one") from error
    if not isinstance(raw, _Raw):
        raise Integrity("a private key is of a type that does not sign here", fix="use a key of type ed25519")
    return _wrap(raw)


def is_encrypted(pem: bytes) -> bool:
    if _BEGIN not in pem:
        return b"ENCRYPTED" in pem[:1024]
    return _openssh_head(pem)[0] != b"none"


def public_of(pem: bytes) -> str | None:
    """The public key of a file that is encrypted, without opening it; only OpenSSH's own format tells it."""
    return public_keys.line(public_keys.of_blob(_openssh_head(pem)[1])) if _BEGIN in pem else None


def _openssh_head(pem: bytes) -> tuple[bytes, bytes]:
    """The cipher's name and the public key of the first lines of OpenSSH's PROTOCOL.key."""
    coded = pem.partition(_BEGIN)[2].partition(_END)[0]
    try:
        blob = base64.b64decode(coded)
    except binascii.Error as error:
        raise Integrity("a private key's file is damaged") from error
    fields = wire.Reader(blob, "a private key's file")
    if fields.take(len(_MAGIC)) != _MAGIC:
        raise Integrity("a private key's file is damaged")
    cipher, _kdf, _options = (fields.string() for _ in range(3))
    if fields.uint32() != 1:
        raise Integrity("a private key's file does not hold exactly one key")
    return cipher, fields.string()


def _wrap(raw: _Raw) -> PrivateKey:
    text = raw.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH).decode()
    return PrivateKey(public_keys.line(text), raw)
