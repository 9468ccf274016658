"""Every error has its row in docs/errors.md, its place in the tree of the docstring, and the one JSON shape."""

from __future__ import annotations

import json
import re
from pathlib import Path

import jsonschema
import pytest

from githarness import errors

ROOT = Path(__file__).resolve().parent.parent
SCHEMA = json.loads((ROOT / "schemas" / "error.schema.json").read_text())


def _all(kind: type[errors.HarnessError]) -> list[type[errors.HarnessError]]:
    """Those of the tree; a signal between floors that is drawn elsewhere is none of them."""
    children = [child for child in kind.__subclasses__() if child.__module__ == errors.__name__]
    return [each for child in children for each in (child, *_all(child))]


RAISED = [kind for kind in _all(errors.HarnessError) if "never raised itself" not in (kind.__doc__ or "").lower()]


def _rows() -> dict[str, tuple[str, ...]]:
    page = (ROOT / "docs" / "errors.md").read_text()
    rows = re.findall(r"^\| `(\w+)` \| `([\w-]+)` \| (\d+) \| (.+?) \| (.+?) \|$", page, re.MULTILINE)
    return {row[0]: row[1:] for row in rows}


@pytest.mark.parametrize("kind", RAISED)
def test_every_class_has_its_row(kind: type[errors.HarnessError]) -> None:
    """Code, exit code and fix stand in docs/errors.md as the class has them."""
    code, exit_code, when, fix = _rows()[kind.__name__]
    assert (code, int(exit_code), fix) == (kind.code, kind.exit_code, kind.default_fix)
    assert when


def test_no_row_is_left_over() -> None:
    """A class that went took its row along."""
    assert set(_rows()) == {kind.__name__ for kind in RAISED}


@pytest.mark.parametrize("kind", RAISED)
def test_every_class_stands_in_the_tree(kind: type[errors.HarnessError]) -> None:
    """The docstring draws the class with its code and exit code."""
    assert re.search(rf"─ {kind.__name__} +{kind.code} +{kind.exit_code}\b", errors.__doc__ or "")


@pytest.mark.parametrize("kind", RAISED)
def test_every_document_is_of_the_schema(kind: type[errors.HarnessError]) -> None:
    """The JSON of any error satisfies schemas/error.schema.json."""
    problem = kind("'a.md' is off", details={"path": "a.md", "commits": ["0" * 40], "nested": {"n": 1}})
    jsonschema.Draft202012Validator(SCHEMA).validate(problem.document())


def test_the_schema_knows_exactly_our_codes() -> None:
    """No code is missing in the schema, and none is there that no class has."""
    listed = SCHEMA["properties"]["error"]["properties"]["code"]["enum"]
    assert sorted(listed) == sorted(kind.code for kind in RAISED)


def test_messages_and_fix_reach_the_caller() -> None:
    """A fix of the place wins over the class's own."""
    problem = errors.Denied("agent 'a' may not", fix="githarness agent list")
    assert (str(problem), problem.fix) == ("agent 'a' may not", "githarness agent list")
    assert errors.Denied("x").fix == errors.Denied.default_fix
