"""Which key signs for the owner: the one given, git's, ssh-agent's, the home folder's, or a new one."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest


def _keygen(file: Path, passphrase: str = "") -> str:
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", passphrase, "-f", file], check=True)
    return " ".join(file.with_suffix(".pub").read_text().split()[:2])


def _signed_by(cli, repo: Path, *args: str, **env: str) -> str:
    ran = cli("init", *args, cwd=repo, **env)
    assert ran.code == 0, ran.err
    return cli("human", "list", "--json", cwd=repo).json["items"][0]["keys"][0]["key"]


@pytest.fixture
def agent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """A running ssh-agent."""
    path = str(tmp_path_factory.mktemp("a") / "s")
    process = subprocess.Popen(["ssh-agent", "-D", "-a", path], stdout=subprocess.PIPE)
    assert process.stdout and process.stdout.readline()
    yield {"SSH_AUTH_SOCK": path}
    process.terminate()
    process.communicate()


def test_the_key_file_that_is_given(cli, repo, tmp_path):
    """--signing-key is used in place, not copied."""
    public = _keygen(tmp_path / "mine")
    assert _signed_by(cli, repo, "--signing-key", str(tmp_path / "mine")) == public


def test_the_key_that_git_signs_with(cli, git, repo, tmp_path):
    """user.signingkey counts where gpg.format is ssh."""
    public = _keygen(tmp_path / "gits")
    git(repo, "config", "gpg.format", "ssh")
    git(repo, "config", "user.signingkey", tmp_path / "gits.pub")
    assert _signed_by(cli, repo) == public


def test_a_key_of_ssh_agent(cli, repo, tmp_path, agent):
    """An encrypted key that the agent holds signs without a question."""
    public = _keygen(tmp_path / "held", "secret")
    askpass = tmp_path / "askpass"
    askpass.write_text("#!/bin/sh\necho secret\n")
    askpass.chmod(0o755)
    asking = {**os.environ, **agent, "SSH_ASKPASS": str(askpass), "SSH_ASKPASS_REQUIRE": "force"}
    subprocess.run(["ssh-add", "-q", tmp_path / "held"], env=asking, check=True)
    assert _signed_by(cli, repo, **agent) == public
    assert cli("agent", "add", "deployer", cwd=repo, **agent).code == 0
    assert cli("agent", "add", "other", cwd=repo).code == 18


def test_the_key_of_the_home_folder_unless_it_is_encrypted(cli, home, make_repo):
    """~/.ssh/id_ed25519 is used where nobody has to be asked; else a new key is made."""
    public = _keygen(home / ".ssh/id_ed25519", "secret")
    assert _signed_by(cli, make_repo(name="one")) != public
    (home / ".ssh/id_ed25519").unlink()
    public = _keygen(home / ".ssh/id_ed25519")
    assert _signed_by(cli, make_repo(name="two")) == public


def test_an_encrypted_key_that_is_given_needs_a_terminal_or_the_agent(cli, git, repo, tmp_path):
    """Without either the error says what to do, and nothing has changed."""
    _keygen(tmp_path / "mine", "secret")
    ran = cli("init", "--signing-key", str(tmp_path / "mine"), cwd=repo)
    assert (ran.code, "ssh-add" in ran.err) == (18, True)
    assert git(repo, "rev-list", "--count", "HEAD") == "1"
