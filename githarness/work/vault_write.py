"""Secrets written, replaced and removed: one commit by an owner, which tells names and versions and no value."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path

from githarness import clock
from githarness.audit import line
from githarness.errors import Conflict, HarnessError, Integrity, Locked, NotFound, Usage
from githarness.git.objects import FOLDER
from githarness.policy.model import Human
from githarness.seal import keys
from githarness.seal.signer import Signer
from githarness.settings import Settings
from githarness.store.rows import EventRow
from githarness.vault import folder, keyslots, marks, record
from githarness.vault.record import Header
from githarness.work import govern, people, vault_records
from githarness.work.govern import Desk, Edit
from githarness.work.governance import Governance
from githarness.work.vault_records import Found, Vault

_WHAT = "writing secrets"
Keks = Mapping[str, bytearray]


@dataclass(frozen=True, slots=True)
class Terms:
    """On what a secret may be used; the fields of `record.Header`."""

    modes: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    methods: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    header: str = ""
    tier: str = "T0"
    audit: str = "durable"

    def settled(self, name: str) -> Terms:
        """With what was left open. Raises Usage for terms that would let a secret go anywhere."""
        modes = self.modes or (("proxy",) if self.hosts else ("exec", "get"))
        if "proxy" in modes and not self.hosts:
            raise Usage(f"'{name}' would be sent to any host", fix="name each: --mode proxy --host api.example.org")
        return replace(self, modes=modes, header=self.header or (record.BEARER if "proxy" in modes else ""))


@dataclass(frozen=True, slots=True)
class Item:
    """A secret to be written. `terms`: None keeps those that it has."""

    name: str
    value: bytes | bytearray = field(repr=False)
    terms: Terms | None = None


@dataclass(frozen=True, slots=True)
class Done:
    commit: str | None  # None: a dry run
    headers: tuple[Header, ...]


@dataclass(frozen=True, slots=True)
class Making:
    """What records are made with, at one head."""

    vault: Vault
    governance: Governance
    human: Human
    signer: Signer
    seen: Mapping[str, marks.Mark]
    now: str

    @classmethod
    def at(cls, desk: Desk, settings: Settings, governance: Governance) -> Making:
        vault = vault_records.vault_of(desk.parts.reader, governance, settings)
        vault_records.check_own(desk.parts.reader, governance.commit, vault.place)
        human, signer = people.acting(desk.parts, governance, name=None, mail=desk.mail)
        return cls(vault, governance, human, signer, marks.load(vault.place), clock.rfc3339(desk.parts.clock.now()))

    def header(self, name: str, found: Found | None) -> Header:
        """The next version, with nothing else in it."""
        version = max(found.version if found else 0, self.seen[name].version if name in self.seen else 0) + 1
        return Header(name, self.vault.id, version, self.signer.public, self.now)

    def event(self, header: Header, what: str) -> EventRow:
        return EventRow("", 0.0, "secret", None, self.human.name,
                        safe=line.safe({"secret": header.name, "version": header.version, "what": what}))


Made = Callable[[Making], Iterable[tuple[Header, bytes]]]


def put(desk: Desk, settings: Settings, items: Sequence[Item], keks: Keks, *, what: str = "set",
        dry_run: bool = False) -> Done:
    """All in one commit. `what`: set, rotate or import. Raises Denied below owner, Conflict, NotFound, Usage."""
    for item in items:
        check(item)

    def made(making: Making) -> Iterator[tuple[Header, bytes]]:
        current = keyslots.load(making.vault.place).current
        if current not in keks:
            raise Locked("somebody gave the vault a new key meanwhile", fix="repeat the command")
        for item in items:
            header = _header(desk, making, item, current)
            yield header, record.build(header, item.value, keks[current], making.signer)

    return land(desk, settings, made, what=what, dry_run=dry_run)


def check(item: Item) -> None:
    """Raises Usage for what could not be used as its terms say."""
    record.check_name(item.name)
    modes = item.terms.settled(item.name).modes if item.terms else ()
    if "proxy" in modes and not bytes(item.value).decode("ascii", "replace").isprintable():
        raise Usage(f"the value of '{item.name}' has characters that no header can carry",
                    fix="check that the file holds the token alone, in one line")


def signs(value: bytes | bytearray) -> bool:
    """Whether the vault's ssh-agent could sign with it."""
    try:
        return keys.load(bytes(value)).public.startswith("ssh-ed25519 ")
    except HarnessError:
        return False


