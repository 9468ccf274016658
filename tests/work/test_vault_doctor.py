"""What `doctor` says of the vault: each line by the thing that it is about."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

Said = Callable[[], dict[str, tuple[str, str]]]


@pytest.fixture
def said(cli, fleet: Path) -> Said:
    """State and detail by the name of the check."""
    def now() -> dict[str, tuple[str, str]]:
        items = cli("doctor", "--json", cwd=fleet).json["items"]
        return {one["check"]: (one["state"], one["detail"]) for one in items if one["check"].startswith("vault")}

    return now


@pytest.fixture
def vaulted(cli, fleet: Path, home: Path) -> Path:
    """The folder of the keys of a vault with one secret."""
    (home / "data").chmod(0o700)
    assert cli("vault", "init", cwd=fleet).code == 0
    assert cli("vault", "set", "ci/token", cwd=fleet, stdin="the-value-of-ci").code == 0
    return next((home / "data" / "githarness" / "vault").iterdir())


def test_a_repository_without_a_vault_is_told_nothing(said: Said) -> None:
    """No line is about what is not there."""
    assert said() == {}


def test_a_sound_vault(said: Said, vaulted: Path) -> None:
    """Records and keys are right; that nothing serves it, and nothing starts it at boot, is a warning each."""
    found = said()
    assert {name: state for name, (state, _) in found.items()} == {
        "vault records": "ok", "vault keys": "ok", "vault daemon": "warn", "vault at boot": "warn"}
    assert found["vault keys"][1].startswith("slots: keyfile")


def test_a_record_that_is_refused_is_named(said: Said, vaulted: Path, fleet: Path, git) -> None:
    """An older version that a plain commit brought back."""
    path = ".githarness/vault/ci/token"
    old = (fleet / path).read_bytes()
    subprocess.run(["git", "rm", "-q", "--cached", path], cwd=fleet, check=True)
    (fleet / path).write_bytes(old.replace(b"modes: exec, get", b"modes: exec, get, sign"))
    git(fleet, "add", path)
    git(fleet, "commit", "-q", "--no-verify", "-m", "more modes")
    state, detail = said()["vault records"]
    assert state == "fail" and detail.startswith("'ci/token' is refused: ")


def test_keys_that_others_can_read_are_told(said: Said, vaulted: Path) -> None:
    """By the check that is about them, with the others still made."""
    vaulted.chmod(0o755)
    assert said()["vault keys"][0] == "fail"


def test_keys_that_are_elsewhere_are_told(said: Said, vaulted: Path) -> None:
    """A clone without keys reads no secret, which is no fault."""
    (vaulted / "keyslots.json").rename(vaulted / "elsewhere")
    assert said()["vault keys"][0] == "warn"


def test_a_locked_vault_is_told(said: Said, vaulted: Path) -> None:
    """After a boot it stays shut, and who reads doctor knows why."""
    (vaulted / "locked").touch(mode=0o600)
    state, detail = said()["vault keys"]
    assert (state, detail) == ("warn", "the vault is locked: agents get no secret")
