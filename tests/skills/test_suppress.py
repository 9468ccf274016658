"""Findings that an author answers for, with a reason and a last day."""

from __future__ import annotations

from datetime import date

import pytest

from githarness.skills import suppress
from githarness.skills.document import Document
from githarness.skills.model import Finding

TODAY = date(2026, 6, 1)
HEAD = "---\nname: a\n---\n"


def left(text: str, line: int) -> list[str]:
    doc = Document("skills/a/SKILL.md", text.encode(), "skill")
    found = [Finding(doc.path, line, "GH041", "warning", "m", "f")]
    return [each.message for each in suppress.apply(found, suppress.suppressions(doc, TODAY))]


def test_a_comment_speaks_of_its_line_and_the_next() -> None:
    """And of nothing else."""
    text = HEAD + "<!-- githarness: allow GH041 until 2026-12-31 because it moves -->\n[x](y)\n[x](y)\n"
    assert [left(text, 4), left(text, 5), left(text, 6)] == [[], [], ["m"]]


def test_in_the_frontmatter_it_speaks_of_the_file() -> None:
    """As a YAML comment."""
    assert left("---\nname: a\n# githarness: allow GH041 until 2026-12-31 because it moves\n---\n\n\nx\n", 7) == []


@pytest.mark.parametrize(("tail", "why"), [
    ("GH041 -->", "'until DATE because REASON' is missing"),
    ("GH041 until 2026-12-31 -->", "'until DATE because REASON' is missing"),
    ("GH041 because it moves until 2026-12-31, or later -->", "'until DATE because REASON' is missing"),
    ("GH041 until soon because it moves -->", "'until DATE because REASON' is missing"),
    ("GH041 until 2026-05-31 because old -->", "its last day was 2026-05-31"),
    ("GH041 until 2026-13-31 because odd -->", "'2026-13-31' is not a day"),
])
def test_one_that_does_not_hold_says_why(tail: str, why: str) -> None:
    """The finding stays, and names what is wrong with its suppression."""
    assert left(HEAD + f"<!-- githarness: allow {tail}\n", 4) == [f"m (not suppressed: {why})"]


def test_another_gate_is_not_covered() -> None:
    """A suppression names one gate."""
    assert left(HEAD + "<!-- githarness: allow GH040 until 2026-12-31 because x -->\n", 4) == ["m"]
