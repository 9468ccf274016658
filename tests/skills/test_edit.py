"""Changes to one field: what stays byte for byte, what is written, and that mending rests after the first time."""

from __future__ import annotations

import json

import pytest
import yaml
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from githarness.skills import edit, mend
from githarness.skills.frontmatter import read

FILE = (
    b"---\r\nname: 'x'  # c\r\ndescription: >-\r\n  foo\r\n  bar\r\n\r\n# k\r\n"
    b"metadata:\r\n  a: 1 # z\r\n  b: [x,\r\n   y]\r\n"
    b'tags:\r\n- a\r\n- b\r\nempty:\r\nj: {"a": {"b": 1}}\r\nlong: |\r\n  l\r\n---\r\n# body \xff\r\n'
)
TEXTS = st.one_of(
    st.text(st.characters(exclude_categories=("Cs",)), max_size=30),
    st.sampled_from(["", "yes", "a: b", "a #b", "- a", "1.10", "null", "'", '"', "\\", "a\nb\n", " a", "a ",
                     "\t", "\x85", "\u2028", "\ufeff", "{a}", "[b", "*c", "&d", "!e", "%f", "@g", "`h", "k:",
                     "12:30", "0o7", "y", "=", "<<"]),
)  # fmt: skip
VALUES = st.one_of(
    TEXTS, st.booleans(), st.integers(), st.lists(TEXTS, max_size=3), st.dictionaries(TEXTS, TEXTS, max_size=2)
)
NAMES = st.sampled_from(["name", "description", "metadata", "tags", "empty", "j", "long", "new", "metadata.a",
                         "metadata.new", "j.a", "j.new", "new.inner"])  # fmt: skip
ENTRIES = st.lists(
    st.sampled_from(
        ["# c", "", "name: x", "'quoted': 'it''s'  # c", "description: >-\n  a\n\n  b", "text: |+\n  a\n\n",
         "list:\n- a\n- b",
         "deep:\n    k: v  # c\n    l: [a,\n      b]", 'flow: {"a": [1, 2]}', "none:",
         "plain: a\n  b\n  c", '"dq" : "a\\\n  b"',
         "tags: [a]   ", "on: off", "date: 2026-01-31"]
    ),
    unique=True, min_size=1,
)  # fmt: skip


def _values(data: bytes) -> dict[str, object]:
    return dict(read(data.decode("utf-8", "surrogateescape")).values)


def _changed(before: bytes, after: bytes) -> list[str]:
    """The lines that differ, with their ends, after the common head and before the common tail."""
    old, new = before.split(b"\n"), after.split(b"\n")
    while old and new and old[0] == new[0]:
        old, new = old[1:], new[1:]
    while old and new and old[-1] == new[-1]:
        old, new = old[:-1], new[:-1]
    return [line.decode("latin-1") for line in new]


@pytest.mark.parametrize(
    ("name", "value", "lines"),
    [
        ("name", "y", ["name: 'y'  # c\r"]),
        ("name", "it's", ["name: 'it''s'  # c\r"]),
        ("description", "new: text", ["  new: text\r"]),
        ("long", "a\nb\n", ["  a\r", "  b\r"]),
        ("metadata.a", "yes", ['  a: "yes" # z\r']),
        ("metadata.c", ["q", 1], ["  c:\r", "    - q\r", "    - 1\r"]),
        ("tags", ["a", "1"], ['- "1"\r']),
        ("empty", "v", ["empty: v\r"]),
        ("empty", None, []),
        ("j.c", "x", ['j: {"a": {"b": 1}, "c": "x"}\r']),
        ("new", {"a": "b", "c": ["d"]}, ["new:\r", "  a: b\r", "  c:\r", "    - d\r"]),
        ("new.a", "b", ["new:\r", "  a: b\r"]),
    ],
)
def test_a_change_is_written_like_what_stood_there(name: str, value: object, lines: list[str]) -> None:
    """Quotes, block style, indentation, comments and CRLF stay; only these lines are new."""
    after = edit.put(FILE, name, value)  # type: ignore[arg-type]
    if lines:
        assert _changed(FILE, after) == lines


def test_removing_takes_the_field_and_its_comment() -> None:
    """The comment above the next field stays."""
    assert edit.remove(FILE, "description") == FILE.replace(b"description: >-\r\n  foo\r\n  bar\r\n", b"")
    assert edit.remove(FILE, "name") == FILE.replace(b"name: 'x'  # c\r\n", b"")
    assert edit.remove(FILE, "absent") == FILE


def test_renaming_takes_the_key_alone() -> None:
    """A name that is taken is left as it is."""
    assert edit.rename(FILE, "metadata", "meta data") == FILE.replace(b"metadata:", b"meta data:")
    assert edit.rename(FILE, "name", "tags") == FILE


@pytest.mark.parametrize(
    "text",
    ["# no frontmatter\n", "---\na: b: c\n---\n", "---\n- a\n---\n", "---\na: 1\n", "---\na: &x 1\nb: *x\n---\n"],
)
def test_what_cannot_be_read_is_not_edited(text: str) -> None:
    """The same bytes come back, unless the edit reads back as wanted."""
    data = text.encode()
    after = edit.put(data, "c", "d")
    assert after == data or _values(after)["c"] == "d"


