"""The strict reading of frontmatter: what is read, what is reported with which line, and that nothing ends it."""

from __future__ import annotations

import tracemalloc

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from githarness.skills.frontmatter import Front, read

ODD = st.text("ab-:?[]{}&*!|>'\"%@`#,. \t\n\r\0\x85\u2028\ufeff~<=0123", max_size=60)
LINES = st.lists(
    st.sampled_from(
        [
            "name: x",
            "description: Use when: it",
            "---",
            "",
            "  - a",
            "tags: [a, b]",
            "metadata:",
            "  k: v",
            "|",
            "a: |",
            "# c",
            "a: &x 1",
            "b: *x",
            "<<: {}",
            "c: !!python/name:os",
            "\td: e",
            "\ufeff",
            "d: 2026-99-99",
            '"q": "',
            "? [a]",
        ]
    ),
    max_size=12,
)


def _front(*lines: str) -> Front:
    return read("---\n" + "".join(f"{line}\n" for line in lines) + "---\nbody\n")


def test_fields_stand_where_their_offsets_say() -> None:
    """Key, value, line, style and kind of each field, through comments, CRLF and multi-byte characters."""
    lines = ["---", "# ü", "name: 'é'  # c", "items:", "  - a", "  - [b,", "    c]", "", "note: >-", "  x", "  y", ""]
    text = "\r\n".join([*lines, "---", "body"])
    front = read(text)
    seen = {
        name: (text[f.at : f.at + len(name)], text[f.start : f.end], f.line, f.style)
        for name, f in front.fields.items()
    }
    assert seen == {
        "name": ("name", "'é'", 3, "single"),
        "items": ("items", "- a\r\n  - [b,\r\n    c]", 4, "sequence"),
        "note": ("note", ">-\r\n  x\r\n  y", 9, "folded"),
    }
    assert (text[front.end :], front.problems) == ("body", ())


@pytest.mark.parametrize(
    ("source", "kind"),
    [("yes", "bool"), ("1.10", "number"), ("12:30:45", "number"), ("0777", "number"), ("0o7", "text"),
     (".inf", "number"), ("2026-01-31", "date"), ("~", "null"), ("", "null"), ("1e3", "text"), ("y", "text"),
     ("'yes'", "text"), ("[a]", "list"), ("{a: b}", "mapping"), ("9" * 5000, "number")],
)  # fmt: skip
def test_a_scalar_is_typed_as_pyyaml_types_it(source: str, kind: str) -> None:
    """Of what JSON lacks the text is kept."""
    field = _front(f"a: {source}").fields["a"]
    assert field.kind == kind
    assert isinstance(field.value, bool | int | float | str | list | dict | None)


def test_values_are_those_of_pyyaml() -> None:
    """Numbers, truth values and nests compare equal to what the safe loader makes of them."""
    block = "a: 0x1F\nb: 1_000\nc: [on, 1.5, ~]\nd: {e: {f: 'g'}}\nh: |\n  i\n"
    assert read(f"---\n{block}---\n").values == yaml.safe_load(block)


@pytest.mark.parametrize("key", ["handler", "content", "metadata", "text", "encoding"])
def test_no_key_is_special(key: str) -> None:
    """python-frontmatter's own parameters are ordinary fields."""
    assert _front(f"{key}: a").values == {key: "a"}


