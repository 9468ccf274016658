"""YAML without surprises: what is refused, what is text, and that dumping and loading give the same back."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from githarness import strictyaml
from githarness.errors import HarnessError, Integrity, Usage

plain = st.text(st.characters(exclude_categories=("Cs",)), max_size=20)
hard = st.sampled_from(
    [
        "",
        "null",
        "~",
        "no",
        "1",
        "1e3",
        "0o7",
        "2026-01-01",
        "<<",
        "- a",
        "a: b",
        "#x",
        " x",
        "x ",
        "'",
        '"',
        "\n",
        "a\nb\n",
        "\t",
        "\0",
        "\x85",
        "\u2028",
        "\ufeff",
        "!x",
        "&x",
        "*x",
        "@",
        "`",
        "%x",
        "{",
        "\U0001f600",
    ]
)
keys = st.text(st.characters(min_codepoint=33, max_codepoint=0x2FFF), min_size=1, max_size=8).filter(
    lambda key: key.isprintable() and key != "<<"
)
values = st.recursive(
    st.one_of(st.none(), plain, hard),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(keys, inner, max_size=4)),
    max_leaves=12,
)
documents = st.dictionaries(keys, values, min_size=1, max_size=5)


@settings(max_examples=200, deadline=None)
@given(documents)
def test_what_is_dumped_loads_as_the_same(document: dict[str, object]) -> None:
    """Text, None, lists and mappings of any content come back, here and in another YAML reader."""
    data = strictyaml.dump(document)
    assert strictyaml.load(data, "x.yaml") == document
    assert yaml.safe_load(data) == document


@pytest.mark.parametrize(
    "scalar", ["no", "on", "1", "0x1f", "1_000", "12:30:45", "2026-01-01", "1.5", ".inf", "true", "=", "'~'", '""']
)
def test_a_plain_scalar_is_text(scalar: str) -> None:
    """Nothing is turned into a number, a time or a truth value; quoted text is text."""
    assert strictyaml.load(f"a: {scalar}\n".encode(), "x.yaml") == {"a": scalar.strip("'\"")}


@pytest.mark.parametrize("scalar", ["", "~", "null", "Null", "NULL"])
def test_nothing_is_none(scalar: str) -> None:
    """An empty value and the words for it are None."""
    assert strictyaml.load(f"a: {scalar}\n".encode(), "x.yaml") == {"a": None}


@pytest.mark.parametrize(
    ("text", "line", "word"),
    [
        ("a: 1\nb: 2\na: 3\n", 3, "'a' twice"),
        ('a: 1\n"a": 3\n', 2, "twice"),
        ("a:\n  b: 1\n  b: 2\n", 3, "under 'a'"),
        ("a: &x 1\n", 1, "anchor"),
        ("a: [&x {b: 1}]\n", 1, "anchor"),
        ("a: *x\n", 1, "anchor"),
        ("a: !!str 1\n", 1, "tag"),
        ("a: !x {}\n", 1, "tag"),
        ("a: ! x\n", 1, "tag"),
        ("a: !!python/object/apply:os.system [id]\n", 1, "tag"),
        ("<<: {a: 1}\n", 1, "key"),
        ('"<<": {a: 1}\n', 1, "key"),
        ("? [a]\n: 1\n", 1, "key"),
        ("? {a: 1}\n: 1\n", 1, "key"),
        ("~: 1\n", 1, "key"),
        (": 1\n", 1, "key"),
        ('"a\\Lb": 1\n', 1, "key"),
        ('"a\\0": 1\n', 1, "key"),
        ('"": 1\n', 1, "key"),
        ("a: 1\n---\nb: 2\n", 2, "document"),
        ("a: 1\n...\nb\n", 3, "document"),
        ("%YAML 1.1\n---\na: 1\n", 1, "directive"),
        ("%TAG ! x:\n---\na: 1\n", 1, "directive"),
        ("- a\n", 1, "mapping"),
        ("text\n", 1, "mapping"),
        ("a: 1\n b: 2\n", 2, ""),
        ("a: {b: 1\n", 2, ""),
        ('a: "x\n', 2, ""),
        ("a: [\n", 2, ""),
        ("a: 1\n\tb: 2\n", 2, ""),
        ("a: " + "[" * 40 + "]" * 40, 1, "deeper"),
    ],
)
def test_what_has_two_readings_is_refused(text: str, line: int, word: str) -> None:
    """The error names the file and the line, and the key where there is one."""
    with pytest.raises(Integrity) as caught:
        strictyaml.load(text.encode(), "x.yaml")
    assert f"'x.yaml' line {line}" in caught.value.message
    assert word in caught.value.message
    assert caught.value.fix


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\n",
        b"# only a comment\n",
        b"---\n",
        b"\xff\xfea\0:\0 \x001\0",
        b"a: \xff\n",
        b"a: \x1b\n",
        b"a: \0\n",
        b"a: " + b"[" * 500_000,
        b"a:\n" + b"".join(b" " * n + b"- \n" for n in range(1000)),
        b"{" * 10_000,
        b"? " * 10_000,
        b"a: " + b"x" * 1_100_000,
    ],
)
def test_what_is_no_document_is_refused(data: bytes) -> None:
    """Nothing, other encodings, control characters, nests and bulk end in Integrity that names the file."""
    with pytest.raises(Integrity, match=r"x\.yaml"):
        strictyaml.load(data, "x.yaml")


def test_aliases_cannot_multiply() -> None:
    """A bomb of aliases ends at its first anchor."""
    bomb = "a: &a [x, x]\n" + "".join(
        f"{name}: &{name} [*{last}, *{last}]\n" for last, name in zip("abcdefgh", "bcdefghi", strict=True)
    )
    with pytest.raises(Integrity, match="line 1 under 'a'"):
        strictyaml.load(bomb.encode(), "x.yaml")


def test_a_byte_order_mark_is_not_part_of_the_first_key() -> None:
    """A file saved with a BOM loads like one without."""
    assert strictyaml.load(b"\xef\xbb\xbfa: b\n", "x.yaml") == {"a": "b"}


def test_the_same_value_twice_is_written_twice() -> None:
    """Dumping makes no anchors, and whole numbers are plain."""
    roles = ["writer"]
    assert strictyaml.dump({"version": 1, "a": roles, "b": roles}) == b"version: 1\na:\n- writer\nb:\n- writer\n"


def test_text_that_is_none_is_refused() -> None:
    """Half a surrogate pair, as bad bytes in argv become, is wrong usage."""
    with pytest.raises(Usage):
        strictyaml.dump({"a": "\udcff"})


def _survives(data: bytes) -> None:
    try:
        strictyaml.load(data, "x.yaml")
    except HarnessError as error:
        assert error.fix


@settings(max_examples=200, deadline=None)
@given(st.one_of(st.binary(max_size=60), st.text("ab:-?[]{}&*!|>'\"%@`#,\n \t~<", max_size=40).map(str.encode)))
def test_no_input_ends_in_another_error(data: bytes) -> None:
    """Any bytes load or raise one of our errors."""
    _survives(data)


@pytest.mark.soak
@settings(max_examples=50_000, deadline=None)
@given(st.one_of(st.binary(), st.text("ab:-?[]{}&*!|>'\"%@`#,\n \t~<\r\\\u2028\ufeff").map(str.encode)))
def test_no_input_ends_in_another_error_at_length(data: bytes) -> None:
    """The same for hours."""
    _survives(data)


@pytest.mark.soak
@settings(max_examples=20_000, deadline=None)
@given(documents)
def test_what_is_dumped_loads_as_the_same_at_length(document: dict[str, object]) -> None:
    """The round trip with many more documents."""
    assert strictyaml.load(strictyaml.dump(document), "x.yaml") == document


def test_pairs_have_the_value_that_an_alias_stands_for() -> None:
    """Every key with a scalar, at any depth, of every document, with its line; other YAML than ours is read too."""
    data = b"a: &x 1\nb:\n  - {c: *x, d: [1], ? e : f}\n---\n!!str g: !t h\n? [i]\n: j\n"
    assert list(strictyaml.pairs(data, "x.yml")) == [
        ("a", "1", 1), ("c", "1", 3), ("e", "f", 3), ("g", "h", 5), ("", "j", 7)]


def test_a_key_twice_says_what_mends_it() -> None:
    """To mend the file at that line helps nobody who sees no fault there."""
    with pytest.raises(Integrity) as caught:
        strictyaml.load(b"effect: allow\neffect: deny\n", "x.yaml")
    assert caught.value.fix == "take one 'effect' away"
