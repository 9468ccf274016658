"""People of the fleet: each change is one commit by an owner, and one owner always remains."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from githarness import clock
from githarness.errors import Conflict, NotFound, Unavailable, Usage
from githarness.policy import registry
from githarness.policy.model import Human, Key
from githarness.seal import public
from githarness.store.keyring import Passphrase
from githarness.work import founder, govern
from githarness.work.govern import Desk, Edit
from githarness.work.governance import Governance

_PRIVATE = b"PRIVATE KEY-----"
_LARGEST = 64 * 1024


@dataclass(frozen=True, slots=True)
class Changed:
    human: Human
    commit: str | None  # None: it was so already


def add(desk: Desk, asked: Human, key: Callable[[str], str]) -> Changed:
    """`key` gives the public key, once it is known that one is needed; it is told a comment. Idempotent."""
    registry.check_name(asked.name)
    registry.check_mail(asked.mail)
    if asked.role not in registry.HUMAN_ROLES:
        raise Usage(f"'{asked.role}' is not a role of people", fix="use " + ", ".join(registry.HUMAN_ROLES))

    def edit(governance: Governance) -> Edit | None:
        there = governance.registry.humans.get(asked.name)
        if there is None:
            _check_mail_is_free(governance, asked)
            new = Key(key(f"{asked.mail} githarness"), founder.host(), clock.rfc3339(desk.parts.clock.now()))
            return Edit(f"add human {asked.name} as {asked.role}", human=replace(asked, keys=(new,)))
        if there.retired or (there.mail, there.role) != (asked.mail, asked.role):
            state = f"{there.role}, {there.mail}" + (", retired" if there.retired else "")
            raise Conflict(f"human '{asked.name}' exists: {state}", fix="githarness human list")
        return None

    return _changed(desk, asked.name, govern.change(desk, edit))


def _check_mail_is_free(governance: Governance, asked: Human) -> None:
    for human in governance.registry.humans.values():
        if human.mail.lower() == asked.mail.lower():
            raise Conflict(f"'{asked.mail}' is the mail of human '{human.name}'", fix="githarness human list")


def key_of_file(desk: Desk, file: Path, passphrase: Passphrase) -> str:
    """The public key of a .pub file of anybody, or of a private key, which this host then signs with."""
    try:
        with open(file, "rb") as opened:
            data = opened.read(_LARGEST)
    except OSError as error:
        raise Unavailable(f"'{file}' cannot be read: {error.strerror}", fix="name a key file with --key") from error
    if _PRIVATE in data:
        return desk.parts.keyring.import_file(file, passphrase).public
    return public.line(data.decode("utf-8", "replace"))


def retire(desk: Desk, name: str) -> Changed:
    def edit(governance: Governance) -> Edit | None:
        human = governance.registry.humans.get(name)
        if human is None:
            raise NotFound(f"no human '{name}' in this fleet", fix="githarness human list")
        if human.retired:
            return None
        owners = [one.name for one in governance.registry.humans.values() if one.role == "owner" and not one.retired]
        if owners == [name]:
            raise Conflict(f"human '{name}' is the last owner, and nobody else could change governance",
                           fix="githarness human add NAME --mail ADDRESS --role owner")
        return Edit(f"retire human {name}", human=replace(human, retired=clock.rfc3339(desk.parts.clock.now())))

    return _changed(desk, name, govern.change(desk, edit))


def _changed(desk: Desk, name: str, commit: str | None) -> Changed:
    return Changed(desk.parts.governed.at(desk.lane.head()).registry.humans[name], commit)
