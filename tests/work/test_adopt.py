"""`init` on real repositories: one signed commit, nothing moved, nothing of a person's swept up."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def _files(repo: Path) -> dict[str, bytes]:
    return {str(p.relative_to(repo)): p.read_bytes() for p in repo.rglob("*") if p.is_file() and ".git" not in p.parts}


def test_init_makes_a_repository_with_one_commit_that_stock_git_calls_good(cli, git, tmp_path):
    """A new folder becomes a repository on main whose one commit is the owner's."""
    ran = cli("init", "new", "--json")
    assert ran.code == 0, ran.err
    assert ran.json["branch"] == "main"
    assert ran.json["fleet"] == "new"
    assert git(tmp_path / "new", "log", "--format=%G? %GS %H") == f"G olive@example.org {ran.json['commit']}"
    assert git(tmp_path / "new", "status", "--porcelain") == ""
    assert git(tmp_path / "new", "fsck", "--strict") == ""


def test_init_adopts_thousands_of_files_without_touching_one(cli, git, make_repo):
    """The commit adds `.githarness/` and nothing else; files, modes and times stay."""
    repo = make_repo(3000, name="My Skills")
    before = {path: (repo / path).stat().st_mtime_ns for path in _files(repo)}
    ran = cli("init", "--json", cwd=repo)
    assert ran.json["fleet"] == "my-skills"
    added = git(repo, "show", "--format=", "--name-status", ran.json["commit"]).splitlines()
    assert all(line.startswith("A\t.githarness/") for line in added)
    assert before == {path: (repo / path).stat().st_mtime_ns for path in before}
    assert git(repo, "status", "--porcelain") == ""


def test_a_second_init_changes_nothing_and_says_so(cli, git, repo):
    """Idempotent: refs, configuration and hooks are the same bytes after it."""
    cli("init", cwd=repo)
    before = git(repo, "rev-parse", "HEAD"), {p: p.read_bytes() for p in (repo / ".git/hooks").iterdir()}
    config = (repo / ".git/config").read_bytes()
    ran = cli("init", cwd=repo)
    assert ran.out.startswith("nothing to do")
    assert config == (repo / ".git/config").read_bytes()
    assert before == (git(repo, "rev-parse", "HEAD"), {p: p.read_bytes() for p in (repo / ".git/hooks").iterdir()})


def test_staged_and_unstaged_edits_stay_out_of_the_commit(cli, git, repo):
    """A person's half-done work is as it was: staged stays staged, edited stays edited."""
    (repo / "docs/0000.md").write_text("staged\n")
    git(repo, "add", "docs/0000.md")
    (repo / "docs/0001.md").write_text("edited\n")
    (repo / "new.md").write_text("untracked\n")
    before = git(repo, "status", "--porcelain")
    assert cli("init", cwd=repo).code == 0
    assert git(repo, "status", "--porcelain") == before
    assert "docs/" not in git(repo, "show", "--name-only", "--format=", "HEAD")


def test_a_clone_is_set_up_without_a_commit(cli, git, repo, tmp_path):
    """In a clone of a governed repository init only sets up that clone."""
    cli("init", cwd=repo)
    git(tmp_path, "clone", "-q", repo, tmp_path / "clone")
    ran = cli("init", "--json", cwd=tmp_path / "clone")
    assert (ran.code, ran.json["commit"], ran.json["changed"]) == (0, None, True)
    assert git(tmp_path / "clone", "log", "-1", "--format=%G?") == "G"
    assert (tmp_path / "clone/.git/hooks/pre-push").exists()


def test_init_works_from_a_linked_worktree_and_signatures_verify_in_each(cli, git, repo, tmp_path):
    """Hooks and configuration are the clone's; every worktree that has the signers' file verifies by it."""
    git(repo, "switch", "-q", "-c", "other")
    git(repo, "worktree", "add", "-q", tmp_path / "linked", "main")
    assert cli("init", cwd=tmp_path / "linked").code == 0
    git(repo, "worktree", "add", "-q", "--detach", tmp_path / "third", "main")
    (tmp_path / "third/docs").mkdir(exist_ok=True)
    for place in (tmp_path / "linked", tmp_path / "third", tmp_path / "third/docs"):
        assert git(place, "log", "-1", "--format=%G?", "main") == "G"


