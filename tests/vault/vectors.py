"""The fixed secrets of docs/vault-format.md and the files that they give; run as a script, it prints them."""

from __future__ import annotations

import base64
import sys

from githarness.seal import keys
from githarness.seal.keys import KeySigner
from githarness.vault import record
from githarness.vault.record import Header

SEED = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")  # RFC 8032, test 1
KEK = bytes(range(32))
NONCE = bytes(range(12))
VALUE = b"correct-horse-battery-staple"
_PKCS8 = bytes.fromhex("302e020100300506032b657004220420")


def signer(seed: bytes = SEED) -> KeySigner:
    coded = base64.b64encode(_PKCS8 + seed).decode()
    return KeySigner(keys.load(f"-----BEGIN PRIVATE KEY-----\n{coded}\n-----END PRIVATE KEY-----\n".encode()))


def header(**changed: object) -> Header:
    fields: dict[str, object] = {
        "name": "github/deploy-token", "vault": "v-01j2x7k3m9q4v8b2n6t0", "version": 3, "writer": signer().public,
        "time": "2026-01-02T03:04:05Z", "kek": record.kek_id(KEK), "modes": ("proxy",), "hosts": ("api.github.com",),
        "header": record.BEARER}
    return Header(**{**fields, **changed})  # type: ignore[arg-type]


def live() -> bytes:
    return record.build(header(), VALUE, KEK, signer(), nonce=NONCE)


def removed() -> bytes:
    gone = header(version=4, state="removed", kek="", modes=(), hosts=(), header="")
    return record.build(gone, b"", b"", signer())


def marker() -> bytes:
    return record.build_marker("v-01j2x7k3m9q4v8b2n6t0", signer())


if __name__ == "__main__":
    sys.stdout.write("\n".join(data.decode() for data in (live(), removed(), marker())))
