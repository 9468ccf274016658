"""Configuration, hooks and surroundings that would run code, lead elsewhere or withhold what a process usually has."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import Cli, build_repo
from tests.inputs.conftest import Desk, call_here, check_error, state

RUNBOOK = "runbooks/release.md"
COLD = {"PYTHONNOUSERSITE": "1"}  # a Python of its own: GitPython looks for git where it is loaded

PROGRAMS = [
    "core.fsmonitor", "core.sshCommand", "core.editor", "core.pager", "core.askPass", "core.gitProxy",
    "core.alternateRefsCommand", "diff.external", "gpg.program", "gpg.ssh.program", "gpg.x509.program",
    "gpg.ssh.defaultKeyCommand", "sequence.editor", "credential.helper", "credential.https://x.org.helper",
    "filter.evil.clean", "filter.evil.smudge", "filter.evil.process", "diff.evil.textconv", "diff.evil.command",
    "merge.evil.driver", "interactive.diffFilter", "uploadpack.packObjectsHook", "remote.origin.uploadpack",
    "remote.origin.receivepack", "trailer.agent.command", "trailer.run.cmd", "pager.log", "pager.status",
    "sendemail.smtpServer",
]  # fmt: skip
ALIASES = ("status", "log", "config", "add", "worktree", "rev-parse", "write-tree", "update-ref", "remote", "version",
           "fsck")
HOOKS = ("pre-commit", "commit-msg", "prepare-commit-msg", "post-commit", "post-checkout", "post-index-change",
         "pre-push",
         "reference-transaction", "post-rewrite", "pre-auto-gc", "fsmonitor-watchman", "post-merge", "update",
         "pre-receive")


def _hostile(desk: Desk, canary: str) -> None:
    """Every variable that names a program, aliases, attributes that use them, and an included file with more."""
    for name in PROGRAMS:
        desk.git("config", name, f"!{canary}" if name.endswith("helper") else canary)
    for name in ALIASES:
        desk.git("config", f"alias.{name}", f"!{canary}")
    desk.git("config", "commit.gpgsign", "true")
    desk.git("config", "remote.origin.url", "ext::" + canary)
    more = desk.folder / ".git/more"
    more.write_text(f"[core]\n\tfsmonitor = {canary}\n[filter \"evil\"]\n\trequired = true\n")
    desk.git("config", "include.path", "more")
    desk.git("config", "includeIf.gitdir:/**.path", "more")
    (desk.folder / ".git/info/attributes").write_text("* diff=evil merge=evil\n[mn]* filter=evil\n")


def _hooks(desk: Desk, script: str) -> None:
    folder = desk.folder / ".git/hooks"
    folder.mkdir(exist_ok=True)
    for name in HOOKS:
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(0o755)


def _everything(desk: Desk) -> dict[str, int]:
    """Every command that reads or writes, with its exit code."""
    run = [sys.executable, "-c", "open('made.md','w').write('made\\n')"]
    commands: dict[str, list[str]] = {
        "read": ["read", RUNBOOK, "--agent", "deployer"],
        "write": ["write", "new.md", "--agent", "deployer"],
        "append": ["append", RUNBOOK, "--agent", "deployer"],
        "rename": ["rename", "new.md", "newer.md", "--agent", "deployer"],
        "delete": ["delete", "newer.md", "--agent", "deployer"],
        "log": ["log"], "rebuild": ["index", "rebuild"], "doctor": ["doctor"],
        "add": ["agent", "add", "other"], "rotate": ["agent", "rotate-key", "deployer"],
        "run": ["run", "--agent", "deployer", "--", *run],
        "rollback": ["rollback", "scribe"], "undo": ["rollback", "deployer", "--dry-run"],
        "restore": ["restore", "--to", "HEAD~1", "runbooks"], "held": ["held", "list"], "init": ["init"],
        "uninstall": ["uninstall"],
    }
    return {name: desk.run(*argv, "--json", stdin="x\n").code if name != "run" else desk.run("--json", *argv).code
            for name, argv in commands.items()}


def test_no_program_that_the_configuration_names_is_run(desk: Desk, tmp_path: Path) -> None:
    """I24 G32 G37: some forty variables, aliases, includes and attributes; every command works and starts none."""
    canary = tmp_path / "canary"
    canary.write_text(f"#!/bin/sh\necho \"$0 $*\" >> {tmp_path}/pwned\ncat\n")
    canary.chmod(0o755)
    _hostile(desk, str(canary))
    codes = _everything(desk)
    assert not (tmp_path / "pwned").exists(), (tmp_path / "pwned").read_text()
    assert codes["run"] in (0, 11), codes  # held: a filter was set
    assert {name: code for name, code in codes.items() if code and name != "run"} in ({}, {"doctor": 1}), codes
    desk.git("status", ok=False)
    assert (tmp_path / "pwned").exists(), "the trap works: plain git steps into it"


@pytest.mark.parametrize("script", ["exit 1", "sleep 300", "sleep 2 & sleep 2 & exit 0",
                                    "git rm -rf -q --cached . ; exit 1"],
                         ids=["fails", "hangs", "forks", "rewrites the index"])
def test_no_hook_of_git_is_run_by_a_command(desk: Desk, script: str) -> None:
    """I25: whatever they do, they are git's own business, and the person's."""
    _hooks(desk, script)
    codes = _everything(desk)
    assert {name: code for name, code in codes.items() if code} in ({}, {"doctor": 1}), codes


def test_a_hooks_folder_elsewhere_is_not_asked(desk: Desk, tmp_path: Path) -> None:
    """G37: `core.hooksPath`, as a person or an agent may set it."""
    _hooks(desk, f"touch {tmp_path}/pwned")
    desk.git("config", "core.hooksPath", desk.folder / ".git/hooks")
    desk.good("append", RUNBOOK, stdin="x\n")
    assert desk.run("--json", "run", "--agent", "deployer", "--", "true").code == 0
    assert not (tmp_path / "pwned").exists()
    desk.git("commit", "--allow-empty", "-m", "plain git runs them")
    assert (tmp_path / "pwned").exists()


def test_the_surroundings_of_another_git_lead_nowhere_else(desk: Desk, tmp_path: Path, cli: Cli) -> None:
    """G37: GIT_DIR and its like name another repository, and GIT_CONFIG_* a program; both are dropped."""
    other = build_repo(tmp_path / "other")
    before = state(other)
    canary = tmp_path / "pwned"
    hostile = {
        "GIT_DIR": str(other / ".git"), "GIT_WORK_TREE": str(other), "GIT_INDEX_FILE": str(tmp_path / "index"),
        "GIT_OBJECT_DIRECTORY": str(tmp_path / "objects"), "GIT_COMMON_DIR": str(other / ".git"),
        "GIT_ALTERNATE_OBJECT_DIRECTORIES": str(tmp_path), "GIT_NAMESPACE": "x",
        "GIT_CEILING_DIRECTORIES": str(desk.folder),
        "GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "core.fsmonitor", "GIT_CONFIG_VALUE_0": f"touch {canary}",
        "GIT_CONFIG_PARAMETERS": f"'core.fsmonitor=touch {canary}'", "GIT_CONFIG": str(tmp_path / "none"),
        "GIT_EXTERNAL_DIFF": f"touch {canary}", "GIT_SSH_COMMAND": f"touch {canary}", "GIT_EDITOR": f"touch {canary}",
        "GIT_PAGER": f"touch {canary}", "GIT_TEMPLATE_DIR": str(tmp_path),
        "GIT_LITERAL_PATHSPECS": "0", "GIT_OPTIONAL_LOCKS": "1", "GIT_QUARANTINE_PATH": str(tmp_path / "q"),
        "GIT_REPLACE_REF_BASE": "refs/x", "GIT_NO_REPLACE_OBJECTS": "0", "GIT_AUTHOR_NAME": "mallory",
        "GIT_COMMITTER_EMAIL": "mallory@example.org", "GIT_AUTHOR_DATE": "1970-01-01T00:00:00Z",
    }
    done = cli("append", RUNBOOK, "--agent", "deployer", "--json", cwd=desk.folder, stdin="x\n", **hostile)
    assert done.code == 0, done.err
    assert cli("agent", "add", "other", cwd=desk.folder, **hostile).code == 0
    ran = cli("--json", "run", "--agent", "deployer", "--", "git", "rev-parse", "--git-common-dir", cwd=desk.folder,
              **hostile)
    assert ran.code == 0 and str(other) not in ran.out
    assert not canary.exists() and state(other) == before
    assert "mallory" not in desk.git("log", "--format=%an %ae %cn %ce")
    desk.sound()


@pytest.mark.parametrize("value", [None, "", "/nonexistent", "relative", "/dev/null"])
def test_a_home_that_is_not_there_stops_no_write(desk: Desk, cli: Cli, monkeypatch: pytest.MonkeyPatch,
                                                 value: str | None) -> None:
    """HOME unset, empty or wrong, as under cron and in containers: the keys are where XDG_DATA_HOME says."""
    if value is None:
        monkeypatch.delenv("HOME")
    else:
        monkeypatch.setenv("HOME", value)
    done = cli("append", RUNBOOK, "--agent", "deployer", "--json", cwd=desk.folder, stdin="x\n")
    assert done.code == 0, done.err
    assert cli("doctor", "--json", cwd=desk.folder).code in (0, 1)


def test_an_empty_environment_stops_no_reader(desk: Desk) -> None:
    """Nothing but the interpreter: what needs no git and no key works, and what needs a key names it."""
    root = str(Path(__file__).parents[2])
    for argv, codes in ((["log"], {0}), (["read", RUNBOOK, "--agent", "deployer"], {0}), (["append", RUNBOOK,
                                                                                           "--agent", "deployer"],
                                                                                           {18})):
        command = [sys.executable, "-m", "githarness", *argv, "--json"]
        done = subprocess.run(command, cwd=desk.folder, env={"PYTHONPATH": root, "HOME": "/nonexistent"}, input=b"x\n",
                              capture_output=True, check=False)
        assert done.returncode in codes, (argv, done.stdout, done.stderr)


@pytest.mark.parametrize("mask", [0o077, 0o000, 0o777])
def test_modes_of_files_whatever_the_umask(desk: Desk, mask: int, home: Path) -> None:
    """Keys, runs and the database stay private and usable; packs stay readable to their owner."""
    before = os.umask(mask)
    try:
        desk.good("write", "new.md", stdin="new\n")
        if mask != 0o777:
            assert desk.run("agent", "add", "other").code == 0
            assert desk.run("init").code == 0
        assert desk.run("runs", "start", "--agent", "deployer").code == 0
        assert desk.good("read", "new.md")["content"] == "new\n"
    finally:
        os.umask(before)
    private = [desk.folder / ".git/githarness", *(desk.folder / ".git/githarness").rglob("*"),
               *(home / "data").rglob("*/keys/*")]
    wide = [path for path in private if path.name not in ("boot", "adopted.json",
                                                          "repacked") and not path.name.endswith(".pub")
            and path.exists() and stat.S_IMODE(path.lstat().st_mode) & 0o077 and not _below_private(path, desk)]
    assert wide == []
    desk.sound()


def _below_private(path: Path, desk: Desk) -> bool:
    """In a folder that nobody else may enter, modes of files do not matter."""
    return any(not stat.S_IMODE(folder.stat().st_mode) & 0o077 for folder in path.parents if folder != desk.folder)


def test_without_git_what_needs_none_works(desk: Desk, cli: Cli, tmp_path: Path) -> None:
    """The write path starts no git; commands that do are `unavailable` with what to install."""
    (tmp_path / "bin").mkdir()
    path = str(tmp_path / "bin")
    for argv in (["read", RUNBOOK], ["append", RUNBOOK], ["write", "new.md"]):
        done = cli(*argv, "--agent", "deployer", "--json", cwd=desk.folder, stdin="x\n", PATH=path)
        assert done.code == 0, done.out + done.err
    assert cli("log", "--json", cwd=desk.folder, PATH=path).code == 0
    for argv in (["init"], ["agent", "add", "other"], ["run", "--agent", "deployer", "--", "true"]):
        plain, told = (cli(*extra, *argv, cwd=desk.folder, PATH=path, **COLD) for extra in ((), ("--json",)))
        check_error(plain, "unavailable", as_json=False)
        assert "git" in check_error(told, "unavailable", as_json=True)["fix"]
    assert cli("doctor", "--json", cwd=desk.folder, PATH=path).code in (1, 18)
    desk.sound()


def test_a_git_that_fails_is_named(desk: Desk, cli: Cli, tmp_path: Path) -> None:
    """A broken or ancient git in the PATH: an error of ours, no traceback."""
    (tmp_path / "bin").mkdir()
    broken = tmp_path / "bin/git"
    for script in ("exit 127", "echo 'git version 1.7.1'; exit 1", "kill -9 $$"):
        broken.write_text(f"#!/bin/sh\n{script}\n")
        broken.chmod(0o755)
        done = cli("agent", "add", "other", "--json", cwd=desk.folder, PATH=str(tmp_path / "bin"), **COLD)
        check_error(done, "unavailable", as_json=True)


def test_a_broken_configuration_is_integrity(desk: Desk) -> None:
    """I24: as git does, by file and line; nothing was begun."""
    with (desk.folder / ".git/config").open("a") as file:
        file.write("[core\n")
    for argv in (["log"], ["init"], ["doctor"], ["append", RUNBOOK, "--agent", "deployer"]):
        error = desk.refused("integrity", *argv, agent=None, stdin="x\n", git=False)
        assert "line" in error["message"] and "config" in error["fix"]


def test_a_worktree_that_the_configuration_puts_elsewhere_is_the_one(desk: Desk, tmp_path: Path) -> None:
    """I24: `core.worktree` is git's own, so files are brought along where git has them."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    shutil.copytree(desk.folder, elsewhere, ignore=shutil.ignore_patterns(".git"), dirs_exist_ok=True)
    desk.git("config", "core.worktree", elsewhere)
    desk.git("status", "--porcelain")
    ran = call_here("write", "new.md", "--agent", "deployer", "--json", cwd=desk.folder, stdin="new\n")
    assert ran.json["worktree"] == "updated" and (elsewhere / "new.md").exists()
