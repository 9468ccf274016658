"""One file as the gates see it: bytes, text, frontmatter and body, with the line where the body starts."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable
from functools import cached_property
from typing import Literal

from githarness.skills import frontmatter, markdown
from githarness.skills.frontmatter import Front

LARGEST = 1 << 20  # bytes of a file that are judged: none that has more passes
_LARGE = 65_536  # characters: below, counting the lines anew for each finding is cheaper than a table of them
Kind = Literal["skill", "agent", "command", "rule", "prompt", "instructions"]


class Document:
    """Parsed once, when first asked. `path` is relative to the repository, with `/`."""

    def __init__(self, path: str, data: bytes, kind: Kind) -> None:
        self.path = path
        self.data = data
        self.kind = kind

    @property
    def folder(self) -> str:
        """The folder's path; empty at the top of the repository."""
        return self.path.rpartition("/")[0]

    @cached_property
    def text(self) -> str:
        """Bytes that are not UTF-8 are shown as U+FFFD; a byte-order mark stays."""
        return self.data.decode("utf-8", "replace")

    @cached_property
    def front(self) -> Front:
        """Never raises: what is wrong stands in `front.problems`."""
        return frontmatter.read(self.text)

    @property
    def body(self) -> str:
        return self.text[self.front.end :]

    @cached_property
    def body_line(self) -> int:
        """The number of the body's first line, from 1."""
        return self.text.count("\n", 0, self.front.end) + 1

    @cached_property
    def fences(self) -> list[markdown.Fence]:
        """The body's fenced blocks of code."""
        return markdown.fences(self.text, self.front.end)

    @cached_property
    def prose(self) -> str:
        """The text with frontmatter, code and comments blanked: offsets are those of `text`, line ends are not kept."""
        return markdown.prose(self.text, self.front.end, self.fences)

    @cached_property
    def lines(self) -> list[str]:
        """Without their ends; only LF and CRLF end a line, so that numbers are those that editors show."""
        lines = self.text.split("\n")
        return [line.removesuffix("\r") for line in lines] if "\r" in self.text else lines

    @cached_property
    def lower(self) -> str:
        """The text in lower case, as long as `text`: what gates look for words in."""
        return self.text.replace("\u0130", "i").lower()  # the one letter whose lower case is longer than itself

    def line_at(self, offset: int) -> int:
        """The number of the line that the character at `offset` of `text` stands in."""
        return bisect_left(self._ends, offset) + 1 if len(self.text) > _LARGE else self.text.count("\n", 0, offset) + 1

    @cached_property
    def _ends(self) -> list[int]:
        """Offsets of line ends."""
        return [match.start() for match in re.finditer("\n", self.text)]


def holds(text: str, words: Iterable[str]) -> bool:
    """Whether one of the words stands in the text: asked a hundred times of each file, so without a generator."""
    for word in words:  # noqa: SIM110
        if word in text:
            return True
    return False


def kind_of(path: str) -> Kind | None:
    """What a file is by its path alone, None for what no gate judges.

    Sources: agentskills.io (SKILL.md), code.claude.com (.claude/agents, .claude/commands), docs.cursor.com (.mdc),
    code.visualstudio.com (.prompt.md, .instructions.md, .agent.md), agents.md (AGENTS.md).
    """
    *folders, name = path.split("/")
    if name.lower() == "skill.md":
        return "skill"
    if name.endswith(".mdc"):
        return "rule"
    if name.endswith(".prompt.md"):
        return "prompt"
    if name in ("AGENTS.md", "CLAUDE.md", "GEMINI.md", "copilot-instructions.md") or name.endswith(".instructions.md"):
        return "instructions"
    if name.endswith(".agent.md") or (name.endswith(".md") and _below(folders, "agents")):
        return "agent"
    return "command" if name.endswith(".md") and _below(folders, "commands") else None


def _below(folders: list[str], name: str) -> bool:
    """Whether `.claude/NAME`, or a plugin's `NAME`, is among the folders."""
    return any(folder == name and (number == 0 or folders[number - 1].startswith("."))
               for number, folder in enumerate(folders))
