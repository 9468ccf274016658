"""The secrets of head in the arena: loaded once, brought up to date when the branch moves, wiped when the vault locks.

A record that is not to be believed (no owner's signature, older than one seen, damaged) is refused by name and reason;
the others are served on.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from githarness.errors import HarnessError, Integrity, NotFound, VaultLocked
from githarness.proxy.ground import Ground
from githarness.seal import aead
from githarness.settings import Settings
from githarness.vault import folder, keyslots, marks, opening, record
from githarness.vault.arena import Arena, Slot
from githarness.vault.keyslots import Offer
from githarness.vault.marks import Mark
from githarness.vault.record import Header
from githarness.work import vault_records
from githarness.work.governance import Governance
from githarness.work.vault_records import Found, Vault


@dataclass(frozen=True, slots=True)
class Held:
    header: Header
    oid: str
    slot: Slot
    value: memoryview

    def __repr__(self) -> str:
        return f"Held({self.header.name!r}, {self.header.version})"


class Holding:
    """`withdraw` is called before a value that may be on its way is wiped."""

    def __init__(self, ground: Ground, settings: Settings, withdraw: Callable[[], None] = lambda: None) -> None:
        self._ground = ground
        self._settings = settings
        self.withdraw = withdraw
        self.arena = Arena()
        self.epoch = 0
        self.opened_by = ""  # the kind of slot
        self.why_locked = "the vault has not been unlocked"
        self.fix: str | None = None
        self._keks: dict[str, Slot] = {}
        self._digest = ""
        self._own = ""  # a commit that the keys are for
        self._missing = False  # whether a record is sealed with a key that is not open here
        self._held: dict[str, Held] = {}
        self.refused: dict[str, str] = {}
        self.removed: set[str] = set()

    @property
    def locked(self) -> bool:
        return not self._keks

    def vault(self) -> Vault:
        """Raises NotFound, Integrity; Denied where another repository's keys would be used."""
        governance, reader = self._ground.governance(), self._ground.parts.reader
        vault = vault_records.vault_of(reader, governance, self._settings)
        if governance.commit != self._own:
            vault_records.check_own(reader, governance.commit, vault.place, self._own)
            self._own = governance.commit
        return vault

    def get(self, name: str) -> Held:
        """Raises NotFound, Integrity for a record that is refused."""
        held = self._held.get(name)
        if held is not None:
            return held
        if name in self.refused:
            raise Integrity(f"the record of '{name}' is refused: {self.refused[name]}",
                            fix="githarness vault status; an owner sets it anew", details={"secret": name})
        gone = " any more" if name in self.removed else ""
        raise NotFound(f"there is no secret '{name}'{gone}", fix="githarness vault list", details={"secret": name})

    def headers(self) -> list[Header]:
        return [held.header for _, held in sorted(self._held.items())]

    def values(self) -> Iterable[tuple[str, memoryview]]:
        """Of all that are held, by name."""
        return [(name, held.value) for name, held in self._held.items()]

    def open_alone(self) -> None:
        """By what needs no person. Raises VaultLocked, and what is wrong with the keys."""
        place = self.vault().place
        folder.check(self._settings, place)
        self.unlock(opening.automatic(place, self._settings))

    def unlock(self, offers: Iterable[Offer]) -> None:
        """Raises VaultLocked where none of them opens the vault; then nothing has changed."""
        self.opened_by, self._digest = self._opened(self.vault().place, offers), ""
        self.load()

    def _opened(self, place: Path, offers: Iterable[Offer]) -> str:
        """The kind of the first that opens it. Raises VaultLocked, and what is wrong with the keys."""
        problem = VaultLocked("no slot of the vault opens without a person", fix="githarness vault unlock")
        for offer in offers:
            try:
                self._keep(keyslots.unlock(place, [offer]))
                return offer.kind
            except VaultLocked as error:
                problem = error
        raise problem

    def _keep(self, keks: dict[str, bytearray]) -> None:
        old, self._keks = self._keks, {}
        for name, kek in keks.items():
            slot = self._keks[name] = self.arena.take(len(kek))
            slot.view[: len(kek)] = kek
            kek[:] = bytes(len(kek))
        for slot in old.values():
            slot.free()

    def lock(self, why: str, fix: str | None = None) -> None:
        """Nothing of a value or key is left. `fix`: of what is wrong, where unlocking alone would not mend it."""
        self.withdraw()
        self._drop([*self._held])
        for slot in self._keks.values():
            slot.free()
        self._keks, self.refused, self.removed = {}, {}, set()
        self._digest, self.opened_by, self.why_locked, self.fix = "", "", why, fix
        self.epoch += 1

    def load(self) -> None:
        """Brings what is held to what head has. Raises NotFound, Integrity where there is no vault to be believed."""
        self._ground.moved = False
        if self.locked:
            return
        governance = self._ground.governance()
        vault = self.vault()
        again = governance.digest != self._digest  # who is an owner may have changed
        there = self._entries(governance)
        fresh = [name for name, oid in there.items() if again or name not in self._held or self._held[name].oid != oid]
        gone = [name for name in self._held if name not in there]
        if gone or any(name in self._held for name in fresh):
            self.withdraw()
        self._drop(gone)
        self._take(vault, governance, {name: there[name] for name in fresh}, again=again)
        if self._missing and self._more_keys(vault):  # somebody sealed all anew
            self._take(vault, governance, there, again=True)
        self._digest = governance.digest
        self.epoch += 1

    def _more_keys(self, vault: Vault) -> bool:
        """Whether the vault's keys of now could be had without a person."""
        with contextlib.suppress(HarnessError):  # else the record is refused, and the others are served
            return bool(self._opened(vault.place, opening.automatic(vault.place, self._settings)))
        return False

    def _entries(self, governance: Governance) -> dict[str, str]:
        at = governance.config.vault
        files = self._ground.parts.reader.files(governance.commit, at + "/")
        return {name: entry.oid for path, entry in files if (name := folder.name_of(at, path)) is not None}

    def _take(self, vault: Vault, governance: Governance, wanted: dict[str, str], *, again: bool) -> None:
        """`again`: what is wanted is all that there is."""
        seen, reader = marks.load(vault.place), self._ground.parts.reader
        self._missing = False
        each = vault_records.every(reader, governance) if again else (
            vault_records.find(reader, governance, name) for name in wanted)
        newer: list[tuple[str, int, bytes]] = []
        for found in each:
            if found is not None and self._taken(vault, found, wanted[found.name], seen):
                newer.append((found.name, found.version, found.data))
        gone = [name for name in seen if name not in self._held and name not in self.refused
                and name not in self.removed]
        self.refused |= {name: f"its file is gone, and version {seen[name].version} was seen here" for name in gone}
        marks.advance(vault.place, newer)

    def _taken(self, vault: Vault, found: Found, oid: str, seen: dict[str, Mark]) -> bool:
        """Whether it is held, or known as removed; else why not stands in `refused`."""
        name = found.name
        self._drop([name])
        self.refused.pop(name, None)
        self.removed.discard(name)
        try:
            if found.record:
                marks.check(seen, name, found.version, found.data)
                self._open(vault, found, oid)
                return True
            self.refused[name] = found.why
        except HarnessError as error:
            self.refused[name] = error.message
        return False

    def _open(self, vault: Vault, found: Found, oid: str) -> None:
        known = found.record
        if known is None or known.header.vault != vault.id:
            raise Integrity(f"the record '{found.name}' is of another vault")
        if known.header.state == record.REMOVED:
            self.removed.add(found.name)
            return
        kek = self._keks.get(known.header.kek)
        if kek is None:
            self._missing = True
            raise Integrity(f"it is sealed with the key '{known.header.kek}', which is not open here",
                            fix="githarness vault unlock")
        slot = self.arena.take(known.room)
        try:
            length = record.open_into(known, kek.view[: aead.KEY], slot.view)
        except BaseException:
            slot.free()
            raise
        self._held[found.name] = Held(known.header, oid, slot, slot.view[4 : 4 + length])

    def _drop(self, names: Iterable[str]) -> None:
        for name in names:
            if held := self._held.pop(name, None):
                held.slot.free()
