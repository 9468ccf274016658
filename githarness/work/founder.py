"""The first owner of a fleet: who that is, and which key signs. Nobody is asked for anything but a passphrase."""

from __future__ import annotations

import re
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from githarness import clock
from githarness.errors import HarnessError, Unavailable, Usage
from githarness.policy import registry
from githarness.policy.model import Human, Key
from githarness.seal import public
from githarness.seal.signer import Signer
from githarness.settings import Settings
from githarness.store import sshagent
from githarness.store.keyring import Keyring, Passphrase
from githarness.work.clone_config import Values

_EXAMPLE = 'githarness init --owner "Ada Lovelace <ada@example.org>"'
_WHO = re.compile(r"\s*(.*?)\s*<([^<>]*)>\s*")


@dataclass(frozen=True, slots=True)
class Person:
    name: str  # as in `git config user.name`; may be empty
    mail: str


def person(owner: str | None, values: Values) -> Person:
    """--owner "Name <mail>", or who git says that acts here. Raises Usage with the fix."""
    if owner is not None:
        found = _WHO.fullmatch(owner)
        if not found:
            raise Usage(f"'{owner[:80]}' is not a person", fix=_EXAMPLE)
        return Person(found[1], registry.check_mail(found[2]))
    mail = values.last("user.email")
    if not mail:
        raise Usage("git does not know who you are, so there is no owner",
                    fix=f"{_EXAMPLE}, or git config --global user.email ADDRESS")
    return Person(values.last("user.name") or "", registry.check_mail(mail))


def slug(text: str) -> str:
    """A name of registry.check_name's form, empty where nothing is left."""
    return re.sub(r"[^a-z0-9._-]", "-", text.lower()).strip("._-")[:64].rstrip("._-")


def human(who: Person, signer: Signer, now: float) -> Human:
    name = slug(who.mail.partition("@")[0]) or slug(who.name) or "owner"
    return Human(name, who.mail, "owner", (Key(signer.public, host(), clock.rfc3339(now)),))


def host() -> str:
    """This machine's name as identity files have it."""
    return slug(socket.gethostname()) or "localhost"


@dataclass(frozen=True, slots=True)
class KeyChoice:
    """Where a founder's key may come from, in this order; `given` is --signing-key."""

    given: Path | None
    values: Values
    settings: Settings
    keyring: Keyring
    passphrase: Passphrase

    def signer(self, comment: str) -> tuple[Signer, str]:
        """The key and where it is from. Makes one, unencrypted, in the data folder where there is no other."""
        if self.given is not None:
            return self.keyring.import_file(self.given, self.passphrase), str(self.given)
        found = self._gits() or self._agents() or self._homes()
        return found or (self.keyring.create(comment), "new, unencrypted, in the data folder")

    def _gits(self) -> tuple[Signer, str] | None:
        """git's own choice; whoever made it wants it, so that a key which cannot be used is an error."""
        named = self.values.last("user.signingkey")
        if self.values.last("gpg.format") != "ssh" or not named:
            return None
        literal = named.removeprefix("key::")
        if literal != named or named.startswith("ssh-"):
            signer = self.keyring.find([public.line(literal)], passphrase=self.passphrase)
            if signer is None:
                raise Unavailable("ssh-agent does not hold the key of git's user.signingkey",
                                  fix="ssh-add FILE, or githarness init --signing-key FILE")
            return signer, "git's user.signingkey"
        file = Path(self.settings.environ["HOME"]) / named[2:] if named.startswith("~/") else Path(named)
        return self.keyring.import_file(file, self.passphrase), "git's user.signingkey"

    def _agents(self) -> tuple[Signer, str] | None:
        socket_path = self.settings.environ.get("SSH_AUTH_SOCK", "")
        held = sshagent.identities(socket_path) if socket_path else []
        signer = self.keyring.find(_ed25519_first(held))
        return (signer, "ssh-agent") if signer else None

    def _homes(self) -> tuple[Signer, str] | None:
        file = Path(self.settings.environ.get("HOME", "/")) / ".ssh" / "id_ed25519"
        if not file.exists():
            return None
        try:
            return self.keyring.import_file(file, _nobody), "~/.ssh/id_ed25519"
        except HarnessError:  # encrypted, too widely readable, of another form: it was only worth a look
            return None


def _ed25519_first(keys: Sequence[str]) -> list[str]:
    return sorted(keys, key=lambda key: not key.startswith("ssh-ed25519 "))


def _nobody(path: str) -> bytes:
    raise Unavailable(f"the key '{path}' is encrypted", fix=f"ssh-add '{path}'")
