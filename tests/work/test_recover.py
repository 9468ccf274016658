"""What the next command finishes after a crash, and what it leaves as a person has made it since."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import Cli, Git

RUNBOOK = "runbooks/release.md"
CRASHING = """
import os
from pathlib import Path
from githarness import settings, wiring
from githarness.work import landing
from githarness.work.asks import Ask, Op
landing.record = lambda *_: os._exit(9)
harness = wiring.open(Path("."), settings.load())
harness.local.write(Ask("deployer", "r-1", (Op("append", "runbooks/release.md", b"bad\\n"),)))
"""


@pytest.fixture
def crashed(fleet: Path) -> Path:
    """A writer died after its commit was acknowledged and before its outcome was noted."""
    assert subprocess.run([sys.executable, "-c", CRASHING], cwd=fleet, check=False).returncode == 9
    return fleet


def test_a_commit_reverted_before_recovery_stays_reverted(crashed: Path, cli: Cli, git: Git) -> None:
    """Neither index nor file gets back what a person's revert took away."""
    git(crashed, "revert", "--no-edit", "HEAD")
    assert cli("log", cwd=crashed).code == 0
    assert git(crashed, "status", "--porcelain") == ""
    assert "bad" not in (crashed / RUNBOOK).read_text()


def test_an_old_version_staged_before_recovery_stays_staged(crashed: Path, cli: Cli, git: Git) -> None:
    """The checkout had been finished, so what differs now is a person's wish."""
    git(crashed, "checkout", "HEAD~1", "--", RUNBOOK)
    assert cli("append", "other.md", "--agent", "deployer", cwd=crashed, stdin="1\n").code == 0
    assert git(crashed, "status", "--porcelain") == f"M  {RUNBOOK}"


def test_a_path_that_became_a_folder_before_recovery_is_left(crashed: Path, cli: Cli, git: Git) -> None:
    """Also where all is looked at, as after a start of the machine."""
    git(crashed, "rm", "-q", RUNBOOK)
    (crashed / RUNBOOK).mkdir(parents=True)
    (crashed / RUNBOOK / "a").write_text("a\n")
    git(crashed, "add", ".")
    git(crashed, "commit", "-q", "-m", "a folder")
    (crashed / ".git/githarness/boot").unlink()
    assert cli("append", "other.md", "--agent", "deployer", cwd=crashed, stdin="1\n").code == 0
    assert git(crashed, "status", "--porcelain") == ""
