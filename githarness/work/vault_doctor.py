"""What `doctor` says of the vault: its records, its keys, who serves it, and whether it comes back after a boot."""

from __future__ import annotations

from collections.abc import Iterator

from githarness.errors import HarnessError, NotFound
from githarness.git import refs
from githarness.settings import Settings
from githarness.vault import folder, keyslots, marks, opening
from githarness.vault.client import Client
from githarness.work import vault_records, vault_units
from githarness.work.doctor import Finding, Subject
from githarness.work.governance import Governance
from githarness.work.vault_records import Found, Vault

_UNATTENDED = ("keyfile", "systemd", "keyring")  # kinds of slots that open without a person
_WORTH = "another process of this user can still type vault get as any agent, and read a keyfile"


def vault(subject: Subject) -> Iterator[Finding]:
    """Nothing where the repository has none."""
    parts = subject.parts()
    governance = parts.governed.salvaged(refs.head(parts.repo.common_dir, parts.ref))
    if not vault_units.has_vault(parts.reader, governance):
        return
    known = vault_records.vault_of(parts.reader, governance, subject.settings)
    yield from _records(subject, governance, known)
    try:
        yield _keys(subject.settings, known)
    except HarnessError as error:
        yield Finding("vault keys", "warn" if isinstance(error, NotFound) else "fail", error.message, error.fix)
    yield _daemon(subject)
    yield _boot(subject)


def _records(subject: Subject, governance: Governance, known: Vault) -> Iterator[Finding]:
    found = list(vault_records.every(subject.parts().reader, governance))
    seen = marks.load(known.place)
    refused = [(one.name, why) for one in found if (why := one.why or _older(seen, one))]
    if refused:
        more = f" (and {len(refused) - 1} more)" if len(refused) > 1 else ""
        yield Finding("vault records", "fail", f"'{refused[0][0]}' is refused: {refused[0][1]}{more}",
                      f"githarness vault history {refused[0][0]}")
    else:
        yield Finding("vault records", "ok", f"{len(found)} record(s), each signed by an owner and not older than seen")


def _older(seen: dict[str, marks.Mark], one: Found) -> str:
    try:
        marks.check(seen, one.name, one.version, one.data)
    except HarnessError as error:
        return error.message
    return ""


def _keys(settings: Settings, known: Vault) -> Finding:
    """Raises NotFound, Unavailable where others could read them, Integrity."""
    slots = keyslots.load(known.place).slots
    folder.check(settings, known.place)
    kinds = ", ".join(sorted({slot.kind for slot in slots}))
    if opening.is_locked(known.place):
        return Finding("vault keys", "warn", "the vault is locked: agents get no secret", "githarness vault unlock")
    if not any(slot.kind in _UNATTENDED or slot.file for slot in slots):
        return Finding("vault keys", "warn", f"slots: {kinds}; after a boot the vault waits for a person",
                       "githarness vault rekey --help: add a keyfile or a credential of systemd")
    return Finding("vault keys", "ok", f"slots: {kinds}, readable by you alone; {_WORTH}", grade="advisory")


def _daemon(subject: Subject) -> Finding:
    try:
        with Client(subject.settings, subject.repo.common_dir) as client:
            said = client.ask("status").header
    except NotFound:
        return Finding("vault daemon", "warn", "none listens: each command opens the vault anew, and no agent gets a "
                       "secret put into its requests", "githarness vault serve, or githarness install systemd")
    except HarnessError as error:
        return Finding("vault daemon", "warn", error.message, error.fix)
    state, memory = said["state"], said["memory"]
    good = state == "unlocked" and memory != "none"
    return Finding("vault daemon", "ok" if good else "warn", f"{state}, values in memory of the kind {memory}",
                   "" if good else "githarness vault status")


def _boot(subject: Subject) -> Finding:
    if not vault_units.there(subject.settings, subject.repo, "vault"):
        return Finding("vault at boot", "warn", "nothing starts it after a boot", "githarness install systemd")
    if not vault_units.linger():
        return Finding("vault at boot", "warn", "its service starts at your first login, not at boot",
                       "loginctl enable-linger")
    return Finding("vault at boot", "ok", "its service starts at boot")
