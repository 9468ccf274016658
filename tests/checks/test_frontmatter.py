"""githarness-frontmatter: any markdown that begins with a block, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

BROKEN = {
    "duplicate key": "---\ntitle: a\ntitle: b\n---\ntext\n",
    "no end": "---\ntitle: a\n",
    "list": "---\n- a\n---\ntext\n",
    "anchor": "---\na: &x 1\nb: *x\n---\n",
    "byte-order mark": "\ufeff---\ntitle: a\n---\n",
    "syntax": "---\ntitle: a: b\n---\n",
    "nesting": "---\na: " + "[" * 30_000 + "\n---\n",
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_broken_block_is_refused(hook, tmp_path: Path, what: str) -> None:
    """In a page of any name, with line and fix."""
    (tmp_path / "page.md").write_text(BROKEN[what])
    done = hook("frontmatter", "page.md", cwd=tmp_path)
    assert done.code == 1
    assert done.err.startswith("githarness-frontmatter: ")  # the sum, and no word of a check that could not be made
    assert done.out.startswith("page.md:") and " error: " in done.out and "hint: " in done.out


@pytest.mark.parametrize("text", ["# Page\n\n---\n\ntext\n", "", "---\ntitle: a\nlist: [1, 2]\n---\n# Page\n"])
def test_pages_without_a_fault_pass(hook, tmp_path: Path, text: str) -> None:
    """A page needs no block; a rule in the middle is none; a good one is silent."""
    (tmp_path / "page.md").write_text(text)
    assert hook("frontmatter", "page.md", cwd=tmp_path).code == 0


def test_a_skill_needs_its_block(hook, tmp_path: Path) -> None:
    """A file whose kind has frontmatter is refused without one."""
    (tmp_path / "SKILL.md").write_text("# Skill\n")
    assert "GH003 error" in hook("frontmatter", "SKILL.md", cwd=tmp_path).out
