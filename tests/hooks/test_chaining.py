"""Every set-up of hooks that people have goes on working beside ours, and comes back byte for byte."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
HUSKY_H = """#!/usr/bin/env sh
[ "$HUSKY" = "2" ] && set -x
n=$(basename "$0")
s=$(dirname "$(dirname "$0")")/$n

[ ! -f "$s" ] && exit 0

export PATH="node_modules/.bin:$PATH"
sh -e "$s" "$@"
c=$?

[ $c != 0 ] && echo "husky - $n script failed (code $c)"
exit $c
"""
LEFTHOOK = """#!/bin/sh

if [ "$LEFTHOOK_VERBOSE" = "1" -o "$LEFTHOOK_VERBOSE" = "true" ]; then
  set -x
fi

if [ "$LEFTHOOK" = "0" ]; then
  exit 0
fi

call_lefthook()
{
  echo "lefthook $*" >> "$LEFTHOOK_LOG"
}

call_lefthook run "pre-push" "$@"
"""


def _snapshot(folder: Path) -> dict[str, tuple[int, bytes | str]]:
    """Mode and content of every file, links as what they say."""
    return {
        str(entry.relative_to(folder)): (
            (0, os.readlink(entry)) if entry.is_symlink() else (entry.stat().st_mode, entry.read_bytes())
        )
        for entry in folder.rglob("*") if entry.is_symlink() or entry.is_file()
    }


def _clone_state(repo: Path):
    return _snapshot(repo / ".git/hooks"), (repo / ".git/config").read_bytes(), (repo / ".git/config").stat().st_mode


def _there_and_back(cli, repo: Path, before) -> None:
    assert cli("uninstall", cwd=repo).code == 0
    assert _clone_state(repo) == before


def test_a_hook_of_ones_own_runs_first_with_its_arguments_and_stdin(cli, git, pushing, telling, log):
    """The former pre-push sees what git gives; uninstall puts the same file back."""
    telling(pushing / ".git/hooks/pre-push")
    before = _clone_state(pushing)
    assert cli("init", cwd=pushing).code == 0
    git(pushing, "push", "-q", "origin", "main")
    first, second = log.read_text().splitlines()
    assert first.split()[1:] == ["origin", str(pushing.parent / "up.git")]
    assert second == f"refs/heads/main {git(pushing, 'rev-parse', 'main')} refs/heads/main {'0' * 40}"
    _there_and_back(cli, pushing, before)


def test_a_former_hook_that_says_no_stops_the_push(cli, git, pushing, telling, remote):
    """Its exit code counts as before."""
    telling(pushing / ".git/hooks/pre-push", code=7)
    cli("init", cwd=pushing)
    git(pushing, "push", "-q", "origin", "main", ok=False)
    assert git(remote, "for-each-ref") == ""


def test_a_post_checkout_hook_of_ones_own_runs_with_its_arguments_and_exit(cli, git, pushing, telling, log):
    """Ours starts nothing where no write came in between, and never fails a checkout by itself."""
    telling(pushing / ".git/hooks/post-checkout", code=5)
    before = _clone_state(pushing)
    cli("init", cwd=pushing)
    shim = pushing / ".git/hooks/post-checkout"
    shim.write_text(shim.read_text().replace(sys.executable, str(telling(pushing / ".git/python"))))
    ran = subprocess.run(["git", "switch", "-q", "-c", "side"], cwd=pushing, check=False, stdin=subprocess.DEVNULL)
    head = git(pushing, "rev-parse", "HEAD")
    assert (ran.returncode, log.read_text().split()[1:]) == (1, [head, head, "1"])
    _there_and_back(cli, pushing, before)


def test_a_checkout_never_fails_by_our_hook(cli, git, pushing, tmp_path):
    """Whatever goes wrong in it is a note."""
    cli("init", cwd=pushing)
    git(pushing, "checkout", "-q", "-b", "side")
    for database in (pushing / ".git/githarness").glob("harness.db*"):
        database.write_text("nothing of SQLite")
    hook = [pushing / ".git/hooks/post-checkout", "0" * 40, "0" * 40, "1"]
    ran = subprocess.run(hook, cwd=pushing, check=False, capture_output=True, text=True)
    assert (ran.returncode, ran.stderr[:46]) == (0, "note: githarness did not look after this check")


@pytest.mark.parametrize("kind", ["link", "broken link", "not executable"])
def test_odd_hooks_come_back_as_they_were(cli, git, pushing, telling, log, kind):
    """Links stay links, disabled hooks stay disabled."""
    hook = pushing / ".git/hooks/pre-push"
    if kind == "not executable":
        telling(hook).chmod(0o640)
    else:
        telling(pushing / "scripts/push.sh")
        hook.symlink_to("../../scripts/push.sh" if kind == "link" else "../../scripts/gone.sh")
    before = _clone_state(pushing)
    cli("init", cwd=pushing)
    git(pushing, "push", "-q", "origin", "main")
    assert log.exists() == (kind == "link")
    _there_and_back(cli, pushing, before)


@pytest.mark.parametrize("absolute", [False, True])
def test_a_hooks_folder_under_version_control_is_not_touched(cli, git, pushing, telling, log, absolute):
    """core.hooksPath, relative or absolute: its hooks run by their own path, new ones too; the setting comes back."""
    telling(pushing / ".githooks/pre-push")
    telling(pushing / ".githooks/commit-msg")
    git(pushing, "config", "core.hooksPath", pushing / ".githooks" if absolute else ".githooks")
    before, tracked = _clone_state(pushing), _snapshot(pushing / ".githooks")
    assert cli("init", cwd=pushing).code == 0
    telling(pushing / ".githooks/post-commit")
    git(pushing, "commit", "-q", "--allow-empty", "-m", "x", stdin="")
    git(pushing, "push", "-q", "origin", "main")
    ran = [line.split()[0].rpartition("/")[2] for line in log.read_text().splitlines() if "hooks/" in line]
    assert ran == ["commit-msg", "post-commit", "pre-push"]
    (pushing / ".githooks/post-commit").unlink()
    assert _snapshot(pushing / ".githooks") == tracked
    _there_and_back(cli, pushing, before)


def test_a_hooks_folder_of_all_repositories_goes_on(cli, git, home, pushing, telling, log, tmp_path):
    """A global core.hooksPath under the home folder is passed on to, also after the repository was moved."""
    telling(home / "hooks/post-commit")
    git(pushing, "config", "--global", "core.hooksPath", "~/hooks")
    before = _clone_state(pushing)
    cli("init", cwd=pushing)
    git(pushing, "commit", "-q", "--allow-empty", "-m", "x", stdin="")
    moved = pushing.rename(tmp_path / "moved")
    assert cli("doctor", cwd=moved).code == 1
    cli("init", cwd=moved)
    git(moved, "commit", "-q", "--allow-empty", "-m", "y", stdin="")
    assert len(log.read_text().splitlines()) == 2
    _there_and_back(cli, moved, before)


def test_a_relative_hooks_folder_is_that_of_each_worktree(cli, git, pushing, telling, log, tmp_path):
    """As git does it, a linked worktree uses its own copy."""
    telling(pushing / ".githooks/pre-commit")
    git(pushing, "add", ".githooks")
    git(pushing, "commit", "-q", "-m", "hooks")
    git(pushing, "config", "core.hooksPath", ".githooks")
    cli("init", cwd=pushing)
    git(pushing, "worktree", "add", "-q", "-b", "side", tmp_path / "linked")
    (tmp_path / "linked/.githooks/pre-commit").write_text(f"#!/bin/sh\necho linked >> {log}\n")
    git(tmp_path / "linked", "commit", "-q", "--allow-empty", "-m", "x")
    assert log.read_text() == "linked\n"


def test_husky_goes_on_and_may_be_installed_again(cli, git, pushing, log):
    """husky 9: core.hooksPath is .husky/_, whose files call .husky/NAME; `npm install` sets it again."""
    inner = pushing / ".husky/_"
    inner.mkdir(parents=True)
    (inner / "h").write_text(HUSKY_H)
    for name in ("pre-commit", "pre-push", "commit-msg"):
        (inner / name).write_text('#!/usr/bin/env sh\n. "$(dirname "$0")/h"')
        (inner / name).chmod(0o755)
    (pushing / ".husky/pre-commit").write_text(f"echo husky-commit >> {log}\n")
    (pushing / ".husky/pre-push").write_text(f"cat >> {log}\n")
    git(pushing, "config", "core.hooksPath", ".husky/_")
    before = _clone_state(pushing)
    cli("init", cwd=pushing)
    git(pushing, "commit", "-q", "--allow-empty", "-m", "x")
    git(pushing, "push", "-q", "origin", "main")
    assert [line.split()[0] for line in log.read_text().splitlines()] == ["husky-commit", "refs/heads/main"]
    git(pushing, "config", "core.hooksPath", ".husky/_")
    assert "core.hooksPath" in cli("doctor", cwd=pushing).out
    cli("init", cwd=pushing)
    _there_and_back(cli, pushing, before)


def test_lefthooks_hook_goes_on(cli, git, pushing, monkeypatch, log):
    """lefthook's hook runs; when it replaces ours, doctor says so, init mends it and uninstall is clean."""
    monkeypatch.setenv("LEFTHOOK_LOG", str(log))
    hook = pushing / ".git/hooks/pre-push"
    hook.write_text(LEFTHOOK)
    hook.chmod(0o755)
    before = _clone_state(pushing)
    cli("init", cwd=pushing)
    git(pushing, "push", "-q", "origin", "main")
    assert log.read_text() == f"lefthook run pre-push origin {pushing.parent / 'up.git'}\n"
    hook.rename(hook.with_name("pre-push.old"))
    hook.write_text(LEFTHOOK)
    hook.chmod(0o755)
    assert cli("doctor", cwd=pushing).code == 1
    cli("init", cwd=pushing)
    assert cli("doctor", cwd=pushing).code == 0
    cli("uninstall", cwd=pushing)
    assert _snapshot(pushing / ".git/hooks")["pre-push"] == before[0]["pre-push"]


