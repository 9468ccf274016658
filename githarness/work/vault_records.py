"""The vault of a commit: which it is, its records, and whose signature counts."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from githarness.errors import Denied, HarnessError, Integrity, NotFound
from githarness.git.objects import FILE, Entry
from githarness.git.reader import Reader
from githarness.policy.model import Human, Registry
from githarness.settings import Settings
from githarness.vault import folder, keyslots, record
from githarness.vault.record import Record
from githarness.work.governance import Governance
from githarness.work.people import RANKS


@dataclass(frozen=True, slots=True)
class Vault:
    id: str
    folder: str  # of the records, in git
    place: Path  # of the keys, on this machine


class Found(NamedTuple):
    """A record's file. `record`: None where it is not to be believed, and `why` then says why. `version`: what it says,
    believed or not; 0 where it cannot be read."""

    name: str
    data: bytes
    record: Record | None
    version: int = 0
    why: str = ""


def vault_of(reader: Reader, governance: Governance, settings: Settings) -> Vault:
    """Raises NotFound where the commit has none, Integrity where its marker is not an owner's."""
    at = governance.config.vault
    entry = reader.entry(governance.commit, folder.path_of(at, folder.MARKER))
    if entry is None:
        raise NotFound("this repository has no vault", fix="githarness vault init")
    name, signer = record.parse_marker(reader.blob(entry.oid))
    believe(governance.registry, signer, "the vault's marker")
    return Vault(name, at, folder.keys_of(settings, name))


def check_own(reader: Reader, commit: str, place: Path, known: str = "") -> None:
    """Whether the keys there are for the repository of this commit. `known`: a commit for which they are.

    A vault's marker and records can be copied into any repository, whose owners are then others; what cannot be made
    there is a history with the commit that the keys were made at. Raises Denied, Integrity.
    """
    with contextlib.suppress(NotFound):  # there are no keys
        origin = keyslots.load(place).origin
        if not any(one and reader.has(one) and reader.is_ancestor(one, commit) for one in (known, origin)):
            raise Denied(f"the keys of vault '{place.name}' are for another repository: this history has not commit "
                         f"'{origin[:12]}', which they were made at", details={"rule": "vault-origin"},
                         fix="use the vault's repository, or a clone with its whole history: git fetch --unshallow")


def believe(registry: Registry, signer: str, what: str) -> Human:
    """The owner whose key it is. Raises Integrity where it is nobody's, or known as stolen."""
    for human in registry.humans.values():
        for key in human.keys:
            if key.key == signer and RANKS[human.role] >= RANKS["owner"] and key.compromised_since is None:
                return human
    raise Integrity(f"{what} is not signed by an owner's key that is still to be trusted",
                    fix="an owner sets it anew: githarness vault set NAME")


def find(reader: Reader, governance: Governance, name: str) -> Found | None:
    """None where there is no such file."""
    entry = reader.entry(governance.commit, folder.path_of(governance.config.vault, name))
    return _found(reader, governance, name, entry) if entry else None


def every(reader: Reader, governance: Governance) -> Iterator[Found]:
    """By name, tombstones too."""
    prefix = governance.config.vault + "/"
    for path, entry in reader.files(governance.commit, prefix):
        name = folder.name_of(governance.config.vault, path)
        if name is not None:
            yield _found(reader, governance, name, entry)


def _found(reader: Reader, governance: Governance, name: str, entry: Entry) -> Found:
    data, version = b"", 0
    try:
        if entry.mode != FILE:
            raise Integrity(f"the record '{name}' is no plain file")
        data = reader.blob(entry.oid)
        known = record.parse(data, name)
        version = known.header.version
        believe(governance.registry, known.signer, f"the record '{name}'")
    except HarnessError as error:
        return Found(name, data, None, version, error.message)
    return Found(name, data, known, version)
