"""The hooks' console scripts in processes of their own, and a repository with skills."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Once, Ran, run_cli, run_git

ROOT = Path(__file__).resolve().parents[2]
NOT_SOURCE = shutil.ignore_patterns(".*venv*", ".git", "__pycache__", ".*_cache", ".hypothesis", "dist", "build")

GOOD = """\
---
name: {name}
description: Deploys the service. Use when somebody asks for a release of {name}.
---
# How

Run it.
"""
BAD = "---\nname: {name}\ndescription: [unclosed\n---\n# How\n\nRun it.\n"
Hook = Callable[..., Ran]


@pytest.fixture
def hook(tmp_path: Path) -> Hook:
    """`hook("skills", "a.md", cwd=repo)`: what `githarness-skills a.md` says and returns."""

    def call(name: str, *args: str, cwd: Path = tmp_path, **env: str) -> Ran:
        return run_cli(*args, cwd=cwd, env=env, module=f"githarness.checks.{name}")

    return call


@pytest.fixture
def skills(make_repo) -> Path:
    """A repository with the skills `alpha` and `beta`, both good, and a script of alpha's."""
    return make_repo({"skills/alpha/SKILL.md": GOOD.format(name="alpha").replace("Run it", "Run [go](scripts/go.sh)"),
                      "skills/alpha/scripts/go.sh": "#!/bin/sh\necho go\n",
                      "skills/beta/SKILL.md": GOOD.format(name="beta"), "README.md": "# Read\n"})


@pytest.fixture(scope="session")
def clone(once: Once) -> Path:
    """A clone of this tree, committed; beside it is room for what is installed from it."""
    return once("checks", _clone) / "clone"


def _clone(folder: Path) -> None:
    """Skips where pip reaches no index: the tools build environments of their own."""
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder), "hatchling"]
    if subprocess.run(pip, capture_output=True, check=False).returncode:
        pytest.skip("pip reaches no index, so no environment can be built for the hooks")
    source = shutil.copytree(ROOT, folder / "source", ignore=NOT_SOURCE)
    run_git(source, "init", "-q")
    run_git(source, "add", "--all")
    run_git(source, "commit", "-q", "-m", "this tree")
    run_git(folder, "clone", "-q", source, folder / "clone")


def bad(repo: Path, name: str = "beta") -> str:
    """Breaks the frontmatter of a skill; its path."""
    path = f"skills/{name}/SKILL.md"
    (repo / path).parent.mkdir(parents=True, exist_ok=True)
    (repo / path).write_text(BAD.format(name=name))
    return path
