"""Agents' signing keys behind the vault: under a key of their own, so that a locked vault does not stop writes.

    DATA_DIR/vault/ID/signing/
      keyslots.json, keyfile   as a vault's; this slot opens without a person, whatever locks the vault
      FINGERPRINT              `githarness-signing 1` LF PUBLIC KEY LF LF, and the key: nonce | ciphertext | tag

The head is the additional data. `/` and `+` of a fingerprint are `_` and `-`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from githarness import private
from githarness.errors import Integrity, VaultLocked
from githarness.seal import aead
from githarness.seal import public as public_keys
from githarness.settings import Settings
from githarness.vault import keyslots, opening
from githarness.vault.keyslots import Keyslots, Slot

FOLDER = "signing"
_HEAD = b"githarness-signing 1\n"
_LARGEST = 64 * 1024


def put(settings: Settings, place: Path, public: str, pem: bytes) -> None:
    """On disk before this returns. `place`: the folder of the vault's keys."""
    folder = place / FOLDER
    private.make_folders(folder)
    if not os.path.lexists(folder / keyslots.FILE):
        offer = opening.made_file(settings, "keyfile", folder / "keyfile")
        slot = Slot.new(offer, file=str(folder / "keyfile"))
        keyslots.save(folder, Keyslots(FOLDER, (slot,)).with_kek(bytearray(os.urandom(aead.KEY))))
    head = _HEAD + public.encode() + b"\n\n"
    private.write(folder, _name(public), head + aead.encrypt(_key(settings, folder), pem, head))


def load(settings: Settings, place: Path, room: Callable[[int], memoryview]) -> Iterator[tuple[str, memoryview]]:
    """Every key that is kept here, its private part in what `room` gives. Raises VaultLocked, Integrity."""
    folder = place / FOLDER
    if not os.path.lexists(folder / keyslots.FILE):
        return
    private.check_folder(folder)
    key = _key(settings, folder)
    for path in sorted(folder.iterdir()):
        if path.name.startswith("SHA256:"):
            public, view = _opened(path, key, room)
            yield public, view


def remove(place: Path, public: str) -> None:
    (place / FOLDER / _name(public)).unlink(missing_ok=True)
    private.sync_folder(place / FOLDER)


def stamp(place: Path) -> int:
    """Changes when a key comes or goes."""
    try:
        return os.stat(place / FOLDER).st_mtime_ns
    except FileNotFoundError:
        return 0


def _opened(path: Path, key: bytearray, room: Callable[[int], memoryview]) -> tuple[str, memoryview]:
    data = private.read(path, _LARGEST)
    head, blank, sealed = data.partition(b"\n\n")
    public = head.removeprefix(_HEAD).decode("ascii", "replace")
    if not blank or not head.startswith(_HEAD) or _name(public) != path.name:
        raise Integrity(f"'{path}' is no key that was kept there", fix="put a backup of it back")
    view = room(len(sealed))
    return public, view[: aead.decrypt_into(key, sealed, head + blank, view)]


def _key(settings: Settings, folder: Path) -> bytearray:
    for offer in opening.automatic(folder, settings):
        keks = keyslots.unlock(folder, [offer])
        return keks[keyslots.load(folder).current]
    raise VaultLocked(f"nothing opens the keys of '{folder}'", fix=f"look at {folder / 'keyfile'}")


def _name(public: str) -> str:
    return public_keys.fingerprint(public).replace("/", "_").replace("+", "-")
