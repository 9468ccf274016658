"""What the gates find becomes findings: each tells itself apart, hides secrets, and survives a gate that breaks."""

from __future__ import annotations

from collections.abc import Iterator

from githarness.skills import judge
from githarness.skills.document import Document
from githarness.skills.gates import gh050
from githarness.skills.model import Finding, Found, Gate, Place
from tests.skills.fakes import document, place

PATH = "skills/a/SKILL.md"
TOKEN = "ghp_" + "aB3dE5gH7jK9mN1pQ3sT5vW7yZ9bC1dE3fG5"


def lines_with(word: str) -> Gate:
    def check(doc: Document, _: Place) -> Iterator[Found]:
        yield from (Found(number, "m", "f") for number, line in enumerate(doc.lines, 1) if word in line)
    return Gate("GH099", "error", check)


def findings(text: str, *gates: Gate, files: dict[str, bytes] | None = None) -> list[Finding]:
    given = {PATH: text.encode(), **(files or {})}
    return judge.judge(document(PATH, given[PATH]), place(given), gates)


def prints(text: str) -> list[str]:
    return [each.fingerprint for each in findings(text, lines_with("bad"))]


def test_a_fingerprint_survives_an_edit_elsewhere() -> None:
    """It is over gate and line; equal ones of a file are numbered."""
    assert prints("bad\n") == prints("good\n\n  bad  \n") != prints("bad too\n")
    once, twice = prints("bad\nbad\n")
    assert twice == f"{once}.2"


def test_only_what_is_new_is_introduced() -> None:
    """Old debt is known again where it moved; a second one of a kind is new."""
    before, now = findings("bad\n", lines_with("bad")), findings("x\nbad\nbad\n", lines_with("bad"))
    assert [each.line for each in judge.introduced(now, before)] == [3]
    assert judge.introduced(before, now) == []


def test_a_gate_that_breaks_fails_the_file_and_no_other_gate() -> None:
    """It has not passed the file."""
    def broken(_doc: Document, _place: Place) -> Iterator[Found]:
        raise RecursionError
        yield

    found = findings("bad\n", Gate("GH098", "warning", broken), lines_with("bad"))
    assert [(each.gate, each.severity) for each in found] == [("GH098", "error"), ("GH099", "error")]


def test_no_gate_shows_a_line_with_a_secret() -> None:
    """Another finding on that line shows what the finding of the secret shows."""
    found = findings(f"bad {TOKEN}\n", gh050.GATE, lines_with("bad"))
    assert len(found) == 2 and not any(TOKEN[8:] in field for each in found for field in map(str, each))


def test_a_bundled_secret_that_takes_the_place_of_another_is_new() -> None:
    """They are told apart by the bundled file's line, which is hashed and never shown."""
    script = "skills/a/scripts/run.sh"
    one, other = (findings("# A\n", gh050.GATE, files={script: f"T={token}\n".encode()})
                  for token in (TOKEN, f"ghp_{TOKEN[4:][::-1]}"))
    assert len(one) == len(other) == 1 and judge.introduced(other, one) == other
    assert TOKEN[8:] not in str(one)


def test_the_end_of_a_long_line_counts() -> None:
    """What stands far behind in a line is not forgiven for what its beginning was."""
    start = "bad " * 100
    assert prints(start + "one") != prints(start + "two") and prints(start + "one") == prints("\n" + start + "one")