def remove(desk: Desk, settings: Settings, name: str, *, dry_run: bool = False) -> Done:
    """A signed tombstone takes its place. Raises NotFound, Denied."""

    def made(making: Making) -> Iterator[tuple[Header, bytes]]:
        header = replace(making.header(name, known(desk, making.governance, name)), state=record.REMOVED)
        yield header, record.build(header, b"", b"", making.signer)

    return land(desk, settings, made, what="rm", dry_run=dry_run)


def known(desk: Desk, governance: Governance, name: str) -> Found:
    """A secret that was not removed. Raises NotFound."""
    found = vault_records.find(desk.parts.reader, governance, record.check_name(name))
    if found is None or (found.record and found.record.header.state == record.REMOVED):
        raise NotFound(f"no secret '{name}'", fix="githarness vault list", details={"secret": name})
    return found


def land(desk: Desk, settings: Settings, made: Made, *, what: str, dry_run: bool = False) -> Done:
    """`made` gives headers with their files at a head; what this machine has seen is remembered once they landed."""
    files: dict[Header, bytes] = {}
    places: list[Path] = []

    def edit(governance: Governance) -> Edit | None:
        making = Making.at(desk, settings, governance)
        people.require(making.human, "owner", _WHAT)
        files.clear()
        files.update(made(making))
        places[:] = [making.vault.place]
        if dry_run or not files:
            return None
        at = {folder.path_of(making.vault.folder, header.name): data for header, data in files.items()}
        return Edit(_subject(what, list(files)), files=at, events=tuple(making.event(one, what) for one in files))

    commit = govern.change(desk, edit, what=_WHAT)
    if commit:
        marks.advance(places[0], [(header.name, header.version, data) for header, data in files.items()])
    return Done(commit, tuple(files))


def _subject(what: str, headers: Sequence[Header]) -> str:
    if len(headers) == 1:
        return f"vault: {what} {headers[0].name} version {headers[0].version}"
    return f"vault: {what} {len(headers)} secrets"


def _header(desk: Desk, making: Making, item: Item, kek: str) -> Header:
    found = vault_records.find(desk.parts.reader, making.governance, item.name)
    header = replace(making.header(item.name, found), kek=kek)
    if item.terms is None:
        found = known(desk, making.governance, item.name)
        if found.record is None:
            raise Integrity(f"the terms of '{item.name}' are not known: {found.why}",
                            fix=f"githarness vault set {item.name}, with its modes and hosts")
        kept = found.record.header
        return replace(header, **{one.name: getattr(kept, one.name) for one in fields(Terms)})
    _check_place(desk, making, item.name)
    terms = item.terms.settled(item.name)
    return replace(header, **{one.name: getattr(terms, one.name) for one in fields(Terms)})


def _check_place(desk: Desk, making: Making, name: str) -> None:
    """A file is no folder."""
    names = name.split("/")
    for number in range(1, len(names) + 1):
        path = folder.path_of(making.vault.folder, "/".join(names[:number]))
        entry = desk.parts.reader.entry(making.governance.commit, path)
        if entry and (entry.mode == FOLDER) != (number < len(names)):
            raise Conflict(f"'{'/'.join(names[:number])}' is {'a folder' if entry.mode == FOLDER else 'a secret'}, so "
                           f"'{name}' cannot be", fix="choose another name: githarness vault list")