def _pre_commit(repo: Path, *args: str) -> None:
    subprocess.run([sys.executable, "-m", "pre_commit", *args], cwd=repo, check=True, capture_output=True)


@pytest.fixture
def pre_commits(pushing, git, log) -> Path:
    """A repository whose pre-commit configuration has one hook for pushes."""
    pytest.importorskip("pre_commit")
    (pushing / ".pre-commit-config.yaml").write_text(
        "repos:\n- repo: local\n  hooks:\n  - id: tell\n    name: tell\n    language: system\n    always_run: true\n"
        f"    entry: sh -c 'echo told >> {log}'\n    stages: [pre-push]\n    pass_filenames: false\n")
    git(pushing, "add", ".pre-commit-config.yaml")
    git(pushing, "commit", "-q", "-m", "pre-commit")
    return pushing


def test_pre_commits_hook_keeps_its_place(cli, git, pre_commits, log):
    """Ours is the `legacy` one that pre-commit calls itself; installing it again, or removing it, breaks nothing."""
    _pre_commit(pre_commits, "install", "-t", "pre-push")
    before = _clone_state(pre_commits)
    cli("init", cwd=pre_commits)
    _pre_commit(pre_commits, "install", "-t", "pre-push")
    git(pre_commits, "push", "-q", "origin", "main")
    assert log.read_text() == "told\n"
    assert cli("doctor", cwd=pre_commits).code == 0
    _there_and_back(cli, pre_commits, before)


