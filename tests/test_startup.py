"""Start-up budgets by what is imported, not by milliseconds: light commands stay light."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = ("rich", "git", "pygit2", "jsonschema", "frontmatter", "cryptography", "sqlite_fts4", "asyncio", "pydantic")
HOOK_HEAVY = (*HEAVY, "typer", "sqlite3", "dataclasses", "githarness.wiring", "githarness.skills.schemas")
SHOW = """
import sys
try:
    {call}
except SystemExit:
    pass
print(*[name for name in {heavy!r} if name in sys.modules], file=sys.stderr)
"""


def _loaded(call: str, cwd: Path, heavy: tuple[str, ...] = HEAVY) -> set[str]:
    """The heavy packages that a fresh interpreter has imported after `call`."""
    command = [sys.executable, "-c", SHOW.format(call=call, heavy=heavy)]
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=True)
    return set(done.stderr.splitlines()[-1].split())


def _command(*argv: str) -> str:
    return f"sys.argv = {['githarness', *argv]!r}; from githarness.__main__ import main; main()"


@pytest.mark.parametrize("argv", [("--help",), ("--version",), ("lgo",), ("log", "--help"), ("write", "--help")])
def test_help_and_mistakes_are_light(argv: tuple[str, ...], tmp_path: Path) -> None:
    """What needs no repository loads nothing heavy."""
    assert _loaded(_command(*argv), tmp_path) == set()


HOOKS = {"skills": "SKILL.md", "frontmatter": "SKILL.md", "secrets": "SKILL.md", "pinned": "action.yml",
         "attribution": "MSG"}


@pytest.mark.parametrize("name", HOOKS)
def test_hooks_are_light(name: str, tmp_path: Path) -> None:
    """A hook on a file without a fault loads neither the command line nor what talks to git."""
    (tmp_path / "SKILL.md").write_text("---\nname: a\ndescription: Says yes. Use when asked.\n---\n# A\n\nYes.\n")
    (tmp_path / "action.yml").write_text("runs:\n  using: composite\n")
    (tmp_path / "MSG").write_text("subject\n\nSigned-off-by: Olive <olive@example.org>\n")
    call = f"from githarness.checks.{name} import main; main([{HOOKS[name]!r}])"
    allowed = {"frontmatter", "dataclasses"} if name == "attribution" else {"frontmatter"}  # it asks the environment
    assert _loaded(call, tmp_path, HOOK_HEAVY) <= allowed


def test_importing_the_package_is_light(tmp_path: Path) -> None:
    """`import githarness` is what hooks and scripts start with."""
    assert _loaded("import githarness", tmp_path) == set()


def test_log_of_a_fresh_index_is_light(cli, fleet: Path) -> None:
    """`log` answers from SQLite: neither libgit2 nor cryptography is loaded once the index is up to date."""
    cli("log", cwd=fleet)
    assert _loaded(_command("log", "-n", "1"), fleet) == set()


def test_rollback_asks_no_git(cli, fleet: Path) -> None:
    """Who the person is stands in files that we read ourselves: GitPython is not loaded, no git is started."""
    cli("write", "docs/a.md", "--agent", "deployer", stdin=b"a\n", cwd=fleet)
    assert "git" not in _loaded(_command("rollback", "deployer"), fleet)
    assert not (fleet / "docs/a.md").exists()
