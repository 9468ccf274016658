"""What opens a vault without a person: the keyfile, systemd's credential, a passphrase's file, the OS keyring.

`vault lock` puts a file beside the keys; while it is there nothing is offered.
"""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from githarness import private
from githarness.errors import HarnessError, NotFound, Unavailable, Usage, VaultLocked
from githarness.settings import Settings
from githarness.vault import folder as places
from githarness.vault import keyslots
from githarness.vault.keyslots import Offer, Slot

CREDENTIAL = "githarness-vault"
_LOCKED = "locked"
_LARGEST = 64 * 1024
_RANDOM = 32
_LEAST_PASSPHRASE = 8
_WAIT = 2.0  # seconds; a keyring that waits for a person at a screen is none for a cron job
_ASK = "import sys, keyring; sys.stdout.write(keyring.get_password('githarness-vault', sys.argv[1]) or '')"
_TELL = "import sys, keyring; keyring.set_password('githarness-vault', sys.argv[1], sys.stdin.read())"


def automatic(place: Path, settings: Settings) -> Iterator[Offer]:
    """Offers for the slots of these keys, the cheap ones first. After the last one, raises what was wrong with any."""
    if is_locked(place):
        raise VaultLocked("the vault was locked by githarness vault lock", fix="githarness vault unlock")
    problem: HarnessError | None = None
    for slot in sorted(keyslots.load(place).slots, key=lambda slot: _ORDER.index(slot.kind)):
        try:
            secret = _secret(slot, place, settings)
        except NotFound as error:
            problem = problem or VaultLocked(error.message, fix=error.fix)
            continue
        except HarnessError as error:
            problem = problem or error
            continue
        if secret:
            yield Offer(slot.kind, secret)
    if problem:
        raise problem


_ORDER = ("keyfile", "systemd", "passphrase", "keyring")


def is_locked(place: Path) -> bool:
    return os.path.lexists(place / _LOCKED)


def lock(place: Path) -> None:
    """Raises NotFound where this machine has no keys of the vault."""
    keyslots.load(place)
    private.write(place, _LOCKED, b"")


def release(place: Path) -> None:
    """Raises NotFound where this machine has no keys of the vault."""
    keyslots.load(place)
    (place / _LOCKED).unlink(missing_ok=True)
    private.sync_folder(place)


def from_file(settings: Settings, kind: str, file: Path) -> Offer:
    """What a file of one's own offers. Raises NotFound, Unavailable where it could be anybody's."""
    places.check_outside(settings, file)
    private.check_above(file)
    try:
        data = private.read(file, _LARGEST)
    except FileNotFoundError:
        raise NotFound(f"there is no {kind} at '{file}'",
                       fix="mount the disk that it is on, or githarness vault unlock") from None
    if kind == "passphrase":
        return passphrase(data.removesuffix(b"\n").removesuffix(b"\r"))
    return Offer(kind, data)


def passphrase(data: bytes | bytearray) -> Offer:
    """Raises Usage for what everybody guesses."""
    if len(data) < _LEAST_PASSPHRASE:
        raise Usage(f"a passphrase has {_LEAST_PASSPHRASE} characters or more", fix="choose a sentence")
    return Offer("passphrase", data)


def made_file(settings: Settings, kind: str, file: Path) -> Offer:
    """The same; the file is made, 0600, with a secret that nobody can guess, where it is not there."""
    if not os.path.lexists(file):
        places.check_outside(settings, file)
        private.check_above(file)
        private.write(file.parent, file.name, secrets.token_hex(_RANDOM).encode() + b"\n")
    return from_file(settings, kind, file)


def made_in_keyring(settings: Settings, vault: str) -> Offer:
    """A new secret in the keyring of the operating system. Raises Unavailable where there is none that answers."""
    secret = secrets.token_hex(_RANDOM)
    if _child(settings, _TELL, vault, secret) is None:
        raise Unavailable("the keyring of this system took no secret",
                          fix="pip install keyring, unlock it, then repeat; or use --add-keyfile")
    return Offer("keyring", secret.encode())


def _secret(slot: Slot, place: Path, settings: Settings) -> bytes | bytearray:
    """Empty where nothing is offered without a person."""
    if slot.kind == "systemd":
        given = settings.environ.get("CREDENTIALS_DIRECTORY")
        return _credential(Path(given) / CREDENTIAL) if given else b""
    if slot.kind == "keyring":
        return (_child(settings, _ASK, place.name, "") or "").encode()
    return from_file(settings, slot.kind, Path(slot.file)).secret if slot.file else b""


def _credential(file: Path) -> bytes:
    try:
        return private.read(file, _LARGEST)
    except FileNotFoundError:
        return b""


def _child(settings: Settings, code: str, vault: str, given: str) -> str | None:
    """What a program of ours prints in a process of its own: a keyring may hang, or load what it likes."""
    try:
        done = subprocess.run([sys.executable, "-P", "-c", code, vault], input=given, capture_output=True, text=True,
                              timeout=_WAIT, check=False, env=dict(settings.environ), cwd="/")
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None
