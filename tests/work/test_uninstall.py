"""`uninstall` gives a clone back what `init` found, byte for byte, and keeps the history."""

from __future__ import annotations

from pathlib import Path

import pytest


def _config(repo: Path) -> tuple[bytes, int]:
    return (repo / ".git/config").read_bytes(), (repo / ".git/config").stat().st_mode


@pytest.mark.parametrize("extra", [
    "", "# no newline at the end", "[gpg \"ssh\"]\n\tallowedSignersFile = ~/mine ; kept\n",
    "[GPG \"ssh\"] allowedSignersFile=/one\n[githarness]\n\tbranch=old\n\tbranch=older\n",
])
def test_the_configuration_comes_back_byte_for_byte(cli, repo, extra):
    """Comments, order, spelling and missing newlines included."""
    with open(repo / ".git/config", "a") as config:
        config.write(extra)
    (repo / ".git/config").chmod(0o600)
    before = _config(repo)
    assert cli("init", cwd=repo).code == 0
    assert cli("init", cwd=repo).out.startswith("nothing to do")
    assert cli("uninstall", cwd=repo).code == 0
    assert _config(repo) == before


def test_what_others_set_in_between_stays(cli, git, repo):
    """Our keys go or get their former values; a key that somebody changed after us is theirs."""
    git(repo, "config", "gpg.ssh.allowedSignersFile", "/former")
    cli("init", cwd=repo)
    git(repo, "remote", "add", "origin", "/somewhere")
    git(repo, "config", "githarness.branch", "theirs")
    cli("uninstall", cwd=repo)
    assert git(repo, "config", "gpg.ssh.allowedSignersFile") == "/former"
    assert git(repo, "config", "remote.origin.url") == "/somewhere"
    assert git(repo, "config", "githarness.branch") == "theirs"


def test_a_missing_hooks_folder_is_missing_again(cli, repo):
    """A clone made without templates has no hooks folder."""
    hooks = repo / ".git/hooks"
    for file in hooks.iterdir():
        file.unlink()
    hooks.rmdir()
    cli("init", cwd=repo)
    assert (hooks / "pre-push").exists()
    cli("uninstall", cwd=repo)
    assert not hooks.exists()


def test_history_stays_and_the_clone_can_be_set_up_again(cli, git, repo):
    """Commits and the clone's own records stay; without ours there is nothing to do."""
    cli("init", cwd=repo)
    head = git(repo, "rev-parse", "HEAD")
    assert cli("uninstall", "--dry-run", cwd=repo).code == 0
    assert (repo / ".git/githarness/adopted.json").exists()
    cli("uninstall", cwd=repo)
    assert (git(repo, "rev-parse", "HEAD"), git(repo, "status", "--porcelain")) == (head, "")
    assert "nothing to do" in cli("uninstall", cwd=repo).out
    assert cli("init", "--json", cwd=repo).json["commit"] is None