def test_a_branch_made_before_init_does_not_become_a_second_governed_branch(cli, git, repo):
    """The clone knows what it governs, whatever is checked out."""
    git(repo, "branch", "old")
    cli("init", cwd=repo)
    git(repo, "switch", "-q", "old")
    assert cli("init", "--json", cwd=repo).json["branch"] == "main"
    assert git(repo, "rev-parse", "old") == git(repo, "rev-parse", "main~1")


def test_refused_repositories_get_a_named_error_with_a_fix(cli, git, make_repo, tmp_path):
    """Bare, shallow and detached ones, and a folder inside another repository, are refused before anything changes."""
    repo = make_repo()
    git(repo, "commit", "-q", "--allow-empty", "-m", "second")
    git(tmp_path, "clone", "-q", "--depth=1", f"file://{repo}", tmp_path / "shallow")
    bare = make_repo(name="bare", bare=True)
    git(repo, "checkout", "-q", "--detach")
    for place, code in ((bare, 18), (tmp_path / "shallow", 18), (repo, 18)):
        ran = cli("init", "--json", cwd=place)
        assert (ran.code, bool(ran.json["error"]["fix"])) == (code, True)
    assert cli("init", "sub", cwd=repo).code == 2
    assert not (repo / "sub").exists()


def test_nobody_named_is_wrong_usage_with_the_fix(cli, home, repo):
    """Without --owner and git's user.email there is no owner."""
    (home / ".gitconfig").write_text("")
    ran = cli("init", "--json", cwd=repo)
    assert ran.code == 2
    assert "--owner" in ran.json["error"]["fix"]
    assert cli("init", "--owner", "Ada Lovelace <ada@example.org>", cwd=repo).code == 0
    assert cli("agent", "add", "deployer", cwd=repo).code == 0


def test_dry_run_changes_nothing(cli, git, repo, tmp_path):
    """It says what would be done, in an existing and in a new folder."""
    before = {p: p.read_bytes() for p in repo.rglob("*") if p.is_file()}
    ran = cli("init", "--dry-run", cwd=repo)
    assert "adopt githarness" in ran.out
    assert before == {p: p.read_bytes() for p in repo.rglob("*") if p.is_file()}
    assert cli("init", "--dry-run", "fresh").code == 0
    assert not (tmp_path / "fresh").exists()


def test_identity_files_are_exact_in_a_clone_that_converts_line_ends(cli, git, repo, tmp_path):
    """Neither core.autocrlf nor a .gitattributes of the repository changes a byte of `.githarness/`."""
    (repo / ".gitattributes").write_text("* text eol=crlf\n")
    git(repo, "add", ".gitattributes")
    git(repo, "commit", "-q", "-m", "attributes")
    git(repo, "config", "core.autocrlf", "true")
    assert cli("init", cwd=repo).code == 0
    git(tmp_path, "clone", "-q", "-c", "core.autocrlf=true", repo, tmp_path / "clone")
    for place in (repo, tmp_path / "clone"):
        assert all(b"\r" not in file.read_bytes() for file in (place / ".githarness").rglob("*") if file.is_file())
        assert git(place, "log", "-1", "--format=%G?", "--", ".githarness") in ("G", "N")
        assert git(place, "status", "--porcelain") == ""


def test_two_inits_at_once_make_one_commit(git, repo):
    """The second finds the first one's work."""
    command = [sys.executable, "-m", "githarness", "-C", str(repo), "init"]
    started = [subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT) for _ in range(4)]
    assert [one.wait() for one in started] == [0] * 4
    for one in started:
        one.communicate()
    assert git(repo, "rev-list", "--count", "HEAD") == "2"


def test_a_file_is_no_place_for_a_repository(cli, tmp_path):
    """Neither the file itself nor a path below it; the file stays."""
    (tmp_path / "note").write_text("mine")
    assert cli("init", "note").code == cli("init", "note/deeper").code == 2
    assert (tmp_path / "note").read_text() == "mine"
