"""The port to a private key that somebody holds: a key file or ssh-agent today, the vault later."""

from __future__ import annotations

from typing import Protocol


class Signer(Protocol):
    @property
    def public(self) -> str:
        """Type and base 64, no comment: `ssh-ed25519 AAAA…`."""

    def sign(self, message: bytes, namespace: str) -> str:
        """An armoured SSHSIG over `message`, ending in LF. Raises Unavailable where the key cannot be used now."""