@pytest.mark.parametrize(
    ("text", "kind", "line"),
    [
        ("", "absent", 1),
        ("# Title\n", "absent", 1),
        ("name: a\ndescription: b\n", "absent", 1),
        ("----\nname: a\n----\n", "absent", 1),
        ("---\nname: a\n", "unclosed", 1),
        ("---\nname: a\n----\n", "unclosed", 1),
        ("\n\n---\nname: a\n---\n", "late", 3),
        ("# T\n\n---\nname: a\n---\n", "late", 3),
        ("<!-- c -->\n---\ndescription: a\n---\n", "late", 2),
        ("```yaml\nname: a\n```\n", "fenced", 1),
        ("~~~\n---\nname: a\n---\n~~~\n", "fenced", 1),
        ("---\n- a\n---\n", "not-mapping", 2),
        ("---\na\n---\n", "not-mapping", 2),
        ("---\n---\n", "not-mapping", 2),
        ("---\na: 1\nb: c: d\n---\n", "syntax", 3),
        ("---\na: 1\nb: \0\n---\n", "syntax", 3),
        ("---\na: 1\nb: *x\n---\n", "syntax", 3),
        ("---\na: {{b}}\n---\n", "syntax", 2),
        ("---\na: 2026-02-31\n---\n", "syntax", 2),
        ("---\na: =\n---\n", "syntax", 2),
        ("---\na: 1\n...\nb: 2\n---\n", "syntax", 4),
        ("---\na: 1\nb: 2\na: 3\n---\n", "duplicate", 4),
        ("---\na:\n  b: 1\n  b: 2\n---\n", "duplicate", 4),
        ("---\na: &x 1\n---\n", "anchor", 2),
        ("---\na: !!str 1\n---\n", "tag", 2),
        ("---\na: !!python/object/apply:os.system [id]\n---\n", "tag", 2),
        ("---\n<<: {a: 1}\n---\n", "merge", 2),
        ("---\na: [" + "[" * 30_000 + "\n---\n", "deep", 2),
        ("---\na:\n" + "".join(" " * n + "- \n" for n in range(40)) + "---\n", "deep", 23),
        ("---\n" + "- " * 30_000 + "\n---\n", "not-mapping", 2),
        ("---\na: " + "- " * 30_000 + "\n---\n", "syntax", 2),
        ("---\n" + "".join(f"k{n}: 1\n" for n in range(201)) + "---\n", "many", 202),
        ("---\na: [" + "b, " * 3_000 + "]\n---\n", "many", 2),
        ("---\na: " + "b" * 70_000 + "\n---\n", "large", 1),
    ],
)
def test_a_problem_is_named_with_its_line(text: str, kind: str, line: int) -> None:
    """The first problem, its line in the file, and a message in the house's grammar."""
    problem = read(text).problems[0]
    assert (problem.kind, problem.line) == (kind, line)
    assert problem.message and not problem.message.endswith(".")


def test_an_alias_of_itself_stands_for_nothing() -> None:
    """A recursive anchor and a bomb of aliases are reported and never expanded."""
    front = _front("a: &a [*a]", "b: &b [*a, *a]", "c: [*b, *b]")
    assert front.values == {"a": [None], "b": [None, None], "c": [None, None]}
    assert {problem.kind for problem in front.problems} == {"anchor", "alias"}


def test_a_line_separator_in_a_key_does_not_move_lines() -> None:
    """What YAML 1.1 takes for a line break is none for line numbers."""
    front = _front('a: "b\u2028c"', "d: e\\Lf", "g: h: i")
    assert front.problems[0].line == 4


@pytest.mark.parametrize("head", ["---\n", "---\nname: a\n", "\n", "", "---\n---x\n"])
def test_a_hundred_megabytes_cost_little(head: str) -> None:
    """Without a closing line nothing of it is parsed or copied."""
    text = head + "a: b\n" * 20_000_000
    tracemalloc.start()
    problems = read(text).problems
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert problems and peak < 1 << 20


def _holds(text: str) -> None:
    front = read(text)
    assert 0 <= front.start <= front.close <= front.end <= len(text)
    for field in front.fields.values():
        assert front.start <= field.at <= field.start <= field.end <= front.close
    for problem in front.problems:
        assert 1 <= problem.line <= text.count("\n") + 1


@settings(max_examples=300, deadline=None)
@given(st.one_of(st.text(), ODD, ODD.map("---\n{}\n---\n".format), LINES.map("\n".join)))
def test_no_text_ends_the_reading(text: str) -> None:
    """Any text gives a Front whose offsets and lines lie in the text."""
    _holds(text)


@settings(max_examples=200, deadline=None)
@given(LINES, st.sampled_from(["\n", "\r\n"]))
def test_what_has_no_problem_is_what_pyyaml_reads(lines: list[str], end: str) -> None:
    """Frontmatter without a problem has the keys that the safe loader finds."""
    text = end.join(["---", *lines, "---", ""])
    front = read(text)
    if not front.problems:
        assert list(front.fields) == list(yaml.load(text[front.start : front.close], Loader=yaml.CSafeLoader))


@pytest.mark.soak
@settings(max_examples=50_000, deadline=None)
@given(st.one_of(st.text(), ODD.map("---\n{}\n---\n".format), LINES.map("\n".join)))
def test_no_text_ends_the_reading_at_length(text: str) -> None:
    """The same for longer."""
    _holds(text)
