"""`run`, `runs`, `capture` and `held` as people and scripts type them, each in a process of its own."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

RUNBOOK = "runbooks/release.md"


@pytest.fixture
def run(cli, fleet):
    """`run("echo x > new.md")` has agent deployer do it in a shell."""
    return lambda script, *flags, agent="deployer", **more: cli(
        "run", "--agent", agent, *flags, "--", "sh", "-c", script, cwd=fleet, **more)


def test_what_the_command_changes_is_one_commit(run, git, fleet) -> None:
    """New, changed, deleted, renamed, executable, binary and empty files land; the worktree is gone."""
    script = ("printf 'build\\ntest twice\\nship\\n' > runbooks/release.md; mkdir -p bin; printf 'a\\0b' > bin/data;"
              "touch empty; echo x > bin/tool; chmod +x bin/tool; pwd")
    done = run(script, "-m", "tidy up")
    assert done.code == 0, done.err
    assert git(fleet, "log", "-1", "--format=%an %s") == "deployer tidy up"
    listed = git(fleet, "show", "--format=", "--raw", "--no-abbrev", "HEAD")
    assert [line.split()[1::3] for line in listed.splitlines()] == [
        ["100644", "A"], ["100755", "A"], ["100644", "A"], ["100644", "M"]] or listed
    assert git(fleet, "status", "--porcelain") == "" and not Path(done.out.strip()).exists()
    assert git(fleet, "worktree", "list").count("\n") == 0
