"""This machine's private keys: `data_dir/keys/`, one file a key, named by the fingerprint; ssh-agent beside it.

    FINGERPRINT        the private key, mode 0600, in OpenSSH's format without a passphrase
    FINGERPRINT.pub    its public key and comment, for people
    FINGERPRINT.path   instead of a key: where an existing key of a person lies; it is used in place, never copied
    FINGERPRINT.vault  instead of a key: the ssh-agent of the vault that keeps it (githarness vault keys adopt)

`/` and `+` of a fingerprint are `_` and `-` here. A key that others could read or swap is not used. Files appear
whole: a temporary file, fsync, rename, fsync of the folder.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterable
from pathlib import Path

from githarness import private
from githarness.errors import HarnessError, NotFound, Unavailable
from githarness.seal import keys as private_keys
from githarness.seal import public as public_keys
from githarness.seal.keys import KeySigner
from githarness.seal.signer import Signer
from githarness.settings import Settings
from githarness.store import sshagent

Passphrase = Callable[[str], bytes]  # is told the file's path, asks a person
_LARGEST = 64 * 1024


class Keyring:
    """`gits`: the file of the key by which git signs, None where that is no SSH key."""

    def __init__(self, settings: Settings, gits: Callable[[], Path | None] = lambda: None) -> None:
        self._gits = gits
        self._data = settings.data_dir
        self._folder = settings.data_dir / "keys"
        self._socket = settings.environ.get("SSH_AUTH_SOCK", "")
        self._signers: dict[str, Signer] = {}

    def find(self, keys: Iterable[str], *, passphrase: Passphrase | None = None) -> Signer | None:
        """A signer for the first of these public keys that this machine can use, None where it has none of them.

        Without `passphrase` nobody is asked. Raises what is wrong with the first key that is here, if none can be used.
        """
        wanted = list(keys)
        problem: HarnessError | None = None
        for key in wanted:
            try:
                signer = self._signers.get(key) or self._from_files(key, passphrase)
            except HarnessError as error:
                problem = problem or error
                continue
            if signer:
                self._signers[key] = signer
                return signer
        signer = self._from_agent(wanted)
        if signer is None and problem:
            raise problem
        return signer

    def find_gits(self, keys: Iterable[str]) -> Signer | None:
        """The key by which git signs, where it is one of these. Raises what is wrong with it."""
        wanted, file = list(keys), self._gits()
        try:
            if file is None or _public(_read(file, own=False)) not in wanted:
                return None
        except NotFound:
            return None
        signer = self._open(file, None)
        return signer if signer.public in wanted else None

    def create(self, comment: str) -> Signer:
        """A new Ed25519 key, on disk before this returns."""
        key = private_keys.generate()
        name = _file_name(key.public)
        self._put(name + ".pub", f"{key.public} {' '.join(comment.split())}\n".encode())
        self._put(name, key.to_pem())
        return KeySigner(key)

    def import_file(self, path: Path, passphrase: Passphrase) -> Signer:
        """A person's own SSH key, used where it is from now on: a private key, or the .pub of one that ssh-agent holds.

        Asks for the passphrase only where ssh-agent does not have the key.
        """
        place = Path(os.path.abspath(path))
        signer = self._open(place, passphrase)
        self._put(_file_name(signer.public) + ".path", os.fsencode(place) + b"\n")
        self._signers[signer.public] = signer
        return signer

    def _from_files(self, key: str, passphrase: Passphrase | None) -> Signer | None:
        name = self._folder / _file_name(key)
        if os.path.lexists(name):
            self._check_folders()
            signer: Signer = KeySigner(private_keys.load(_read(name, own=True)))
        elif os.path.lexists(pointer := name.with_name(name.name + ".path")):
            self._check_folders()
            signer = self._open(Path(os.fsdecode(_read(pointer, own=True).removesuffix(b"\n"))), passphrase)
        elif os.path.lexists(kept := name.with_name(name.name + ".vault")):
            self._check_folders()
            signer = _kept(os.fsdecode(_read(kept, own=True).removesuffix(b"\n")), key)
        else:
            return None
        if signer.public != key:
            raise Unavailable(f"'{name}' does not lead to the key that it is named for", fix=f"rm '{name}'*")
        return signer

    def _open(self, path: Path, passphrase: Passphrase | None) -> Signer:
        data = _read(path, own=False)
        if b"PRIVATE KEY-----" not in data:
            return self._behind(path, public_keys.line(data.decode("utf-8", "replace")), passphrase)
        if not private_keys.is_encrypted(data):
            return KeySigner(private_keys.load(data))
        public = private_keys.public_of(data)
        if public and (held := self._from_agent([public])):
            return held
        if passphrase is None:
            raise Unavailable(f"the key '{path}' is encrypted and ssh-agent does not hold it", fix=f"ssh-add '{path}'")
        return KeySigner(private_keys.load(data, passphrase(str(path))))

    def _behind(self, path: Path, public: str, passphrase: Passphrase | None) -> Signer:
        """What signs for a .pub file: ssh-agent, or the private key beside it."""
        if held := self._from_agent([public]):
            return held
        private = path.with_suffix("")
        if path.suffix != ".pub" or not private.exists():
            raise Unavailable(f"ssh-agent does not hold the key of '{path}'", fix=f"ssh-add '{private}'")
        return self._open(private, passphrase)

    def _from_agent(self, keys: list[str]) -> Signer | None:
        held = sshagent.identities(self._socket) if self._socket else []
        return next((sshagent.AgentSigner(self._socket, key) for key in keys if key in held), None)

    def plain(self, key: str) -> bytes | None:
        """The private key's file, None where it has none."""
        name = self._folder / _file_name(key)
        return _read(name, own=True) if os.path.lexists(name) else None

    def give_away(self, key: str, socket: Path) -> None:
        """The ssh-agent there has the key from now on, and its file goes."""
        name = _file_name(key)
        self._put(name + ".vault", os.fsencode(socket) + b"\n")
        (self._folder / name).unlink()
        private.sync_folder(self._folder)
        self._signers.pop(key, None)

    def take_back(self, key: str, pem: bytes) -> None:
        """The key is a file again."""
        self._put(_file_name(key), pem)
        (self._folder / (_file_name(key) + ".vault")).unlink(missing_ok=True)
        self._signers.pop(key, None)

    def _check_folders(self) -> None:
        """The folder itself is no link and ours alone; nobody else may put another one in its place."""
        private.check_folder(self._folder)
        private.check_owner(self._data, os.stat(self._data), private.WRITABLE)

    def _put(self, name: str, data: bytes) -> None:
        try:
            private.make_folders(self._folder)
            self._check_folders()
            private.write(self._folder, name, data)
        except OSError as error:
            raise Unavailable(f"'{self._folder / name}' cannot be written: {error.strerror}",
                              fix=f"make room in '{self._folder}', or let it be written to") from error


