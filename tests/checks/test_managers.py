"""pre-commit and prek run our hooks from a clean clone, in environments that they build with pip."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.checks.conftest import BAD, GOOD, ROOT
from tests.conftest import run_git

Tool = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def tool(clone: Path, skills: Path) -> Tool:
    """`tool("pre-commit", "run")` in a repository with skills and all our hooks; what is built serves the next one."""
    hooks = [line for line in (ROOT / ".pre-commit-hooks.yaml").read_text().splitlines() if line.startswith("- id:")]
    config = [f"repos:\n- repo: {clone}\n  rev: {run_git(clone, 'rev-parse', 'HEAD')}\n  hooks:", *hooks]
    (skills / ".pre-commit-config.yaml").write_text("\n  ".join(config) + "\n")
    run_git(skills, "add", "--all")
    run_git(skills, "commit", "-q", "-m", "configuration")
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    kept = ("PIP_CACHE_DIR", "UV_CACHE_DIR", "PRE_COMMIT_HOME", "PREK_HOME")
    env |= {name: str(clone.parent / name) for name in kept}
    env["PATH"] = f"{Path(sys.executable).parent}:{env['PATH']}"

    def run(*command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(command, cwd=skills, env=env, capture_output=True, text=True, check=False)

    return run


def _changed(git: Callable[..., str], repo: Path) -> None:
    """A bad skill, a secret, a tag and a policy that does not load are staged; another bad skill was there before; one
    edit is not staged."""
    (repo / "skills/old").mkdir()
    (repo / "skills/old/SKILL.md").write_text(BAD.format(name="old"))
    git(repo, "add", "--all")
    git(repo, "commit", "-q", "--no-verify", "-m", "debt")
    (repo / "skills/beta/SKILL.md").write_text(BAD.format(name="beta"))
    (repo / "config.ini").write_text("token = ghp_" + "aB3dE6gH9jK2" * 3 + "\n")
    (repo / "action.yml").write_text("runs:\n  steps:\n    - uses: actions/checkout@v4\n")
    (repo / ".githarness/policies").mkdir(parents=True)
    (repo / ".githarness/policies/p.yaml").write_text("version: 1\nrules:\n  - {id: r, effekt: allow}\n")
    git(repo, "add", "--all")
    (repo / "skills/beta/SKILL.md").write_text(GOOD.format(name="beta"))


@pytest.mark.parametrize("name", ["pre-commit", "prek"])
def test_hooks_judge_what_is_staged(git, skills: Path, tool: Tool, name: str) -> None:
    """Every hook finds its own, as staged, and nothing of what was there before; that of messages an agent's claim."""
    _changed(git, skills)
    done = tool(name, "run")
    assert done.returncode == 1, done.stderr
    for found in ("skills/beta/SKILL.md:4: GH005 error", "config.ini:1: GH050 error", "action.yml:3: GH055 error",
                  ".githarness/policies/p.yaml:3: GH080 error"):
        assert found in done.stdout
    assert ("Traceback" in done.stdout, "skills/old" in done.stdout, "aB3dE6" in done.stdout) == (False, False, False)
    assert (skills / "skills/beta/SKILL.md").read_text() == GOOD.format(name="beta")
    (skills / ".git/MSG").write_text("fine\n\nAgent: deployer\n")
    claimed = tool(name, "run", "--hook-stage", "commit-msg", "--commit-msg-filename", ".git/MSG")
    assert (claimed.returncode, "GH060 error" in claimed.stdout) == (1, True), claimed.stdout + claimed.stderr


def test_a_commit_is_refused_until_it_is_good(skills: Path, tool: Tool) -> None:
    """Installed as git's hooks: a bad skill and a message of an agent stop the commit, a good one passes."""
    assert tool("pre-commit", "install", "-t", "pre-commit", "-t", "commit-msg").returncode == 0
    (skills / "skills/beta/SKILL.md").write_text(BAD.format(name="beta"))
    refused = tool("git", "commit", "-a", "-m", "broken")
    assert (refused.returncode, "GH005 error" in refused.stderr) == (1, True), refused.stderr
    (skills / "skills/beta/SKILL.md").write_text(GOOD.format(name="beta") + "\nMore.\n")
    claimed = tool("git", "commit", "-a", "-m", "fine", "-m", "Agent: deployer")
    assert (claimed.returncode, "GH060 error" in claimed.stderr) == (1, True), claimed.stderr
    assert tool("git", "commit", "-a", "-m", "fine").returncode == 0
