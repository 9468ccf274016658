"""A person signs with the key of git's user.signingkey, where it is one of theirs."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.approvals.conftest import Office


@pytest.fixture
def grace(office: Office, tmp_path: Path) -> Path:
    """The key file of operator grace, of which githarness knows the public half alone."""
    key = _key(tmp_path / "grace")
    office.good("human", "add", "grace", "--mail", "grace@example.org", "--role", "operator", "--key", f"{key}.pub")
    return key


def _key(file: Path, passphrase: str = "") -> Path:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", passphrase, "-f", file], check=True)
    return file


def _signing(office: Office, file: str, form: str = "ssh") -> None:
    office.git("config", "gpg.format", form)
    office.git("config", "user.signingkey", file)


@pytest.mark.parametrize("name", ["{}", "{}.pub", "../grace", "~/grace"])
def test_the_file_that_git_signs_with_signs_an_approval(office: Office, grace: Path, home: Path, name: str) -> None:
    """The private key, the public half beside it, relative to the worktree, and in the home folder."""
    held = office.propose("build\nship\n")
    assert office.cli("approve", held, who="grace").code == 18
    (home / "grace").write_bytes(grace.read_bytes())
    (home / "grace").chmod(0o600)
    _signing(office, name.format(grace))
    assert "landed as" in office.good("approve", held, who="grace").out
    assert "by grace" in office.git("log", "-1", "--format=%B", "main")


def test_git_s_key_of_somebody_else_signs_for_nobody(office: Office, grace: Path, tmp_path: Path) -> None:
    """Neither a stranger's key, nor one of another owner, nor a name of a key that is none of SSH."""
    held = office.propose("build\nship\n")
    _signing(office, str(_key(tmp_path / "stranger")))
    assert office.cli("approve", held, who="grace").code == 18
    _signing(office, str(grace), "openpgp")
    assert office.cli("approve", held, who="grace").code == 18
    _signing(office, str(tmp_path / "absent"))
    assert office.cli("reject", held, who="grace").code == 18


def test_git_s_encrypted_key_asks_for_ssh_agent(office: Office, tmp_path: Path) -> None:
    """Nobody is asked for a passphrase: the error says how to go on."""
    key = _key(tmp_path / "grace", "secret")
    office.good("human", "add", "grace", "--mail", "grace@example.org", "--role", "operator", "--key", f"{key}.pub")
    held = office.propose("build\nship\n")
    _signing(office, str(key))
    done = office.cli("approve", held, who="grace")
    assert (done.code, f"ssh-add '{key}'" in done.err) == (18, True)


def test_an_owner_governs_with_git_s_key(office: Office, tmp_path: Path) -> None:
    """As every command that a person signs."""
    key = _key(tmp_path / "mia")
    office.good("human", "add", "mia", "--mail", "mia@example.org", "--role", "owner", "--key", f"{key}.pub")
    assert office.cli("agent", "add", "tester", who="mia").code == 18
    _signing(office, str(key))
    office.good("agent", "add", "tester", who="mia")
