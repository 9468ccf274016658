"""What README and the pages of docs/ show is what the commands print."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def _load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


docsession = _load(ROOT / "tests" / "docsession.py")
SESSIONS = [session for page in PAGES for session in docsession.sessions(page)]


@pytest.fixture
def ops(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("COLUMNS", "80")
    return docsession.build(tmp_path)


@pytest.mark.parametrize("session", [one for one in SESSIONS if one.language == "console"], ids=str)
def test_sessions_print_what_is_shown(session, ops: Path, tmp_path: Path) -> None:
    """Every command of a page runs in a real repository and prints what the page says it prints."""
    steps = docsession.steps(session)
    printed = docsession.run([command for command, _ in steps], ops, docsession.environ(tmp_path))
    for (command, shown), output in zip(steps, printed, strict=True):
        expected, found = docsession.masked(shown), docsession.masked(output, ops)
        assert docsession.agree(expected, found), f"$ {command}\n--- shown\n{expected}\n--- printed\n{found}"


@pytest.mark.parametrize("session", [one for one in SESSIONS if one.language == "python"], ids=str)
def test_programs_run(session, ops: Path, cli) -> None:
    """Programs of a page run in an adopted repository with the agent `deployer`."""
    assert cli("init", cwd=ops).code == cli("agent", "add", "deployer", cwd=ops).code == 0
    for program in session.blocks:
        done = subprocess.run([sys.executable, "-c", program], cwd=ops, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


def test_a_wrong_page_is_noticed() -> None:
    """The comparison is exact but for what is masked and for `...`."""
    assert docsession.agree("a\n...\nd", "a\nb\nc\nd") and not docsession.agree("a\nd", "a\nb\nd")
    assert docsession.masked("commit 1a624f7c3bcf by x") == docsession.masked("commit 000000000000 by x")
