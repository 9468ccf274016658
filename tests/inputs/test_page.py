"""docs/attacks.md names tests that are there, and every test here says which cases it is about."""

from __future__ import annotations

import re

from tests.conftest import ROOT

PAGE = (ROOT / "docs" / "attacks.md").read_text()
NAMED = re.compile(r"`((?:[a-z]+/)*test_\w+\.py)(?:::(test_\w+))?`")


def test_named_tests_exist() -> None:
    """By file and, where it is said, by function."""
    for file, function in NAMED.findall(PAGE):
        text = (ROOT / "tests" / file).read_text()
        assert not function or f"def {function}(" in text, (file, function)


def test_every_row_says_where_or_why_not() -> None:
    """No case is left open, and no number stands twice."""
    rows = [line.split("|")[1:-1] for line in PAGE.splitlines() if re.match(r"\| [IG]\d\d", line)]
    numbers = [number for row in rows for number in row[0].split()]
    assert len(numbers) == len(set(numbers)) == 114
    assert all(NAMED.search(row[2]) or re.search(r"waits? for|no schema|actions are|does not apply", row[2])
               for row in rows)


def test_cases_named_in_the_tests_stand_on_the_page() -> None:
    """A docstring's `I16` or `G53` leads to its row."""
    for file in (ROOT / "tests" / "inputs").glob("test_*.py"):
        for line in re.findall(r'"""(.*?)"""', file.read_text(), re.DOTALL):
            for number in re.findall(r"\b[IG]\d\d\b", line):
                assert re.search(rf"^\|[^|]*\b{number}\b", PAGE, re.MULTILINE), (file.name, number)
