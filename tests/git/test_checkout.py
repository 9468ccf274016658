"""A worktree brought along: git finds it clean, and nothing that a person did is lost."""

from __future__ import annotations


def test_a_changed_a_new_and_a_removed_file_arrive(desk) -> None:
    """Files and index are those of the commit."""
    pending = desk.land({"docs/0000.md": "new\n", "new/deep/a.md": "a\n", "docs/0001.md": None})
    assert pending == [] and desk.is_clean()
    assert desk.path("docs/0000.md").read_text() == "new\n" and not desk.path("docs/0001.md").exists()
