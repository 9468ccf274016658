"""Ed25519 over bytes as they are (RFC 8032), by keys in SSH's form: what signed notes carry.

A note begins with the name of its log and a commit's signature with `SSHSIG`: neither passes for the other.
"""

from __future__ import annotations

from githarness.errors import Integrity
from githarness.seal import public, wire

_KIND = b"ssh-ed25519"


def verify(key: str, data: bytes, signature: bytes) -> None:
    """Raises Integrity. `key`: `ssh-ed25519 BASE64`."""
    raw_key(key)
    public.checker(public.blob_of(key))(wire.string(_KIND) + wire.string(signature), data)


def raw_key(key: str) -> bytes:
    """The 32 bytes of an Ed25519 key. Raises Integrity for one of another type."""
    fields = wire.Reader(public.blob_of(key), "a public key")
    if fields.string() != _KIND:
        raise Integrity("the key of an audit log is not of type ssh-ed25519")
    return fields.string()
