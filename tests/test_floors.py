"""The floors: import-linter's contracts hold, and each of them sees a violation that is planted in a copy."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
LINT = "from importlinter.cli import lint_imports_command; lint_imports_command()"
PLANTS = {
    "floors": ("git/objects.py", "from githarness.work import asks"),
    "pure": ("policy/model.py", "import socket"),
    "siblings": ("work/asks.py", "import githarness.work.lane"),
    "owner-typer": ("store/rows.py", "import typer"),
    "owner-pygit2": ("work/asks.py", "import pygit2"),
    "owner-gitpython": ("work/asks.py", "import git"),
    "owner-cryptography": ("store/rows.py", "import cryptography"),
    "owner-sqlite": ("cli/out.py", "import sqlite3"),
    "owner-fts4": ("work/search.py", "import sqlite_fts4"),
    "owner-yaml": ("policy/model.py", "import yaml"),
    "owner-frontmatter": ("skills/document.py", "import frontmatter"),
}


def _lint(folder: Path, *args: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", LINT, "--no-cache", *args]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def _ids() -> list[str]:
    table = tomllib.loads((ROOT / "pyproject.toml").read_text())
    return [contract["id"] for contract in table["tool"]["importlinter"]["contracts"]]


def test_the_package_keeps_every_contract() -> None:
    """No module imports what it may not."""
    done = _lint(ROOT)
    assert done.returncode == 0, done.stdout


def test_each_contract_has_a_plant() -> None:
    """A new contract comes with the violation that it must see."""
    assert sorted(PLANTS) == sorted(_ids())


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("copy")
    shutil.copytree(ROOT / "githarness", folder / "githarness", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", folder)
    return folder


@pytest.mark.parametrize("contract", PLANTS)
def test_a_planted_violation_is_seen(copy: Path, contract: str) -> None:
    """The contract is kept as the code stands, and broken with one import too many."""
    name, plant = PLANTS[contract]
    file = copy / "githarness" / name
    before = file.read_text()
    assert _lint(copy, "--contract", contract).returncode == 0
    file.write_text(f"{before}\n{plant}\n")
    done = _lint(copy, "--contract", contract)
    file.write_text(before)
    assert (done.returncode, "BROKEN" in done.stdout) == (1, True)


def test_a_new_top_level_module_must_get_a_floor(copy: Path) -> None:
    """The floors are exhaustive: a module that has none is reported."""
    stray = copy / "githarness" / "stray.py"
    stray.write_text('"""Nowhere."""\n')
    done = _lint(copy, "--contract", "floors")
    stray.unlink()
    assert (done.returncode, "stray" in done.stdout) == (1, True)
