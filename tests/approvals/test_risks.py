"""G49: what a reviewer should not miss is told; what is harmless is not."""

from __future__ import annotations

import pytest

from githarness.work import risks
from githarness.work.risks import Seen

KEY = b"token = ghp_" + b"a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8\n"


def seen(path: str, old: bytes | None, new: bytes | None, mode: str = "100644") -> Seen:
    return Seen(path, old, new, "100644" if old is not None else None, mode if new is not None else None)


@pytest.mark.parametrize(("flag", "change"), [
    ("tests-removed", seen("tests/test_a.py", b"x\n", None)),
    ("tests-removed", seen("src/a.spec.ts", b"expect(1)\nx\n", b"x\n")),
    ("rules-removed", seen("runbooks/r.md", b"1. Build.\n2. Get two approvals.\n", b"1. Build.\n")),
    ("rules-removed", seen("AGENTS.md", b"You must not push to main.\n", b"\n")),
    ("secret", seen("a.env", None, KEY)),
    ("governance", seen(".github/workflows/ci.yml", b"a\n", b"b\n")),
    ("governance", seen(".GitHarness/config.toml", b"a\n", b"b\n")),
    ("executable", seen("run.sh", b"a\n", b"a\n", "100755")),
    ("large", seen("a.md", None, b"x\n" * 60_000)),
    ("binary", seen("a.bin", None, b"\0\1")),
    ("mass-deletion", seen("a.md", b"x\n" * 300, b"")),
])
def test_it_is_told(flag: str, change: Seen) -> None:
    """Each of them, with its path."""
    assert (flag, change.path) in {(one.flag, one.path) for one in risks.of([change])}


@pytest.mark.parametrize("change", [
    seen("notes.md", b"one\n", b"one\ntwo\n"), seen("tests/test_a.py", b"assert 1\n", b"assert 1\nassert 2\n"),
    seen("a.env", KEY, KEY + b"more\n"), seen("r.md", b"Get approvals.\nShip.\n", b"Ship it.\nGet approvals.\n"),
    seen("run.sh", b"a\n", b"b\n"),
])
def test_control_what_is_harmless_is_not_told(change: Seen) -> None:
    """Added lines, moved lines, a secret that was there before."""
    assert risks.of([change]) == []


def test_many_deleted_files_are_one_risk() -> None:
    """About the change as a whole."""
    found = risks.of([seen(f"docs/{number}.md", b"x\n", None) for number in range(6)])
    assert [one.flag for one in found] == ["mass-deletion"]
