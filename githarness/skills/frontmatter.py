"""The block of YAML at the head of a markdown file, read strictly and without ever raising.

A file that begins with a line `---` has frontmatter up to the next line `---`. What is read is what PyYAML would read;
what clients read otherwise, or not at all, stands in `problems`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal, NamedTuple

from frontmatter import parse
from frontmatter.default_handlers import BaseHandler

from githarness import strictyaml
from githarness.canon import Json
from githarness.strictyaml import Kind, Node, Style

ProblemKind = Literal[
    "absent", "unclosed", "late", "fenced", "not-mapping",  # GH003
    "large", "deep", "alias", "many",  # GH004: limits, found before parsing
    "syntax",  # GH005
    "duplicate", "anchor", "tag", "merge",  # GH007
]
LARGEST = 1 << 16  # characters between the fences
# Fields that are text in every profile: another type there is an accident.
TEXT = frozenset(("name", "description", "license", "compatibility", "version", "author", "argument-hint", "homepage",
                  "title", "model", "globs"))
LINES = 20  # from the top in which a misplaced block is looked for
MISPLACED = (r"^\ufeff?(?P<fence>(?:`{3,}|~{3,})(?:ya?ml|markdown|md)?[ \t]*\r?\n)?(?P<open>---[ \t]*\r?\n\s*)?"
             r"(?:## )?(?=(?:name|description|globs|alwaysApply)[ \t]*:)")


class Problem(NamedTuple):
    kind: ProblemKind
    line: int  # in the file, from 1
    message: str  # lower case, no full stop


class Field(NamedTuple):
    """One top-level key. Offsets count characters of the file's text."""

    name: str
    value: Json  # as PyYAML reads it; dates and other scalars that JSON lacks as their text
    kind: Kind  # what PyYAML made of it
    style: Style
    line: int
    at: int  # of the key
    start: int  # of the value
    end: int  # behind the value, its last line break not counted


class Front(NamedTuple):
    start: int  # offset of the first character behind the opening fence's line; 0 without frontmatter
    close: int  # offset of the closing fence's line
    end: int  # offset of the body
    fields: Mapping[str, Field]
    problems: tuple[Problem, ...]

    @property
    def values(self) -> dict[str, Json]:
        return {name: field.value for name, field in self.fields.items()}

    def text(self, name: str) -> str:
        """The value of a field that is text, else an empty one."""
        field = self.fields.get(name)
        return field.value if field is not None and isinstance(field.value, str) else ""

    def line(self, name: str) -> int:
        """The line of a field, 1 where it is absent."""
        field = self.fields.get(name)
        return field.line if field else 1


class _Strict(BaseHandler):
    """A block that is known already: the library's own splits at rules in the body, and turns CRLF into LF before."""

    FM_BOUNDARY = re.compile(r"^---[ \t]*\r?$", re.MULTILINE)

    def __init__(self, block: str) -> None:
        super().__init__()
        self._block = block
        self.flaws: list[strictyaml.Flaw] = []

    def split(self, text: str) -> tuple[str, str]:  # noqa: ARG002
        return self._block, ""

    def load(self, fm: str) -> dict[str, Node]:
        fields, self.flaws = strictyaml.nodes(fm)
        return fields


def read(text: str) -> Front:
    """Raises nothing; without readable frontmatter `fields` is empty and `problems` says why.

    A byte-order mark before the fence is passed over here: GH002 reports it.
    """
    opening = re.compile(r"\ufeff?---[ \t]*\r?\n").match(text)
    if opening is None:
        return Front(0, 0, 0, {}, (_missing(text),))
    start = opening.end()
    closing = re.compile(r"\n---[ \t]*\r?(?:\n|\Z)").search(text, start - 1)
    if closing is None:
        return Front(0, 0, 0, {}, (Problem("unclosed", 1, "the block that opens in line 1 has no closing line '---'"),))
    close, end = closing.start() + 1, closing.end()
    if close - start > LARGEST:
        large = Problem("large", 1, f"frontmatter has more than {LARGEST} characters")
        return Front(start, close, end, {}, (large,))
    handler = _Strict(text[start:close])
    found, _ = parse("", handler=handler)
    return _front(text, (start, close, end), found, handler.flaws)


def _front(text: str, spans: tuple[int, int, int], found: Mapping[str, object], flaws: list[strictyaml.Flaw]) -> Front:
    start = spans[0]
    line = text.count("\n", 0, start) + 1
    fields = {}
    at = start
    for node in found.values():
        assert isinstance(node, Node)
        line += text.count("\n", at, start + node.at)
        at = start + node.at
        fields[node.name] = Field(node.name, node.value, node.kind, node.style, line, at, start + node.start,
                                  start + node.end)
    problems = tuple(Problem(flaw.kind, text.count("\n", 0, start + flaw.at) + 1, f"frontmatter: {flaw.message}")
                     for flaw in flaws)
    return Front(*spans, fields, problems)


def _missing(text: str) -> Problem:
    """What stands where the frontmatter should: nothing, or a block that clients do not see."""
    found = re.search(MISPLACED, text[: 1 << 13], re.M)
    line = text.count("\n", 0, found.start()) + 1 if found else 1
    if found and line <= LINES and found["fence"]:
        return Problem("fenced", line, "frontmatter stands in a fenced code block")
    if found and line <= LINES and found["open"]:
        return Problem("late", line, "frontmatter does not begin at the first byte")
    lacks = "fields stand without the lines '---' around them" if found and line == 1 else "has no frontmatter"
    return Problem("absent", 1, lacks)
