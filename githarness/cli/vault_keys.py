"""`githarness vault init|rekey`: what opens the vault on this machine."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from githarness.cli import vault_shown
from githarness.cli.identities import desk
from githarness.cli.options import command
from githarness.cli.out import Painted, counted
from githarness.cli.shell import Shell, shell
from githarness.errors import Usage
from githarness.settings import Settings
from githarness.vault import opening
from githarness.vault.keyslots import Keyslots, Slot
from githarness.work import vault_keys
from githarness.work.vault_write import Keks


@dataclass(frozen=True, slots=True)
class First:
    """What is to open a new vault."""

    passphrase_file: Annotated[str | None, typer.Option(
        metavar="F", help="Its passphrase is this file, made with mode 0600 where it is not there.")] = None
    keyfile: Annotated[str | None, typer.Option(
        metavar="F", help="Its key is this file, made with mode 0600 where it is not there.")] = None


@dataclass(frozen=True, slots=True)
class More:
    """Slots that come and go."""

    drop: Annotated[list[str] | None, typer.Option(
        metavar="KIND", help="Drop the slots of a kind: passphrase, keyfile, keyring or systemd; repeatable.")] = None
    add_keyfile: Annotated[str | None, typer.Option(metavar="F", help="Add a keyfile.")] = None
    add_passphrase_file: Annotated[str | None, typer.Option(metavar="F", help="Add a passphrase in a file.")] = None
    add_passphrase: Annotated[bool, typer.Option("--add-passphrase", help="Add a passphrase that you type.")] = False
    add_keyring: Annotated[bool, typer.Option("--add-keyring", help="Add a secret in the OS keyring.")] = False
    add_credential: Annotated[str | None, typer.Option(
        metavar="F", help="Add this file, which systemd then brings as credential githarness-vault.")] = None


@command
def init(ctx: typer.Context, first: First) -> None:
    """Make the vault of this repository; without an option a person is asked for a passphrase, else a keyfile is made.

    The keys stay in the data folder of this machine; it takes an owner. Example: githarness vault init
    """
    sh = shell(ctx)
    harness = sh.open()
    if first.keyfile and first.passphrase_file:
        raise Usage("--keyfile and --passphrase-file exclude each other",
                    fix="githarness vault init --keyfile F, then githarness vault rekey --add-passphrase-file F")

    def slot(place: Path) -> Slot:
        if first.passphrase_file:
            return _of_file(sh, harness.settings, "passphrase", sh.directory / first.passphrase_file)
        if first.keyfile is None and sys.stdin.isatty():
            return Slot.new(vault_shown.new_passphrase())
        return _of_file(sh, harness.settings, "keyfile", sh.directory / first.keyfile if first.keyfile else
                        place / "keyfile")

    made = vault_keys.init(desk(harness), harness.settings, slot)
    shown = _slots(made.slots)
    sh.document({"vault": made.id, "commit": made.commit, "keys": str(made.place), "slots": shown})
    sh.line(Painted("made", "green"), f" vault {made.id} (commit {made.commit[:12]}), keys in '{made.place}'")
    for one in shown:
        sh.line(f"  opened by {one['kind']}", f" '{one['file']}'" if one["file"] else "")
    sh.note("note: without what opens it nobody reads the secrets again; keep a copy where no agent runs")


@command
def rekey(ctx: typer.Context, more: More) -> None:
    """Seal every secret with a new key, in one commit, and change what opens the vault; stopped halfway, repeat it.

    Example: githarness vault rekey --drop passphrase --add-keyfile /etc/githarness/vault.key
    """
    sh = shell(ctx)
    harness = sh.open()
    drop = vault_keys.of_kinds(more.drop or ())

    def change(keyslots: Keyslots, keks: Keks) -> Keyslots:
        kept = keyslots.without(drop)
        for slot in _added(sh, harness.settings, more, keyslots.vault):
            kept = kept.with_slot(slot, keks)
        return kept

    done = vault_keys.rekey(desk(harness), harness.settings, lambda place: vault_shown.opened(harness, place),
                            change)
    registry = harness.governance().registry
    sh.document({"commit": done.commit, "items": [vault_shown.table(registry, one) for one in done.headers]})
    sh.line(Painted("sealed anew", "green"), f" {counted(len(done.headers), 'secret')}",
            f" (commit {done.commit[:12]})" if done.commit else "")
    sh.note("note: whoever had the old key reads what git's history keeps: rotate what they must not have")


def _added(sh: Shell, settings: Settings, more: More, vault: str) -> list[Slot]:
    files = {"keyfile": more.add_keyfile, "passphrase": more.add_passphrase_file, "systemd": more.add_credential}
    slots = [_of_file(sh, settings, kind, sh.directory / file) for kind, file in files.items() if file]
    if more.add_passphrase:
        slots.append(Slot.new(vault_shown.new_passphrase()))
    if more.add_keyring:
        slots.append(Slot.new(opening.made_in_keyring(settings, vault)))
    return slots


def _of_file(sh: Shell, settings: Settings, kind: str, file: Path) -> Slot:
    place = file.resolve()
    offer = opening.made_file(settings, kind, place)
    if kind == "systemd":
        sh.note(f"hint: systemd-creds encrypt --name=githarness-vault '{place}' FILE.cred, then delete '{place}'")
    return Slot.new(offer, file="" if kind == "systemd" else str(place))


def _slots(slots: tuple[Slot, ...]) -> list[dict[str, str]]:
    return [{"kind": slot.kind, "file": slot.file} for slot in slots]