def test_a_quoted_key_and_a_block_at_the_end_are_edited() -> None:
    """Keys in quotes are renamed whole, and a field is added behind a kept block of text."""
    assert edit.rename(b'---\n"a:b" : 1\n---\n', "a:b", "c") == b"---\nc : 1\n---\n"
    assert edit.put(b"---\na: |\n  b\n---\n", "c", "d") == b"---\na: |\n  b\nc: d\n---\n"


@settings(max_examples=300, deadline=None)
@given(TEXTS, st.sampled_from(["plain", "single", "double"]))
def test_a_scalar_reads_as_its_text_everywhere(text: str, style: str) -> None:
    """PyYAML (YAML 1.1) and ruamel.yaml (YAML 1.2) both give the text back, as value and as key."""
    line = f"a: {edit.scalar(text, style)}\n"  # type: ignore[arg-type]
    assert yaml.safe_load(line) == {"a": text}
    assert YAML(typ="safe", pure=True).load(line) == {"a": text}


@settings(max_examples=300, deadline=None)
@given(NAMES, VALUES)
def test_putting_changes_the_value_and_nothing_else(name: str, value: object) -> None:
    """What is read back is what was there, with the one value put in; the body's bytes stay."""
    after = edit.put(FILE, name, value)  # type: ignore[arg-type]
    wanted = _values(FILE)
    key, _, inner = name.partition(".")
    wanted[key] = {**(wanted.get(key) or {}), inner: value} if inner else value  # type: ignore[dict-item]
    assert json.dumps(_values(after)) == json.dumps(wanted)
    assert after.endswith(b"---\r\n# body \xff\r\n")


@settings(max_examples=300, deadline=None)
@given(ENTRIES, st.data(), VALUES, st.sampled_from(["\n", "\r\n"]))
def test_bytes_outside_the_field_are_untouched(
    entries: list[str], data: st.DataObject, value: object, end: str
) -> None:
    """On random frontmatter: every other entry stands in the new file as it stood, in its order."""
    parts = [entry.replace("\n", end) + end for entry in entries]
    before = f"---{end}{''.join(parts)}---{end}body".encode()
    front = read(before.decode())
    assume(front.fields)
    name = data.draw(st.sampled_from(sorted(front.fields)))
    field = front.fields[name]
    text = before.decode()
    head, tail = text[: field.start].rstrip(" ").encode(), text[field.end :].encode()
    after = edit.put(before, name, value)  # type: ignore[arg-type]
    assert after == before or (after.startswith(head.rstrip()) and after.endswith(tail))
    assert json.dumps(_values(after)[name]) in (json.dumps(value), json.dumps(field.value))
    removed = edit.remove(before, name)
    assert removed == before or name not in _values(removed)


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("Foo: bar", "Foo: bar"),
        ('"x" and y', '"x" and y'),
        ('"say "hi" now"', 'say "hi" now'),
        ("'don't'", "don't"),
        ("'open", "open"),
        ("@a: `b`", "@a: `b`"),
        ("`b`", "`b`"),
        ("*a* b", "*a* b"),
        ("[a] [b]", "[a] [b]"),
        ("{{name}}", "{{name}}"),
        ("%d", "%d"),
        (", then", ", then"),
        ("a: b # c", "a: b # c"),
        ("C:\\dir: x", "C:\\dir: x"),
        ("a\n  b: c\n  d", "a b: c d"),
        ("\n  Use: when: x\n  y", "Use: when: x y"),
    ],
)
def test_a_broken_value_is_quoted(line: str, value: str) -> None:
    """To what its author meant, for PyYAML and for a YAML 1.2 parser, with the other fields as they were."""
    text = mend.quoted(f"---\nname: demo  # c\ndescription: {line}\nmore: {{a: b}}\n---\nbody: text: here\n")
    front = read(text)
    assert front.values == {"name": "demo", "description": value, "more": {"a": "b"}}
    assert YAML(typ="safe", pure=True).load(text[front.start : front.close]) == front.values
    assert text.startswith("---\nname: demo  # c\ndescription: ") and text.endswith("---\nbody: text: here\n")


@settings(max_examples=200, deadline=None)
@given(
    ENTRIES,
    st.lists(
        st.tuples(st.integers(0, 200), st.sampled_from(list("\t:#'\"[]{}*&!|>%@`-\n\r\0\x85\ufeff a"))), max_size=4
    ),
)
def test_mending_a_mutated_file_is_idempotent_and_keeps_its_body(
    entries: list[str], hits: list[tuple[int, str]]
) -> None:
    """A few wrong characters anywhere: a second round changes nothing, and the text behind the block stays."""
    text = "---\n" + "\n".join(entries) + "\n---\n# Title\n\nThe body.\n"
    for at, char in hits:
        text = text[:at] + char + text[at + 1 :]
    for change in (mend.quoted, mend.placed):
        once = change(text)
        assert change(once) == once
        assert once.endswith(text[-8:])


def test_half_a_mend_is_none() -> None:
    """Where one fault stays, for a person to decide, nothing is changed."""
    text = "---\nname: demo\ndescription: a: b\n<<<<<<< ours\nversion: 1\n=======\n>>>>>>> theirs\n---\n"
    assert mend.quoted(text) == text
