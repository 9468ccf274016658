"""How secrets are named, asked for and shown at the command line; their values never are."""

from __future__ import annotations

import sys
from pathlib import Path

import typer

from githarness import wiring
from githarness.cli.out import Painted
from githarness.cli.shell import Shell
from githarness.errors import Unavailable
from githarness.policy.model import Registry
from githarness.vault import opening
from githarness.vault.keyslots import Offer
from githarness.vault.record import LIVE, Header
from githarness.work import vault_keys, vault_list, vault_records, vault_write
from githarness.work.vault_records import Found
from githarness.work.vault_write import Done, Keks

_KEPT = ("modes", "hosts", "methods", "paths")


def table(registry: Registry, header: Header) -> dict[str, object]:
    return {"name": header.name, "version": header.version, "state": header.state, "time": header.time,
            "writer": vault_list.writer(registry, header.writer), "tier": header.tier, "audit": header.audit,
            "header": header.header, **{name: list(getattr(header, name)) for name in _KEPT}}


def _terms(header: Header) -> str:
    terms = [f"{name} {', '.join(values)}" for name in _KEPT if (values := getattr(header, name))]
    return "; ".join([*terms, *([f"tier {header.tier}"] if header.tier != "T0" else [])])


def line(sh: Shell, registry: Registry, header: Header, commit: str = "") -> None:
    state = Painted("removed", "red") if header.state != "live" else Painted(_terms(header), "cyan")
    sh.line(header.name, f" version {header.version} ", state,
            f" by {vault_list.writer(registry, header.writer) or 'nobody known'} at {header.time}",
            f" ({commit[:12]})" if commit else "")


def done(sh: Shell, harness: wiring.Harness, what: str, made: Done) -> None:
    registry = harness.governance().registry
    sh.document({"commit": made.commit, "items": [table(registry, header) for header in made.headers]})
    for header in made.headers:
        sh.line(Painted(what if made.commit else f"would be {what}", "green"), f" '{header.name}' ",
                f"version {header.version}", f" (commit {made.commit[:12]})" if made.commit else "")


def other_terms(sh: Shell, made: Done, before: Found | None) -> None:
    """Says it where `set` gave a secret other terms than it had: who meant a new value alone would not see it."""
    for header in made.headers:
        if before and before.record and before.record.header.state == LIVE and (
                was := _terms(before.record.header)) != (now := _terms(header)):
            sh.note(f"note: its terms were: {was}; now: {now}; githarness vault rotate {header.name} keeps them")


def no_key(sh: Shell, made: Done, value: bytes | bytearray) -> None:
    """Says it where a value of mode sign would never sign: ssh-add -l would not list it, and nobody would know why."""
    if any("sign" in header.modes for header in made.headers) and not vault_write.signs(value):
        sh.note("note: this is no Ed25519 key without a passphrase, so ssh will not list it: ssh-keygen -t ed25519")


def unlocked(harness: wiring.Harness) -> Keks:
    """The vault's keys, asked of a person at a terminal where nothing else opens it."""
    vault = vault_records.vault_of(harness.reader, harness.governance(), harness.settings)
    vault_records.check_own(harness.reader, harness.governance().commit, vault.place)
    return opened(harness, vault.place)


def opened(harness: wiring.Harness, place: Path) -> Keks:
    def ask() -> Offer | None:
        return Offer("passphrase", hidden("passphrase of the vault")) if sys.stdin.isatty() else None

    return vault_keys.offers(place, harness.settings, ask)


def hidden(what: str) -> bytes:
    """What a person types, unseen. Raises Unavailable where there is no terminal."""
    if not sys.stdin.isatty():
        raise Unavailable(f"there is no terminal at which to ask for the {what}", fix="name a file of it")
    answer: str = typer.prompt(what, hide_input=True, err=True)
    return answer.encode()


def new_passphrase() -> Offer:
    """Asked twice."""
    first = hidden("new passphrase of the vault")
    if hidden("the same again") != first:
        raise Unavailable("the two passphrases differ", fix="repeat the command")
    return opening.passphrase(first)


def value(sh: Shell, name: str, source: str | None) -> bytes:
    """Of a file, of stdin or of a person. A single line comes without its end; several lines stay as they are."""
    if source is None and sys.stdin.isatty():
        return hidden(f"value of {name}")
    data = sh.content(source)
    bare = data.removesuffix(b"\n").removesuffix(b"\r")
    return data if b"\n" in bare else bare


