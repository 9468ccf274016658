"""Profiles: schemas that editors and jsonschema read, and a quick look that takes nothing which they refuse."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from referencing.exceptions import Unresolvable

from githarness.canon import Json
from githarness.errors import Usage
from githarness.skills import profiles, schemas
from githarness.skills.frontmatter import read
from githarness.skills.profiles import NAMES, fits, schema

FOLDER = Path(__file__).resolve().parents[2] / "schemas"
FILES = sorted(path.name.removesuffix(".schema.json") for path in FOLDER.glob("*.*.schema.json"))
FIELDS = [(file, field) for file in FILES for field in schema(file)["properties"]]
TEXTS = ["", "pdf-tables", "PDF", "a" * 64, "a" * 65, "b" * 1024, "b" * 1025, "-a", "a-", "fork", "high", "brew",
         "linux", "tool", "raw", "bash", "plan", "user", "worktree", "vscode"]
PLAIN: list[Json] = [None, True, False, 0, 1, 1.0, 1.5, *TEXTS]
MANY: list[Json] = [*PLAIN, [], {}, *([each] for each in PLAIN), *({"short-description": each} for each in PLAIN),
                    *([{"name": each}] for each in PLAIN), *({"openclaw": {"os": each}} for each in PLAIN)]
LEAVES = st.sampled_from(PLAIN) | st.integers(-2, 2) | st.floats(allow_nan=False)
KEYS = st.sampled_from(["openclaw", "clawdbot", "hermes", "requires", "bins", "install", "kind", "tags", "os", "name",
                        "short-description", "key", "label"])
VALUES = st.recursive(LEAVES | st.text(max_size=5), lambda inner: st.lists(inner, max_size=3)
                      | st.dictionaries(KEYS, inner, max_size=3), max_leaves=8)
REMOTE = ["https://example.invalid/a.json", "file:///etc/passwd", "skill.codex.schema.json"]
ORDINARY = """---
name: pdf-tables
description: Extracts tables from PDF files. Use when a PDF holds data.
license: MIT
compatibility: Requires git
allowed-tools: Read Bash(git:*)
metadata: {author: olive}
---
"""


def _unasked(file: str, field: str, value: Json) -> list[str]:
    raise AssertionError(f"{file} {field} {value!r}")


@pytest.mark.parametrize("name", NAMES)
def test_a_profile_takes_an_ordinary_skill_without_jsonschema(name: str) -> None:
    """The six fields of the specification are right everywhere, and known by the quick look alone."""
    profile = profiles.load(name, _unasked)
    fields = read(ORDINARY).fields
    assert len(fields) == 6
    assert [profile.wrong(f"skill.{name}", field) for field in fields.values()] == [[]] * 6
    assert set(schema(f"skill.{name}").get("required", ())) <= fields.keys()


def test_an_unknown_profile_names_the_known_ones() -> None:
    """A slip of the finger is answered with the list."""
    with pytest.raises(Usage) as error:
        profiles.load("claude", schemas.judge)
    assert all(name in error.value.fix for name in NAMES)


@pytest.mark.parametrize("file", FILES)
def test_the_quick_look_takes_nothing_that_jsonschema_refuses(file: str) -> None:
    """For every field, over values at the edge of each rule; and it takes some, so that it is of use."""
    for field, known in schema(file)["properties"].items():
        judge = schemas.build(known)
        quick = [fits(known, value) for value in MANY]
        assert [value for value, fit in zip(MANY, quick, strict=True) if fit and not judge.is_valid(value)] == [], field
        assert any(quick), field


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(FIELDS), VALUES)
def test_a_nested_value_that_fits_is_valid(of: tuple[str, str], value: Json) -> None:
    """The same over values that nobody thought of."""
    known = schema(of[0])["properties"][of[1]]
    assert not fits(known, value) or schemas.build(known).is_valid(value)


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(FIELDS), VALUES)
def test_a_judge_has_words_for_what_is_wrong_and_none_for_what_is_right(of: tuple[str, str], value: Json) -> None:
    """`judge` says something exactly where jsonschema finds the value invalid."""
    known = schema(of[0])["properties"][of[1]]
    assert bool(schemas.judge(*of, value)) != Draft202012Validator(known).is_valid(value)


def test_what_is_wrong_is_named_with_its_place() -> None:
    """The path leads from the field to the value within."""
    value: Json = {"openclaw": {"install": [{"kind": "pip"}]}}
    assert schemas.judge("skill.openclaw", "metadata", value)[0].startswith("metadata.openclaw.install[0].kind: 'pip'")


@pytest.mark.parametrize("reference", REMOTE)
def test_a_schema_retrieves_nothing(reference: str) -> None:
    """A reference out of the file is an error, never a request or a read."""
    with pytest.raises(Unresolvable):
        schemas.build({"$ref": reference}).is_valid({})  # type: ignore[typeddict-unknown-key]


@pytest.mark.parametrize("file", FILES)
def test_a_schema_stands_alone(file: str) -> None:
    """No reference leaves the file, so that editors need nothing else, and every field is a schema of its own."""
    text = (FOLDER / f"{file}.schema.json").read_text()
    assert '"$ref": "' not in text.replace('"$ref": "#', "")
    for known in json.loads(text)["properties"].values():
        Draft202012Validator.check_schema(known)


def test_hooks_need_no_jsonschema() -> None:
    """Gates and verdicts load without it: its import takes longer than most commits."""
    code = "import sys; from githarness.skills import catalogue, portability; print('jsonschema' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=FOLDER.parent)
    assert done.stdout == "False\n"
