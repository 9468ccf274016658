"""Agents' signing keys behind the vault's ssh-agent: writes go on while the vault is locked; no file has the key."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import Ran
from tests.proxy.served import Served, served


@pytest.fixture
def vault(_fleet_template: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(_fleet_template, tmp_path_factory.mktemp("k")) as made:
        made.before = _private_files(made)  # type: ignore[attr-defined]
        made.cli("vault", "keys", "adopt", "deployer")
        yield made


def _private_files(vault: Served) -> set[str]:
    folder = Path(vault.env["XDG_DATA_HOME"])
    return {path.name for path in folder.rglob("*") if path.is_file() and b"PRIVATE KEY-----" in path.read_bytes()}


def _write(vault: Served, agent: str = "deployer") -> Ran:
    return vault.cli("append", "log.md", "--agent", agent, stdin="x\n", ok=False)


def test_an_adopted_key_signs_and_is_in_no_file(vault: Served) -> None:
    """The write is one like any other, and verifies."""
    assert len(vault.before) - len(_private_files(vault)) == 1  # type: ignore[attr-defined]
    assert _write(vault).code == 0
    assert vault.cli("--json", "verify").json["violations"] == []


def test_a_locked_vault_does_not_stop_writes(vault: Served) -> None:
    """Its slot is its own; the secrets are locked all the same."""
    vault.cli("vault", "lock")
    assert vault.cli("--json", "vault", "status").json["state"] == "locked"
    assert _write(vault).code == 0


def test_without_the_daemon_the_writer_is_told(vault: Served) -> None:
    """An error of its own with the fix; other agents write on; the daemon alone makes it good again."""
    vault.stop()
    done = _write(vault)
    assert (done.code, "githarness vault serve" in done.err) == (18, True)
    assert _write(vault, "scribe").code == 0
    vault.serve()
    assert _write(vault).code == 0


def test_release_makes_it_a_file_again(vault: Served) -> None:
    """No daemon is needed any more, and nothing of the key is left behind the vault."""
    vault.cli("vault", "keys", "release", "--all")
    vault.stop()
    assert _private_files(vault) == vault.before  # type: ignore[attr-defined]
    assert _write(vault).code == 0
    kept = [path for path in Path(vault.env["XDG_DATA_HOME"]).rglob("signing/SHA256*")]
    assert kept == []


def test_an_adopted_key_signs_nothing_else(vault: Served, tmp_path: Path) -> None:
    """Not a file, not a login: only for git and githarness."""
    socket = vault.cli("--json", "vault", "status").json["ssh_agent"]
    listed = subprocess.run(["ssh-add", "-L"], env={**os.environ, "SSH_AUTH_SOCK": socket}, capture_output=True,
                            text=True, check=True).stdout
    (tmp_path / "k.pub").write_text(listed)
    (tmp_path / "doc").write_text("x")
    codes = [subprocess.run(["ssh-keygen", "-Y", "sign", "-n", namespace, "-f", "k.pub", "doc"], cwd=tmp_path,
                            env={**os.environ, "SSH_AUTH_SOCK": socket}, capture_output=True, check=False).returncode
             for namespace in ("file", "git")]
    assert codes == [255, 0]


def test_a_kept_key_that_was_changed_signs_nothing(vault: Served) -> None:
    """What lies on the disk is authenticated."""
    kept = next(Path(vault.env["XDG_DATA_HOME"]).rglob("signing/SHA256*"))
    data = bytearray(kept.read_bytes())
    data[-1] ^= 1
    kept.write_bytes(data)
    os.utime(kept.parent)
    vault.stop()
    vault.serve()
    assert _write(vault).code == 18
