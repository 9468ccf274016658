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


ALLOW = "githarness: allow GH041 until 2026-12-31 because it moves"


@pytest.mark.parametrize("text", [
    f"{HEAD}```html\n<!-- {ALLOW} -->\n[x](y)\n```\n",
    f"{HEAD}~~~\n# {ALLOW}\n[x](y)\n",
    f"{HEAD}Write `<!-- {ALLOW} -->` above it:\n[x](y)\n",
    f"---\nname: a\ndescription: 'Shows # {ALLOW}'\n---\n[x](y)\n",
    f"---\nname: a\ndescription: \"Shows\n  # {ALLOW}\n  more\"\n---\n[x](y)\n",
    f"---\nname: a\ndescription: |\n  # {ALLOW}\n---\n[x](y)\n",
    f"---\nname: a\nmetadata:\n  note: ['a # {ALLOW}']\n---\n[x](y)\n",
    f"---\nname: a\ndescription: \"never closed\n# {ALLOW}\n---\n[x](y)\n",
    f"---\nname: a\ndescription: Shows <!-- {ALLOW} -->\n---\n[x](y)\n",
    f"---\nname: a\ndescription: Shows a#{ALLOW}\n---\n[x](y)\n",
])
def test_the_picture_of_one_suppresses_nothing(text: str) -> None:
    """In code, and in a value of the frontmatter, it is text."""
    line = next(number for number, each in enumerate(text.split("\n"), 1) if each == "[x](y)")
    assert left(text, line) == ["m"]


@pytest.mark.parametrize("text", [
    f"---\nname: a\ndescription: It's 1 # {ALLOW}\n---\n",
    f"---\nmetadata:\n  # {ALLOW}\n  a: 'b'\n---\n",
    f"---\r\nname: a\r\n# {ALLOW}\r\n---\r\n",
    f"---\nname: a: b\n# {ALLOW}\n---\n",
])
def test_a_comment_of_yaml_is_one_wherever_it_stands(text: str) -> None:
    """Behind a value, below a key, and in a block that is no YAML."""
    assert left(text, 9) == []


def test_above_a_block_of_code_it_speaks_of_all_of_it() -> None:
    """And of nothing behind it."""
    text = f"{HEAD}<!-- {ALLOW} -->\n```sh\none\ntwo\n```\nthree\n"
    assert [left(text, line) for line in (7, 8, 9)] == [[], [], ["m"]]