def test_a_hook_that_pre_commit_had_moved_aside_goes_on(cli, git, pre_commits, telling, log):
    """The legacy hook of before runs through ours and comes back to its place."""
    telling(pre_commits / ".git/hooks/pre-push")
    _pre_commit(pre_commits, "install", "-t", "pre-push")
    before = _clone_state(pre_commits)
    cli("init", cwd=pre_commits)
    git(pre_commits, "push", "-q", "origin", "main")
    assert len(log.read_text().splitlines()) == 3
    _there_and_back(cli, pre_commits, before)


def test_pre_commit_may_be_installed_after_us(cli, git, pre_commits, telling, log):
    """It moves ours to its legacy place; the former hook, ours and pre-commit all run, once each."""
    telling(pre_commits / ".git/hooks/pre-push")
    cli("init", cwd=pre_commits)
    _pre_commit(pre_commits, "install", "-t", "pre-push")
    assert "nothing to do" in cli("init", cwd=pre_commits).out
    git(pre_commits, "push", "-q", "origin", "main")
    lines = log.read_text().splitlines()
    assert (len(lines), lines[-1]) == (3, "told")
    assert cli("doctor", cwd=pre_commits).code == 0
    _pre_commit(pre_commits, "uninstall", "-t", "pre-push")
    git(pre_commits, "push", "-q", "origin", "main:side")
    assert len(log.read_text().splitlines()) == 5


def test_a_missing_interpreter_blocks_the_push_with_the_fix_and_nothing_else(cli, git, pushing, tmp_path):
    """Commits, fetches and checkouts go on; the push says how to go on."""
    cli("init", cwd=pushing)
    hook = pushing / ".git/hooks/pre-push"
    hook.write_text(hook.read_text().replace(sys.executable, "/nowhere/python"))
    git(pushing, "commit", "-q", "--allow-empty", "-m", "x")
    ran = subprocess.run(["git", "push", "origin", "main"], cwd=pushing, capture_output=True, text=True, check=False)
    assert (ran.returncode, "hint: install githarness again" in ran.stderr) == (1, True)


def test_a_file_named_like_a_module_in_the_worktree_is_not_run(cli, git, pushing, tmp_path):
    """The hook's Python does not look for modules where agents write."""
    cli("init", cwd=pushing)
    for name in ("githarness", "typing", "argparse"):
        (pushing / f"{name}.py").write_text(f"open({str(tmp_path / 'owned')!r}, 'w')\n")
    git(pushing, "push", "-q", "origin", "main")
    assert not (tmp_path / "owned").exists()


def test_the_shims_are_plain_posix_sh():
    """Executable, and read by the strictest shell that is here."""
    shell = shutil.which("dash") or "sh"
    for shim in (ROOT / "hooks").iterdir():
        assert os.access(shim, os.X_OK)
        subprocess.run([shell, "-n", shim], check=True)
