"""The real git, driven so that nothing runs that a repository's configuration names."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from githarness.errors import NotFound, Unavailable
from githarness.git import snapshot
from githarness.git.maintenance import maintain
from githarness.git.porcelain import Git as Porcelain
from githarness.git.repo import Checkout, discover, linked_dir
from githarness.settings import Settings

Git = Callable[..., str]

HOSTILE = """
[core]
	fsmonitor = {canary} fsmonitor
	hooksPath = {hooks}
	pager = {canary} pager
	editor = {canary} editor
	sshCommand = {canary} ssh
	askPass = {canary}
	gitProxy = {canary}
	alternateRefsCommand = {canary} alternates
	attributesFile = {attributes}
[filter "x=y.z"]
	clean = {canary} clean; cat
	smudge = {canary} smudge; cat
	required = true
[filter "long"]
	process = {canary} process
	required = true
[diff]
	external = {canary} external
[diff "x"]
	textconv = {canary} textconv; cat
[diff "c"]
	command = {canary} command
[merge "x"]
	driver = {canary} merge
[gpg]
	program = {canary}
[gpg "ssh"]
	program = {canary}
	defaultKeyCommand = {canary} key
[commit]
	gpgSign = true
[log]
	showSignature = true
[pager]
	log = {canary} pager.log
	config = {canary} pager.config
[alias]
	config = !{canary} alias
	lg = !{canary} alias
[credential]
	helper = !{canary} helper
[credential "https://localhost"]
	helper = !{canary} helper2
[trailer "x"]
	command = {canary} trailer
[sequence]
	editor = {canary} sequence
[gc]
	auto = 1
	recentObjectsHook = {canary} recent
[uploadpack]
	packObjectsHook = {canary} pack
[protocol "ext"]
	allow = always
