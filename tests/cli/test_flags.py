"""The global flags."""

from __future__ import annotations

import pytest

from githarness.cli.flags import hoist


@pytest.mark.parametrize(
    ("argv", "front", "rest"),
    [
        (["--json", "log"], ["--json"], ["log"]),
        (["log", "-n", "1", "--json"], ["--json"], ["log", "-n", "1"]),
        (["log", "-C", "there", "--quiet"], ["-C", "there", "--quiet"], ["log"]),
        (["run", "--agent", "a", "--", "tool", "--json"], [], ["run", "--agent", "a", "--", "tool", "--json"]),
        (["log", "-C"], [], ["log", "-C"]),
    ],
)
def test_flags_work_on_either_side_of_the_command(argv: list[str], front: list[str], rest: list[str]) -> None:
    """Global flags are taken from anywhere before `--`, and what follows it is left alone."""
    assert hoist(argv) == (front, rest)
