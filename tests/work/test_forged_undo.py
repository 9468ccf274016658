"""What says that it undid something is believed where it is signed."""

from __future__ import annotations

from tests.verify.conftest import Forge


def test_nobody_hides_a_commit_from_rollback_by_saying_it_was_undone(fleet) -> None:
    """A plain commit with the trailer, by whoever may push."""
    forge = Forge(fleet)
    forge.cli("write", "bad.md", "--agent", "deployer", stdin="bad\n")
    bad = forge.head
    forge.git("-c", "core.hooksPath=/dev/null", "commit", "-q", "--allow-empty", "-m", f"tidy\n\nRolls-Back: {bad}")
    forge.cli("rollback", "--commit", bad)
    assert forge.git("ls-tree", "--name-only", "main", "bad.md") == ""
