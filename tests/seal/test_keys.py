"""Private keys in files: what OpenSSH writes is read, what is written here OpenSSH reads."""

from __future__ import annotations

import base64
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from githarness.errors import HarnessError, Integrity, Unavailable
from githarness.seal import keys, public, wire

KINDS = ["ed25519", "ecdsa-256", "ecdsa-384", "ecdsa-521", "rsa-2048"]


def ssh_keygen(*arguments: str | Path) -> str:
    return subprocess.run(["ssh-keygen", *arguments], capture_output=True, text=True, check=True).stdout


def test_a_new_key_is_one_that_openssh_reads(tmp_path: Path) -> None:
    """ssh-keygen finds in our file the same public key and fingerprint."""
    key = keys.generate()
    path = tmp_path / "key"
    path.write_bytes(key.to_pem())
    path.chmod(0o600)
    assert ssh_keygen("-y", "-f", path).split() == key.public.split()
    assert ssh_keygen("-l", "-f", path).split()[1] == keys.fingerprint(key.public)


@pytest.mark.parametrize("kind", KINDS)
def test_keys_of_openssh_are_read(kind: str, key_files: Mapping[str, Path]) -> None:
    """A file of ssh-keygen gives the key of its .pub, and survives being written again."""
    key = keys.load(key_files[kind].read_bytes())
    assert key.public == public.line(key_files[kind].with_suffix(".pub").read_text())
    assert keys.load(key.to_pem()).public == key.public
    assert keys.public_of(key.to_pem()) == key.public


@pytest.mark.parametrize("form", ["PEM", "PKCS8"])
def test_encrypted_pem_opens_with_its_passphrase_only(form: str, tmp_path: Path) -> None:
    """The two older forms open with the right passphrase; without it or with another one there is a fix."""
    path = tmp_path / "key"
    ssh_keygen("-q", "-t", "rsa", "-b", "2048", "-m", form, "-N", "secret", "-f", path)
    assert keys.is_encrypted(path.read_bytes())
    assert keys.load(path.read_bytes(), b"secret").public == public.line(path.with_suffix(".pub").read_text())
    for passphrase in (None, b"wrong", b""):
        with pytest.raises(Unavailable) as caught:
            keys.load(path.read_bytes(), passphrase)
        assert caught.value.fix


def test_an_encrypted_file_tells_its_public_key(tmp_path: Path) -> None:
    """OpenSSH's format has the public key in the clear, so that ssh-agent can be asked for it."""
    path = tmp_path / "key"
    ssh_keygen("-q", "-t", "ed25519", "-N", "secret", "-f", path)
    assert keys.is_encrypted(path.read_bytes())
    assert keys.public_of(path.read_bytes()) == public.line(path.with_suffix(".pub").read_text())
    with pytest.raises(Unavailable, match="encrypted"):
        keys.load(path.read_bytes())


def test_damaged_key_files_are_named_errors() -> None:
    """Whatever byte is missing or wrong, loading says so in its own words."""
    pem = keys.generate().to_pem()
    for at in range(0, len(pem), 3):
        for damaged in (pem[:at], pem[:at] + b"\xff" + pem[at + 1 :], pem[:at] + b"A" + pem[at:]):
            try:
                keys.load(damaged)
            except HarnessError as error:
                assert error.fix


def test_a_dsa_key_does_not_sign_here() -> None:
    """A key file of a type that OpenSSH has given up is refused by the type in its head."""
    fields = [b"none", b"none", b"", b"ssh-dss"]
    blob = b"openssh-key-v1\0" + b"".join(map(wire.string, fields[:3])) + b"\0\0\0\1"
    blob += wire.string(wire.string(fields[3]) + wire.mpint(7) * 4) + wire.string(bytes(64))
    lines = b"-----BEGIN OPENSSH PRIVATE KEY-----\n%s\n-----END OPENSSH PRIVATE KEY-----\n"
    with pytest.raises(Integrity, match="ssh-dss"):
        keys.load(lines % base64.b64encode(blob))


def test_a_private_key_does_not_show_itself() -> None:
    """Neither repr nor an error text carries the key."""
    key = keys.generate()
    assert "Ed25519PrivateKey" not in repr(key)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ssh-ed25519",
        "ssh-ed25519 AAAA",
        "ssh-ed25519 !",
        "ssh-dss AAAAB3NzaC1kc3M=",
        "ssh-rsa AAAAC3NzaC1lZDI1NTE5AAAAIOSO5S/UE7oIt8dX1vxZi0kiEAiOgxM7UzFeakyW8EJ5",
    ],
)
def test_a_line_that_is_no_public_key_is_refused(text: str) -> None:
    """Missing parts, other types and types that contradict the content are refused."""
    with pytest.raises(Integrity):
        public.line(text)
