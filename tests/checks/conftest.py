"""The hooks' console scripts in processes of their own, and a repository with skills."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Ran

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
        command = [sys.executable, "-m", f"githarness.checks.{name}", *args]
        done = subprocess.run(command, cwd=cwd, capture_output=True, check=False, env={**os.environ, **env})
        return Ran(done.returncode, done.stdout.decode(), done.stderr.decode())

    return call


@pytest.fixture
def skills(make_repo) -> Path:
    """A repository with the skills `alpha` and `beta`, both good, and a script of alpha's."""
    return make_repo({"skills/alpha/SKILL.md": GOOD.format(name="alpha").replace("Run it", "Run `scripts/go.sh`"),
                      "skills/alpha/scripts/go.sh": "#!/bin/sh\necho go\n",
                      "skills/beta/SKILL.md": GOOD.format(name="beta"), "README.md": "# Read\n"})


def bad(repo: Path, name: str = "beta") -> str:
    """Breaks the frontmatter of a skill; its path."""
    path = f"skills/{name}/SKILL.md"
    (repo / path).parent.mkdir(parents=True, exist_ok=True)
    (repo / path).write_text(BAD.format(name=name))
    return path
