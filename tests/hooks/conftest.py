"""Hooks that tell what they were given, and pairs of clones with a bare repository between them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

_HOOK = """#!/bin/sh
echo "$0 $*" >> "{log}"
cat >> "{log}"
exit {code}
"""


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Where the hooks of `telling` write their name, arguments and stdin."""
    return tmp_path / "hooks.log"


@pytest.fixture
def telling(log: Path) -> Callable[..., Path]:
    """`telling(path, code=0)`: an executable hook there, and the bytes it has."""

    def make(path: Path, code: int = 0) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(_HOOK.format(log=log, code=code))
        path.chmod(0o755)
        return path

    return make


@pytest.fixture
def remote(git, tmp_path: Path) -> Path:
    """A bare repository to push to."""
    git(tmp_path, "init", "-q", "--bare", "-b", "main", tmp_path / "up.git")
    return tmp_path / "up.git"


@pytest.fixture
def pushing(git, repo: Path, remote: Path) -> Path:
    """A repository with a remote `origin`."""
    git(repo, "remote", "add", "origin", remote)
    return repo
