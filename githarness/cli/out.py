"""The only place that prints: data on stdout, everything else on stderr, one JSON document where that was asked for.

Text for people is cleaned: a control character in a path, a subject or a message cannot drive the terminal.
"""

from __future__ import annotations

import io
import json
import os
import re
import sys
from typing import NamedTuple, TextIO

from githarness import canon
from githarness.clock import SYSTEM
from githarness.errors import HarnessError

_COLOURS = {"red": "31", "green": "32", "yellow": "33", "blue": "34", "cyan": "36", "bold": "1", "dim": "2"}


class Painted(NamedTuple):
    """A piece of a line with one of the colours above, shown where the output is a terminal."""

    text: str
    colour: str


def set_up() -> None:
    """UTF-8 whatever the locale says; what is not UTF-8 (a file name in argv) prints escaped instead of failing."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")


def document(value: object) -> None:
    print(_harmless(json.dumps(value, indent=2, ensure_ascii=False)))


def json_line(value: object) -> None:
    print(_harmless(json.dumps(value, ensure_ascii=False)), flush=True)


def _harmless(document: str) -> str:
    """The same JSON, safe to look at: such characters stand in strings only, where an escape says the same."""
    return re.sub(canon.CONTROL, lambda found: json.dumps(found[0])[1:-1], document)


def data(content: bytes) -> None:
    sys.stdout.flush()
    sys.stdout.buffer.write(content)
    sys.stdout.buffer.flush()


def text(stream: TextIO, *parts: str | Painted, color: bool) -> None:
    painted = color and stream.isatty()
    print("".join(_piece(part, painted=painted) for part in parts), file=stream)


def _piece(part: str | Painted, *, painted: bool) -> str:
    if isinstance(part, str):
        return canon.printable(part)
    shown = canon.printable(part.text)
    return f"\x1b[{_COLOURS[part.colour]}m{shown}\x1b[0m" if painted else shown


def counted(number: int, noun: str) -> str:
    """`1 file`, `2 files`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def error(problem: HarnessError, *, as_json: bool, color: bool) -> None:
    """The one shape of failure: the document on stdout, or message, diff and hint on stderr."""
    if as_json:
        document(problem.document())
        return
    text(sys.stderr, Painted("error:", "red"), f" {problem.message}", color=color)
    diff = problem.details.get("diff")
    if isinstance(diff, str) and diff:
        text(sys.stderr, diff.rstrip("\n"), color=color)
    if problem.fix:
        text(sys.stderr, Painted("hint:", "cyan"), f" {problem.fix}", color=color)


def drop_stdout() -> None:
    """After the reader of a pipe went away: what is still buffered goes nowhere, quietly."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class ProgressLine:
    """A counter on stderr, on a terminal only, for work that takes longer than a second."""

    def __init__(self, label: str, *, shown: bool) -> None:
        self._label = label
        self._next = SYSTEM.monotonic() + 1.0 if shown and sys.stderr.isatty() else float("inf")
        self._drawn = False

    def __enter__(self) -> ProgressLine:
        return self

    def __call__(self, done: int, total: int) -> None:
        if SYSTEM.monotonic() >= self._next:
            self._next = SYSTEM.monotonic() + 0.1
            self._drawn = True
            print(f"\r\x1b[K{self._label} {done}/{total}", end="", file=sys.stderr, flush=True)

    def __exit__(self, *_: object) -> None:
        if self._drawn:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)
