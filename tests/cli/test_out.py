"""What people and programs get to see."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from githarness import canon
from githarness.cli import out
from githarness.errors import StaleWrite


def test_control_characters_cannot_drive_a_terminal() -> None:
    """Escape, bell, C1 and direction overrides print as their escapes; tab, LF and letters stay."""
    assert canon.printable("a\x1b[31mb\x07\x9b\u202ec\td\né") == "a\\x1b[31mb\\x07\\x9b\\u202ec\td\né"


def test_error_for_people_shows_the_diff_before_the_hint(capsys: pytest.CaptureFixture[str]) -> None:
    """A stale write tells what changed, then what to do."""
    out.error(StaleWrite("'a.md' changed", details={"diff": "-old\n+new\n"}), as_json=False, color=True)
    assert capsys.readouterr().err.startswith("error: 'a.md' changed\n-old\n+new\nhint: read the artifact again")


def test_a_closed_pipe_is_quiet() -> None:
    """`githarness --help | true` prints no traceback."""
    command = f"for i in 1 2 3; do {sys.executable} -m githarness --help; done | true"
    done = subprocess.run(["bash", "-c", command], capture_output=True, check=False)
    assert done.stderr == b""


def test_an_internal_error_keeps_its_log(cli, tmp_path) -> None:
    """What nobody foresaw exits 3, names a log with the traceback, and shows none itself."""
    (tmp_path / "sitecustomize.py").write_text(
        "import githarness.cli.app as app\ndef run(argv):\n    raise ZeroDivisionError('planted')\napp.run = run\n"
    )
    done = cli("log", "--json", PYTHONPATH=f"{tmp_path}:{out.__file__.removesuffix('/githarness/cli/out.py')}")
    error = done.json["error"]
    assert (done.code, error["code"], done.err) == (3, "internal", "")
    assert "ZeroDivisionError: planted" in Path(error["details"]["log"]).read_text()


def test_what_is_not_utf8_in_argv_prints_escaped(cli) -> None:
    """An argument that is not UTF-8 gets its usage error instead of an encoding error."""
    done = cli("b\udcffd")
    assert (done.code, done.err.splitlines()[0]) == (2, "error: there is no command 'b\\udcffd'")
