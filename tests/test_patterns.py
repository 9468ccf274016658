"""Regular expressions: what every Python from 3.11.0 on matches alike."""

from __future__ import annotations

import ast
import re
from pathlib import Path

PACKAGE = Path(__file__).parent.parent / "githarness"
_POSSESSIVE_GROUP = re.compile(r"\)(?:\*|\+|\{\d*,\d*\})\+")


def test_no_group_is_possessive() -> None:
    """Python before 3.11.5 matches a possessive group wrongly where something in it can go back (gh-106052)."""
    # What gh052's holds is possessive itself and cannot go back.
    found = [f"{path.name}: {node.value!r}" for path in PACKAGE.rglob("*.py") if path.name != "gh052.py"
             for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
             if isinstance(node, ast.Constant) and isinstance(node.value, (str, bytes))
             and _POSSESSIVE_GROUP.search(node.value if isinstance(node.value, str) else node.value.decode("latin-1"))]
    assert found == []