[remote "up"]
	url = {upstream}
	fetch = +refs/heads/*:refs/remotes/up/*
	uploadpack = {canary} uploadpack; git-upload-pack
[remote "ext"]
	url = ext::{canary} ext
[remote "ssh"]
	url = ssh://localhost/nowhere
"""
HOOKS = ("post-checkout", "pre-commit", "reference-transaction", "post-index-change", "pre-auto-gc", "post-merge",
         "fsmonitor-watchman", "pre-push", "post-rewrite", "proc-receive", "update")
ATTRIBUTES = "*.md filter=x=y.z diff=x merge=x\n*.bin filter=long diff=c\n"


@pytest.fixture
def hostile(make_repo: Callable[..., Path], git: Git, tmp_path: Path) -> Path:
    """A repository whose configuration, half of it in a file that it includes, names a canary wherever it can."""
    upstream = make_repo(name="upstream")
    repo = make_repo({"a.md": "a\n", "b.bin": "b\n", ".gitattributes": ATTRIBUTES}, name="hostile")
    git(repo, "commit", "-q", "--allow-empty", "-m", "second")
    canary, hooks = tmp_path / "canary", tmp_path / "planted"
    canary.write_text(f"#!/bin/sh\necho \"$@\" >> '{tmp_path / 'sung'}'\n")
    hooks.mkdir()
    for folder in (hooks, repo / ".git" / "hooks"):
        for name in HOOKS:
            (folder / name).write_text(f"#!/bin/sh\necho hook {name} >> '{tmp_path / 'sung'}'\n")
            (folder / name).chmod(0o755)
    canary.chmod(0o755)
    (tmp_path / "attributes").write_text("* diff=x\n")
    text = HOSTILE.format(canary=canary, hooks=hooks, upstream=upstream, attributes=tmp_path / "attributes")
    place = text.index("[gpg]")
    (tmp_path / "included").write_text(text[:place])
    with (repo / ".git" / "config").open("a") as file:
        file.write(text[place:] + f"[include]\n\tpath = {tmp_path / 'included'}\n")
    return repo


@pytest.fixture
def porcelain(repo: Path, make_settings: Callable[..., Settings]) -> Porcelain:
    return Porcelain(make_settings(), repo)


def _sung(repo: Path) -> str:
    file = repo.parent / "sung"
    return file.read_text() if file.exists() else ""


COMMANDS = [
    "status --porcelain", "diff HEAD", "diff --stat", "log -p -c", "show HEAD", "diff-index -p HEAD", "diff-files -p",
    "diff-tree -p HEAD", "format-patch --stdout -1", "blame a.md", "grep a", "fetch --quiet up", "ls-remote up",
    "commit-graph write", "gc --quiet", "checkout-index -a -f", "config --list", "rev-parse HEAD", "branch -v",
    "fetch --quiet --all", "ls-remote ext", "ls-remote ssh", "push --dry-run up HEAD:x", "add --all",
    "update-index --refresh", "commit --allow-empty -m x", "tag -m x -a v", "stash", "merge --no-edit HEAD~1",
    "repack -adq", "cat-file --filters HEAD:a.md",
]
REFUSED = {"fetch", "ls-remote", "push", "update-index"}


@pytest.mark.parametrize("command", COMMANDS)
def test_no_command_runs_what_the_configuration_names(
    hostile: Path, make_settings: Callable[..., Settings], command: str
) -> None:
    """Whatever is asked of git, and whether or not it succeeds, no canary sings."""
    (hostile / "a.md").write_text("changed\n")
    (hostile / "b.bin").write_text("changed\n")
    try:
        Porcelain(make_settings(), hostile).run(*command.split())
    except (Unavailable, NotFound):
        assert command.split()[0] in REFUSED
    assert _sung(hostile) == ""


def test_no_method_runs_what_the_configuration_names(hostile: Path, make_settings: Callable[..., Settings]) -> None:
    """The same for each method, and the worktree's files are those that git stores."""
    porcelain, tree = Porcelain(make_settings(), hostile), hostile.parent / "tree"
    porcelain.worktree_add(tree, "HEAD")
    assert (tree / "a.md").read_bytes() == b"a\n"
    git_dir = linked_dir(discover(hostile), tree)
    assert git_dir is not None
    snapshot.take(Porcelain(make_settings(), tree, git_dir), Checkout(tree, git_dir), hostile.parent / "scratch")
    porcelain.worktree_remove(tree)
    porcelain.run("fsck", "--strict", "--no-dangling")
    porcelain.run("config", "x.y", "z")
    porcelain.run("config", "--unset-all", "x.y")
    porcelain.version()
    maintain(porcelain, discover(hostile))
    assert _sung(hostile) == ""


@pytest.mark.parametrize("name", ["remote.up.uploadpack", "remote.other.receivepack", "remote.up.vcs", "core.gitProxy"])
def test_program_that_cannot_be_taken_back_is_refused(
    repo: Path, git: Git, porcelain: Porcelain, tmp_path: Path, name: str
) -> None:
    """Git takes the first value of these, so what would use them is refused by name, and the fix can be carried out."""
    porcelain.run("config", name, "evil")
    with pytest.raises(Unavailable, match=name.lower()):
        porcelain.run("fetch", "up")
    assert porcelain.run("rev-parse", "HEAD")
    git(repo, "config", "remote.up.promisor", "true")
    with pytest.raises(Unavailable, match=name.lower()):
        porcelain.worktree_add(tmp_path / "tree", "HEAD")
    porcelain.run("config", "--unset-all", name)
    porcelain.worktree_add(tmp_path / "tree", "HEAD")


@pytest.mark.parametrize(("command", "song"), [
    ("status", "fsmonitor"), ("show HEAD~1", "textconv"), ("add --all", "clean"), ("worktree add ../x", "smudge"),
    ("fetch up", "uploadpack"), ("ls-remote ext", "ext"), ("ls-remote ssh", "ssh"), ("log -p --ext-diff", "external"),
    ("update-ref refs/x HEAD", "hook"),
])
def test_the_canaries_can_sing(hostile: Path, git: Git, command: str, song: str) -> None:
    """Plain git runs what was planted, so that silence means something."""
    (hostile / "a.md").write_text("changed\n")
    quiet = ["-c", "diff.external=", "--no-pager"] if song == "textconv" else []
    git(hostile, *quiet, *command.split(), ok=False)
    assert song in _sung(hostile)


def test_what_a_person_configured_outside_stays(
    hostile: Path, home: Path, make_settings: Callable[..., Settings]
) -> None:
    """Helpers and commands of the person's own configuration take the place of the repository's."""
    mine, own = home / "mine", home / "own"
    mine.write_text(f"#!/bin/sh\necho \"$1\" >> '{own}'\necho username=u\necho password=p\n")
    mine.chmod(0o755)
    with (home / ".gitconfig").open("a") as file:
        file.write(f"[credential]\n\thelper = {mine}\n[core]\n\tsshCommand = {mine}\n")
    (hostile.parent / "included").write_text((hostile.parent / "included").read_text().replace("gitProxy", "x"))
    porcelain = Porcelain(make_settings(), hostile)
    assert b"password=p" in porcelain.run("credential", "fill", input=b"protocol=https\nhost=localhost\n\n")
    porcelain.run("config", "--unset-all", "remote.up.uploadpack")
    with pytest.raises(Unavailable):
        porcelain.run("ls-remote", "ssh")
    assert own.read_text().splitlines()[0] == "get"
    assert len(own.read_text().splitlines()) >= 2
    assert _sung(hostile) == ""


def test_helper_of_the_repository_is_not_asked(hostile: Path, make_settings: Callable[..., Settings]) -> None:
    """Nobody else knows a password: git gives up, and the canary has not sung."""
    with pytest.raises(Unavailable, match="credential failed"):
        Porcelain(make_settings(), hostile).run("credential", "fill", input=b"protocol=https\nhost=localhost\n\n")
    assert _sung(hostile) == ""


def test_surroundings_of_git_are_dropped(repo: Path, porcelain: Porcelain, monkeypatch: pytest.MonkeyPatch) -> None:
    """No `GIT_*` variable of the caller reaches git, whenever it was set."""
    hostile = {"DIR": "/nowhere", "INDEX_FILE": "/nowhere", "WORK_TREE": "/", "CONFIG_COUNT": "1", "TRACE": "/nowhere",
               "CONFIG_KEY_0": "user.name", "CONFIG_VALUE_0": "Mallory", "EXTERNAL_DIFF": "false"}
    for name, value in hostile.items():
        monkeypatch.setenv(f"GIT_{name}", value)
    assert porcelain.run("rev-parse", "--show-toplevel").decode().strip() == str(repo)
    assert porcelain.run("config", "user.name").decode().strip() == "Olive Owner"


def test_replaced_objects_are_not_seen(repo: Path, git: Git, porcelain: Porcelain) -> None:
    """Git answers with the object that was asked for."""
    git(repo, "replace", git(repo, "rev-parse", "HEAD:docs/0000.md"), git(repo, "rev-parse", "HEAD:docs/0001.md"))
    assert porcelain.run("show", "HEAD:docs/0000.md").startswith(b"file 0")


def test_input_and_output_are_bytes(porcelain: Porcelain) -> None:
    """What goes in comes out, newlines at the end included."""
    oid = porcelain.run("hash-object", "-w", "--stdin", input=b"\xff\0\n\n").decode().strip()
    assert porcelain.run("cat-file", "blob", oid) == b"\xff\0\n\n"


def test_failure_says_what_git_said(porcelain: Porcelain) -> None:
    """Unavailable with git's first line, a fix to paste, and all of stderr as a detail."""
    with pytest.raises(Unavailable, match="git rev-parse failed: fatal: ") as caught:
        porcelain.run("rev-parse", "--verify", "nope")
    assert caught.value.fix == "git rev-parse --verify nope"
    assert "Needed a single revision" in str(caught.value.details["stderr"])


def test_git_that_cannot_be_run_is_named(repo: Path, make_settings: Callable[..., Settings]) -> None:
    """Absent, not executable or not configured at all."""
    for binary in ("/nowhere/git", "/etc/passwd", ""):
        with pytest.raises(Unavailable, match="git"):
            Porcelain(make_settings(git=binary), repo).version()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a repository away")
def test_repository_of_another_user_is_named(repo: Path, porcelain: Porcelain) -> None:
    """The fix is git's own remedy, ready to paste."""
    for path in (repo, repo / ".git"):
        os.chown(path, 12345, 12345)
    with pytest.raises(Unavailable, match="another user") as caught:
        porcelain.run("status")
    assert caught.value.fix.startswith("git config --global --add safe.directory")


def test_worktrees_come_and_go(repo: Path, git: Git, porcelain: Porcelain, tmp_path: Path) -> None:
    """Detached at the commit asked for; removed with what an agent left in it, locked or not."""
    porcelain.worktree_add(tmp_path / "tree", "HEAD")
    assert git(tmp_path / "tree", "rev-parse", "--abbrev-ref", "HEAD") == "HEAD"
    (tmp_path / "tree" / "untracked").write_text("x")
    (tmp_path / "tree" / "docs" / "0000.md").write_text("edited")
    git(repo, "worktree", "lock", "../tree")
    porcelain.worktree_remove(tmp_path / "tree")
    assert not (tmp_path / "tree").exists()
    assert "tree" not in git(repo, "worktree", "list", "--porcelain").split("\n", 1)[1]


def test_worktree_with_a_filter_that_is_missing(repo: Path, git: Git, porcelain: Porcelain, tmp_path: Path) -> None:
    """A required filter that is not installed (Git LFS) stops nothing: pointers stay pointers."""
    (repo / ".gitattributes").write_text("*.md filter=lfs\n")
    git(repo, "add", "--all")
    git(repo, "commit", "-qm", "attributes")
    git(repo, "config", "--global", "filter.lfs.process", "git-lfs-missing filter-process")
    git(repo, "config", "--global", "filter.lfs.required", "true")
    porcelain.worktree_add(tmp_path / "tree", "HEAD")
    assert (tmp_path / "tree" / "docs" / "0000.md").read_text().startswith("file 0")


def test_a_setting_that_is_not_there_is_not_found(porcelain: Porcelain) -> None:
    """Told apart from what git fails at."""
    with pytest.raises(NotFound):
        porcelain.run("config", "--unset-all", "githarness.x")


@pytest.mark.parametrize(("lock", "needs"), [
    ("index.lock", "add --all"), ("HEAD.lock", "checkout --detach"), ("config.lock", "config x.y z"),
    ("refs/heads/main.lock", "commit --allow-empty -m x"), ("packed-refs.lock", "pack-refs --all"),
])
def test_stale_lock_is_named_and_stays(repo: Path, porcelain: Porcelain, lock: str, needs: str) -> None:
    """A lock that somebody left stops what needs it, with git's words, and is not taken away."""
    (repo / ".git" / lock).touch()
    with pytest.raises(Unavailable, match="lock"):
        porcelain.run(*needs.split())
    assert (repo / ".git" / lock).exists()
    maintain(porcelain, discover(repo))


def test_version_is_numbers(porcelain: Porcelain) -> None:
    """For comparisons such as `>= (2, 34)`."""
    assert porcelain.version() >= (2, 34)


def test_fsck_says_what_is_broken(repo: Path, git: Git, porcelain: Porcelain) -> None:
    """Silent on a sound repository, else Unavailable with git's findings."""
    porcelain.run("fsck", "--strict", "--no-dangling")
    git(repo, "repack", "-adq")
    pack = next((repo / ".git/objects/pack").glob("*.pack"))
    content = bytearray(pack.read_bytes())
    content[60] ^= 0xFF
    pack.unlink()
    pack.write_bytes(content)
    with pytest.raises(Unavailable, match="fsck failed"):
        porcelain.run("fsck", "--strict", "--no-dangling")
