"""The keys of a vault: made once, changed with all that they sealed, never made anew for one that is there."""

from __future__ import annotations

import secrets
import shlex
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from githarness import clock
from githarness.errors import Conflict, HarnessError, Integrity, Usage
from githarness.seal import aead
from githarness.settings import Settings
from githarness.store import commits
from githarness.vault import folder, keyslots, opening, record
from githarness.vault.keyslots import Keyslots, Offer, Slot
from githarness.vault.record import Header
from githarness.work import govern, index, people, vault_records, vault_write
from githarness.work.govern import Desk, Edit
from githarness.work.governance import Governance
from githarness.work.vault_write import Done, Keks, Making
from githarness.work.verify import verifier


@dataclass(frozen=True, slots=True)
class Made:
    id: str
    place: Path
    commit: str
    slots: tuple[Slot, ...]


def init(desk: Desk, settings: Settings, slot: Callable[[Path], Slot]) -> Made:
    """`slot` is told the folder of the keys. The keys are on disk before the commit that names the vault.

    Raises Conflict where the repository, or this machine for it, has a vault, Denied below owner, Unavailable.
    """
    name = clock.new_id("v", desk.parts.clock.now())
    made: list[Keyslots] = []

    def edit(governance: Governance) -> Edit:
        human, signer = people.acting(desk.parts, governance, name=None, mail=desk.mail)
        people.require(human, "owner", "making a vault")
        _must_be_none(desk, settings, governance)
        if not made:
            made.append(_keys(desk, settings, Keyslots(name, origin=governance.commit), slot))
        marker = folder.path_of(governance.config.vault, folder.MARKER)
        return Edit(f"vault: init {name}", files={marker: record.build_marker(name, signer)})

    commit = govern.change(desk, edit, what="making a vault") or ""
    return Made(name, folder.keys_of(settings, name), commit, made[0].slots)


def _keys(desk: Desk, settings: Settings, bare: Keyslots, slot: Callable[[Path], Slot]) -> Keyslots:
    place = folder.make(settings, bare.vault)
    repository = str(desk.parts.repo.common_dir.resolve())
    made = replace(bare, slots=(slot(place),), repository=repository).with_kek(
        bytearray(secrets.token_bytes(aead.KEY)))
    keyslots.save(place, made)
    return made


def _must_be_none(desk: Desk, settings: Settings, governance: Governance) -> None:
    at = governance.config.vault
    if desk.parts.reader.entry(governance.commit, at) is not None:
        raise Conflict(f"this repository has a vault in '{at}'", fix="githarness vault list")
    index.update(desk.parts.db, desk.parts.reader, governance.commit, verifier(desk.parts))
    with desk.parts.db.read() as conn:
        if commits.touched(conn, governance.commit, at):
            raise Conflict(f"this repository had a vault in '{at}', and somebody deleted it",
                           fix=f"bring it back: git log --oneline -- {at}, then git revert the commit that deleted it")
    mine = desk.parts.repo.common_dir.resolve()
    for file in sorted(settings.data_dir.glob(f"vault/*/{keyslots.FILE}")):
        if keyslots.load(file.parent).repository == str(mine):
            raise Conflict(f"this machine has keys of a vault of this repository in '{file.parent}'",
                           fix=f"rm -r '{file.parent}', if nothing was ever sealed with them")


def rekey(desk: Desk, settings: Settings, unlock: Callable[[Path], Keks], change: Callable[[Keyslots, Keks], Keyslots],
          ) -> Done:
    """A new key for all that there is, in one commit. Whatever it was stopped at, it is finished by doing it again.

    `unlock` gives the keys of a folder; `change` adds and drops slots. Raises Denied, Conflict, VaultLocked, Integrity.
    """
    governance = desk.parts.governed.salvaged(desk.lane.head())
    human, _ = people.acting(desk.parts, governance, name=None, mail=desk.mail)
    people.require(human, "owner", "changing the vault's keys")
    place = vault_records.vault_of(desk.parts.reader, governance, settings).place
    folder.check(settings, place)
    vault_records.check_own(desk.parts.reader, governance.commit, place)
    with keyslots.changing(place):
        keks = dict(unlock(place))
        fresh = bytearray(secrets.token_bytes(aead.KEY))
        changed = change(keyslots.load(place), keks)
        if not changed.slots:
            raise Usage("nothing would open the vault any more", fix="add a slot, or drop fewer")
        keyslots.save(place, changed.with_kek(fresh))
        current = record.kek_id(fresh)
        keks[current] = fresh
        done = vault_write.land(desk, settings, lambda making: _sealed_anew(desk, making, keks, current), what="rekey")
        after = desk.parts.governed.salvaged(desk.lane.head())
        needed = {found.record.header.kek for found in vault_records.every(desk.parts.reader, after) if found.record}
        keyslots.save(place, keyslots.load(place).only(needed))
    return done


def _sealed_anew(desk: Desk, making: Making, keks: Keks, current: str) -> Iterator[tuple[Header, bytes]]:
    for found in vault_records.every(desk.parts.reader, making.governance):
        if found.record is None:
            raise Integrity(f"the record '{found.name}' is not to be believed: {found.why}",
                            fix=_way_out(making, found.name))
        was = found.record.header
        if was.state == record.REMOVED or was.vault != making.vault.id:
            continue
        if was.kek not in keks:
            raise Integrity(f"'{found.name}' is sealed with the key '{was.kek}', which this machine does not have",
                            fix=f"githarness vault rm {found.name}, or set it anew")
        buffer = bytearray(found.record.room)
        size = record.open_into(found.record, keks[was.kek], buffer)
        new = making.header(found.name, found)
        header = replace(was, version=new.version, writer=new.writer, time=new.time, kek=current)
        yield header, record.build(header, memoryview(buffer)[4 : 4 + size], keks[current], making.signer)
        buffer[:] = bytes(len(buffer))


def _way_out(making: Making, name: str) -> str:
    """Of a file in the vault's folder that no key can seal anew."""
    try:
        return f"githarness vault rm {record.check_name(name)}, or set it anew"
    except Usage:
        return f"git rm {shlex.quote(folder.path_of(making.vault.folder, name))}, then commit it as an owner"


def offers(place: Path, settings: Settings, asked: Callable[[], Offer | None]) -> Keks:
    """The vault's keys by what is at hand, then by what a person is asked for. Raises VaultLocked, Integrity."""
    folder.check(settings, place)
    try:
        return keyslots.unlock(place, opening.automatic(place, settings))
    except HarnessError as error:
        offer = asked() if error.code in ("vault-locked", "not-found", "unavailable") else None
        if offer is None:
            raise
        return keyslots.unlock(place, [offer])


def of_kinds(kinds: Sequence[str]) -> Callable[[Slot], bool]:
    """Which slots are dropped. Raises Usage."""
    for kind in kinds:
        if kind not in keyslots.KINDS:
            raise Usage(f"'{kind}' is not a kind of slot", fix="use " + ", ".join(keyslots.KINDS))
    return lambda slot: slot.kind in kinds
