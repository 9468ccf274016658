"""Old debt passes, a new violation of the same kind does not."""

from __future__ import annotations

import pytest

from githarness.errors import Integrity
from githarness.skills import baseline
from githarness.skills.model import Finding

ONE = Finding("skills/a/SKILL.md", 3, "GH010", "error", "m", "f", "s", "p1")
TWO = ONE._replace(fingerprint="p2")


def test_old_debt_passes_and_new_fails() -> None:
    """Only what the baseline does not have comes back."""
    debt = baseline.load(baseline.dump([ONE]))
    assert baseline.new([ONE, TWO], debt, [ONE.path]) == [TWO]


def test_each_entry_serves_once() -> None:
    """A second violation with the same fingerprint is new."""
    debt = baseline.load(baseline.dump([ONE]))
    assert baseline.new([ONE, ONE], debt, [ONE.path]) == [ONE]


def test_a_moved_skill_keeps_its_debt() -> None:
    """Debt of a path that is gone pays for the same finding elsewhere; that of a path that stays does not."""
    debt, moved = baseline.load(baseline.dump([ONE])), ONE._replace(path="skills/b/SKILL.md")
    assert baseline.new([moved], debt, [moved.path]) == []
    assert baseline.new([moved], debt, [moved.path, ONE.path]) == [moved]


@pytest.mark.parametrize("data", [b"", b"{}", b'{"version": 2, "findings": {}}', b"[" * 100_000, b"\xff",
                                  b'{"version": 1, "findings": {"a": 1}}'])
def test_a_broken_baseline_is_said(data: bytes) -> None:
    """It never passes for an empty one, nor for one that forgives everything."""
    with pytest.raises(Integrity):
        baseline.load(data)
