"""Fernet, as other stores of credentials use it: read here, never written."""

from __future__ import annotations

from cryptography.fernet import Fernet, InvalidToken

from githarness.errors import Integrity


def opened(key: bytes, token: bytes) -> bytes:
    """Raises Integrity where it is no key, or not the one that it was sealed with."""
    try:
        return Fernet(key.strip()).decrypt(token)
    except (ValueError, InvalidToken) as error:
        raise Integrity("what was sealed by Fernet does not open with this key") from error
