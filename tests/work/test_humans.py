"""People of a fleet, by the commands."""

from __future__ import annotations

import subprocess
from pathlib import Path


def _add(cli, repo: Path, name: str, *args: str, role: str = "operator"):
    return cli("human", "add", name, "--mail", f"{name}@example.org", "--role", role, *args, "--json", cwd=repo)


def test_a_person_is_added_by_a_public_key(cli, git, fleet, tmp_path):
    """The key of a .pub file becomes the identity's, without its comment."""
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / "grace"], check=True)
    ran = _add(cli, fleet, "grace", "--key", str(tmp_path / "grace.pub"))
    assert ran.json["keys"][0]["key"] == " ".join((tmp_path / "grace.pub").read_text().split()[:2])
    assert ran.json["keys"][0]["here"] is False
    assert "grace@example.org" in git(fleet, "show", "HEAD:.githarness/allowed_signers")


def test_a_private_key_that_is_given_signs_here(cli, git, fleet, tmp_path):
    """A second owner with a key of this host can act at once."""
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / "grace"], check=True)
    assert _add(cli, fleet, "grace", "--key", str(tmp_path / "grace"), role="owner").json["keys"][0]["here"] is True
    git(fleet, "config", "user.email", "grace@example.org")
    assert cli("agent", "add", "worker", cwd=fleet).code == 0
    assert git(fleet, "log", "-1", "--format=%G? %GS") == "G grace@example.org"


def test_the_same_person_again_is_no_error_but_another_role_or_a_taken_mail_is(cli, fleet):
    """Idempotent, never a silent change."""
    assert _add(cli, fleet, "grace").json["commit"]
    assert _add(cli, fleet, "grace").json["commit"] is None
    assert _add(cli, fleet, "grace", role="owner").code == 11
    assert cli("human", "add", "g2", "--mail", "GRACE@example.org", "--role", "operator", cwd=fleet).code == 11
    assert _add(cli, fleet, "ada", role="admin").code == 2
    assert cli("human", "add", "bot", "--mail", "bot@acme.invalid", "--role", "operator", cwd=fleet).code == 2


def test_a_key_belongs_to_one_identity(cli, fleet, tmp_path):
    """A second person with the same key would make signatures ambiguous."""
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / "grace"], check=True)
    assert _add(cli, fleet, "grace", "--key", str(tmp_path / "grace.pub")).code == 0
    assert _add(cli, fleet, "ada", "--key", str(tmp_path / "grace.pub")).code == 11


def test_the_last_owner_stays(cli, git, fleet):
    """Owners can be retired while another one remains; a retired one may do nothing."""
    assert cli("human", "retire", "olive", cwd=fleet).code == 11
    _add(cli, fleet, "grace", role="owner")
    assert cli("human", "retire", "olive", "--json", cwd=fleet).json["retired"]
    assert cli("agent", "add", "worker", cwd=fleet).code == 10
    git(fleet, "config", "user.email", "grace@example.org")
    assert cli("human", "retire", "grace", cwd=fleet).code == 11
    assert cli("human", "retire", "nobody", cwd=fleet).code == 14
