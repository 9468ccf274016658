"""`doctor` finds what is planted, names a fix, and exits 1 for what fails."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


def _items(cli, repo: Path, **env: str) -> dict[str, dict[str, str]]:
    ran = cli("doctor", "--json", cwd=repo, **env)
    items = ran.json["items"]
    assert ran.code == (1 if any(item["state"] == "fail" for item in items) else 0)
    assert all(item["fix"] for item in items if item["state"] != "ok")
    return {item["check"]: item for item in items}


def test_a_fresh_set_up_passes_and_is_graded_honestly(cli, fleet):
    """Nothing fails; no surface claims to be enforced; the unencrypted owner key has its price named."""
    items = _items(cli, fleet)
    assert {check for check, item in items.items() if item["state"] != "ok"} == {"person"}
    assert items["person"]["grade"] == "advisory"
    assert "approvals" in items["person"]["detail"]
    grades = {item["grade"] for item in items.values()}
    assert grades == {None, "advisory", "best-effort"}


def test_an_ungoverned_repository_fails_with_the_way_in(cli, repo, tmp_path):
    """There is one finding, its fix is init; outside of a repository there is nothing to look at."""
    assert cli("doctor", "--json", cwd=repo).json["items"][0]["fix"] == "githarness init"
    assert cli("doctor", cwd=tmp_path).code == 14


def _hooks_path(git, repo):
    git(repo, "config", "core.hooksPath", "elsewhere")


def _no_hook(git, repo):
    (repo / ".git/hooks/pre-push").unlink()


def _no_checkout_hook(git, repo):
    (repo / ".git/hooks/post-checkout").unlink()


def _not_executable(git, repo):
    (repo / ".git/hooks/pre-push").chmod(0o644)


def _foreign_lock(git, repo):
    (repo / ".git/index.lock").touch()
    os.utime(repo / ".git/index.lock", (1, 1))


def _our_lock(git, repo):
    (repo / ".git/githarness/worktree-main.lock").touch()
    os.link(repo / ".git/githarness/worktree-main.lock", repo / ".git/index.lock")
    os.utime(repo / ".git/index.lock", (1, 1))


def _expiry(git, repo):
    git(repo, "config", "gc.pruneExpire", "now")


def _staged(git, repo):
    (repo / "runbooks/release.md").write_text("staged\n")
    git(repo, "add", "runbooks/release.md")


def _merge(git, repo):
    (repo / ".git/MERGE_HEAD").write_text(git(repo, "rev-parse", "HEAD") + "\n")


def _signers_config(git, repo):
    git(repo, "config", "gpg.ssh.allowedSignersFile", "/elsewhere")


def _wide_keys(git, repo):
    for key in Path(os.environ["XDG_DATA_HOME"], "githarness/keys").iterdir():
        key.chmod(0o644)


def _signers_content(git, repo):
    (repo / ".githarness/allowed_signers").write_text("")
    git(repo, "commit", "-q", "-a", "-m", "by hand")


def _broken_identity(git, repo):
    (repo / ".githarness/agents/deployer.yaml").write_text("version: 1\nversion: 1\n")
    git(repo, "commit", "-q", "-a", "-m", "by hand")


@pytest.mark.parametrize(("plant", "check", "state"), [
    (_hooks_path, "core.hooksPath", "fail"), (_no_hook, "pre-push", "fail"), (_not_executable, "pre-push", "fail"),
    (_no_checkout_hook, "post-checkout", "warn"), (_foreign_lock, "locks", "fail"), (_our_lock, "locks", "warn"),
    (_expiry, "reflog", "warn"),
    (_staged, "pending paths", "warn"), (_merge, "checkout", "warn"), (_signers_config, "set-up", "fail"),
    (_wide_keys, "key files", "fail"), (_signers_content, "allowed signers", "fail"),
    (_broken_identity, "identities", "fail"),
])
def test_what_is_planted_is_found(cli, git, fleet, plant, check, state):
    """Each fault is named by its check and in its weight."""
    plant(git, fleet)
    assert _items(cli, fleet)[check]["state"] == state


def test_a_host_without_the_keys_is_told_how_to_get_them(cli, fleet, tmp_path):
    """Neither the owner's nor the agent's key is here: what can be done is said."""
    items = _items(cli, fleet, XDG_DATA_HOME=str(tmp_path / "other"))
    assert items["agent keys"]["fix"] == "githarness agent enroll deployer"
    assert items["person"]["state"] == "warn"


def test_kinds_of_clones(cli, git, fleet, tmp_path):
    """A shallow clone fails, a partial and a sparse one are degraded."""
    clone = ("clone", "-q", "-c", "uploadpack.allowFilter=true")
    git(fleet, "config", "uploadpack.allowFilter", "true")
    git(tmp_path, *clone, "--depth=1", f"file://{fleet}", tmp_path / "shallow")
    git(tmp_path, *clone, "--filter=blob:none", "--sparse", f"file://{fleet}", tmp_path / "partial")
    assert _items(cli, tmp_path / "shallow")["history"]["state"] == "fail"
    items = _items(cli, tmp_path / "partial")
    assert (items["history"]["state"], items["sparse checkout"]["state"]) == ("warn", "warn")


def test_a_bare_repository_is_not_sent_to_init(cli, git, fleet, tmp_path):
    """Init would send it back."""
    git(tmp_path, "clone", "-q", "--bare", fleet, tmp_path / "bare")
    assert "clone" in _items(cli, tmp_path / "bare")["set-up"]["fix"]


def test_people_read_a_line_a_check(cli, fleet):
    """Without --json every finding is a line, with its fix below where there is something to do."""
    lines = cli("doctor", cwd=fleet).out.splitlines()
    assert "ok   governed branch: main of fleet acme" in lines
    assert "     fix: " in "\n".join(lines)
