"""The vault's keys on this machine: `keyslots.json`, where each key (KEK) lies in a box for each slot.

    {"version": 1, "vault": ID, "repository": where it was made, "origin": a commit of it,
     "slots": [{"kind", "public": X25519 public key, "salt", "cost"?: [passes, KiB, lanes], "file"?: where it lies}],
     "keks": [{"kek": 16 hex, "current": bool, "boxes": [one for each slot]}]}

Bytes are base 64. A slot's secret gives an X25519 key (Argon2id for a passphrase, HKDF for the random ones); a new KEK
is boxed to the public keys, so that it needs nobody's secret. Nothing here ever makes a vault in place of one that
does not load.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from githarness import canon, flock, private
from githarness.errors import Integrity, NotFound, Unavailable, VaultLocked
from githarness.seal import exchange, kdf
from githarness.vault import record

KINDS = ("keyfile", "keyring", "passphrase", "systemd")
FILE = "keyslots.json"
_VERSION = 1
_LARGEST = 1 << 20
_SALT = 16
_LEAST_SECRET = 32  # bytes of a secret that is not stretched


@dataclass(frozen=True, slots=True)
class Offer:
    """A secret that may open a slot of its kind."""

    kind: str
    secret: bytes | bytearray = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class Slot:
    kind: str
    public: bytes
    salt: bytes
    cost: kdf.Cost | None = None  # of a passphrase
    file: str = ""  # where a keyfile or the file of a passphrase lies

    @classmethod
    def new(cls, offer: Offer, *, file: str = "") -> Slot:
        salt = os.urandom(_SALT)
        cost = kdf.Cost() if offer.kind == "passphrase" else None
        return cls(offer.kind, exchange.public_of(_private(offer, salt, cost)), salt, cost, file)


@dataclass(frozen=True, slots=True)
class Kek:
    id: str
    boxes: tuple[bytes, ...]  # one for each slot
    current: bool = True


@dataclass(frozen=True, slots=True)
class Keyslots:
    vault: str
    slots: tuple[Slot, ...] = ()
    keks: tuple[Kek, ...] = ()
    repository: str = ""  # the common git directory of the clone that made it
    origin: str = ""  # its head by then: they are for no repository whose history has not this commit

    @property
    def current(self) -> str:
        """The id of the KEK that new records are sealed with."""
        return next(kek.id for kek in self.keks if kek.current)

    def with_kek(self, kek: bytes | bytearray) -> Keyslots:
        """The same with this as the current KEK."""
        name = record.kek_id(kek)
        made = Kek(name, tuple(exchange.close(slot.public, kek, _aad(self.vault, name)) for slot in self.slots))
        return replace(self, keks=(*(replace(one, current=False) for one in self.keks), made))

    def with_slot(self, slot: Slot, keks: Mapping[str, bytearray]) -> Keyslots:
        """The same with one slot more; `keks`: all, as `unlock` gives them."""
        more = tuple(replace(kek, boxes=(*kek.boxes, exchange.close(slot.public, keks[kek.id], _aad(
            self.vault, kek.id)))) for kek in self.keks)
        return replace(self, slots=(*self.slots, slot), keks=more)

    def without(self, drop: Callable[[Slot], bool]) -> Keyslots:
        """The same without the slots that `drop` names. A KEK that they opened stays known to who had it: rekey."""
        kept = [number for number, slot in enumerate(self.slots) if not drop(slot)]
        keks = tuple(replace(kek, boxes=tuple(kek.boxes[number] for number in kept)) for kek in self.keks)
        return replace(self, slots=tuple(self.slots[number] for number in kept), keks=keks)

    def only(self, needed: set[str]) -> Keyslots:
        """The same with the KEKs that are needed, and the current one."""
        return replace(self, keks=tuple(kek for kek in self.keks if kek.current or kek.id in needed))


def load(folder: Path) -> Keyslots:
    """Raises NotFound where this machine has no keys of the vault, Integrity where they are damaged."""
    try:
        data = private.read(folder / FILE, _LARGEST)
    except FileNotFoundError:
        raise NotFound(f"this machine has no keys of vault '{folder.name}'",
                       fix=f"copy '{folder}' from where the vault was made, with its keyfile or passphrase") from None
    try:
        found = _parsed(json.loads(data))
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise Integrity(f"'{folder / FILE}' is damaged: put a backup of it back; nothing makes it anew",
                        fix="githarness restore-backup FILE") from error
    if found.vault != folder.name:
        raise Integrity(f"'{folder / FILE}' is of vault '{found.vault}'", fix=f"put the keys of '{folder.name}' there")
    return found


def save(folder: Path, keyslots: Keyslots) -> None:
    """On disk before this returns; readers see the old file or the new one."""
    try:
        private.write(folder, FILE, (json.dumps(_table(keyslots), indent=1, sort_keys=True) + "\n").encode())
    except OSError as error:
        raise Unavailable(f"'{folder / FILE}' cannot be written: {error.strerror}",
                          fix=f"make room in '{folder}', or let it be written to") from error


def changing(folder: Path) -> AbstractContextManager[None]:
    """A context: nobody else changes these keys meanwhile."""
    return flock.exclusive(folder / "lock", wait=30.0, what="the vault's keys")


def unlock(folder: Path, offered: Iterable[Offer]) -> dict[str, bytearray]:
    """Every KEK by its id, by the first offer that fits. Raises NotFound, VaultLocked, Integrity."""
    keyslots, tried = load(folder), ""
    for offer in offered:
        tried = offer.kind
        for number, slot in enumerate(keyslots.slots):
            if slot.kind != offer.kind:
                continue
            secret = _private(offer, slot.salt, slot.cost)
            if exchange.public_of(secret) == slot.public:
                return {kek.id: _opened(keyslots.vault, kek, secret, number) for kek in keyslots.keks}
    kinds = ", ".join(sorted({slot.kind for slot in keyslots.slots}))
    what = f"this {tried} does not open the vault" if tried else "nothing was offered that opens the vault"
    raise VaultLocked(f"{what}; it has slots for {kinds}", details={"slots": kinds},
                      fix="repeat the command with the right one" if tried else "githarness vault unlock")


def _opened(vault: str, kek: Kek, secret: bytearray, number: int) -> bytearray:
    opened = exchange.open_(secret, kek.boxes[number], _aad(vault, kek.id))
    if record.kek_id(opened) != kek.id:
        raise Integrity(f"the key '{kek.id}' of the vault is not the one that it is named for")
    return opened


def _private(offer: Offer, salt: bytes, cost: kdf.Cost | None) -> bytearray:
    if cost:
        return kdf.from_passphrase(offer.secret, salt, cost)
    if len(offer.secret) < _LEAST_SECRET:
        raise Integrity(f"the secret of a {offer.kind} has {len(offer.secret)} bytes, fewer than {_LEAST_SECRET}",
                        fix="let githarness vault init make it")
    return kdf.from_random(offer.secret, salt, f"githarness-vault slot {offer.kind} 1")


def _aad(vault: str, kek: str) -> bytes:
    return f"githarness-vault kek 1\n{vault}\n{kek}\n".encode()


def _table(keyslots: Keyslots) -> dict[str, Any]:
    return {
        "version": _VERSION, "vault": keyslots.vault, "repository": keyslots.repository,
        "origin": keyslots.origin,
        "slots": [{"kind": slot.kind, "public": _text(slot.public), "salt": _text(slot.salt),
                   **({"cost": list(slot.cost)} if slot.cost else {}),
                   **({"file": slot.file} if slot.file else {})} for slot in keyslots.slots],
        "keks": [{"kek": kek.id, "current": kek.current, "boxes": [_text(box) for box in kek.boxes]}
                 for kek in keyslots.keks]}


def _parsed(table: dict[str, Any]) -> Keyslots:
    if isinstance(table["version"], int) and table["version"] > _VERSION:
        raise Unavailable("the vault's keys are of a newer form than this githarness knows",
                          fix="pip install --upgrade githarness")
    slots = tuple(Slot(one["kind"], _bytes(one["public"], 32), _bytes(one["salt"], _SALT),
                       kdf.Cost(*map(int, one["cost"])) if "cost" in one else None, str(one.get("file", "")))
                  for one in table["slots"])
    keks = tuple(Kek(one["kek"], tuple(map(_bytes, one["boxes"])), one["current"] is True) for one in table["keks"])
    found = Keyslots(str(table["vault"]), slots, keks, str(table["repository"]), str(table["origin"]))
    well = [slot.kind in KINDS and (slot.kind == "passphrase") == bool(slot.cost) for slot in slots]
    boxed = [len(kek.boxes) == len(slots) for kek in keks]
    if table["version"] != _VERSION or not slots or not all(well + boxed) or sum(kek.current for kek in keks) != 1:
        raise ValueError(canon.dumps(table)[:80])
    return found


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _bytes(text: str, size: int | None = None) -> bytes:
    try:
        data = base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError(text) from error
    if size not in (None, len(data)):
        raise ValueError(text)
    return data
