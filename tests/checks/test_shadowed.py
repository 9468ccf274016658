"""A pull request that ships modules named like those of a checker does not have them run (G47)."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

SHADOWS = ("json.py", "argparse.py", "typing.py", "pygit2.py", "githarness.py", "sitecustomize.py")


@pytest.fixture
def script(tmp_path: Path) -> Path:
    """`githarness-ci` as pip writes it."""
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    module, function = project["scripts"]["githarness-ci"].split(":")
    file = tmp_path / "bin" / "githarness-ci"
    file.parent.mkdir()
    file.write_text(f"import sys\nfrom {module} import {function}\nsys.exit({function}())\n")
    return file


def test_modules_in_the_checkout_are_not_run(fleet: Path, script: Path) -> None:
    """The scripts that CI calls look for modules where they are installed, not where they are started."""
    for name in SHADOWS:
        (fleet / name).write_text("import pathlib; pathlib.Path('ran').touch(); raise SystemExit(0)\n")
    command = [sys.executable, script, "--since", "HEAD", "--format", "github"]
    done = subprocess.run(command, cwd=fleet, capture_output=True, check=False)
    assert not (fleet / "ran").exists()
    assert done.returncode == 0, done.stderr


def test_control_started_as_a_module_they_would_be(fleet: Path) -> None:
    """What CI must not call: python -m puts the folder where it is started before all others."""
    (fleet / "json.py").write_text("import pathlib; pathlib.Path('ran').touch()\n")
    subprocess.run([sys.executable, "-m", "githarness", "--version"], cwd=fleet, capture_output=True, check=False)
    assert (fleet / "ran").exists()