def _public(data: bytes) -> str:
    """Of a key file as people have them; empty where only the passphrase would tell."""
    if b"PRIVATE KEY-----" not in data:
        return public_keys.line(data.decode("utf-8", "replace"))
    known = private_keys.public_of(data) or ""
    return known if known or private_keys.is_encrypted(data) else private_keys.load(data).public


def _kept(socket: str, key: str) -> Signer:
    if key not in sshagent.identities(socket):
        raise Unavailable("the vault keeps this key, and its daemon does not serve it here",
                          fix="githarness vault serve", details={"socket": socket})
    return sshagent.AgentSigner(socket, key)


def _file_name(public: str) -> str:
    return public_keys.fingerprint(public).replace("/", "_").replace("+", "-")


def _read(path: Path, *, own: bool) -> bytes:
    """The file, if it is a plain one that only we can read; `own`: one that the keyring made, so never a link.

    A .pub file of a person may be read by everybody.
    """
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | (os.O_NOFOLLOW if own else 0)
    try:
        with open(os.open(path, flags), "rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode) or status.st_size > _LARGEST:
                raise Unavailable(f"'{path}' is not a key file", fix="name the file of a private key")
            data = file.read(_LARGEST)
    except FileNotFoundError as error:
        raise NotFound(f"there is no key file '{path}'", fix="name the file of an SSH key") from error
    except OSError as error:
        problem = "is a symbolic link" if error.errno == errno.ELOOP else f"cannot be read: {error.strerror}"
        raise Unavailable(f"the key file '{path}' {problem}", fix=f"ls -l '{path}'") from error
    if own or b"PRIVATE KEY-----" in data:
        private.check_owner(path, status, private.READABLE)
    return data
