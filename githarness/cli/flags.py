"""The global flags: taken from anywhere in argv before `--`, so that they work before and after the command."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

SWITCHES = ("--json", "--quiet", "--no-color")


@dataclass(frozen=True, slots=True)
class Flags:
    directory: Path = Path()
    json: bool = False
    quiet: bool = False
    color: bool = True


def hoist(argv: Sequence[str]) -> tuple[list[str], list[str]]:
    """argv as (global flags with their values, everything else in its order)."""
    front: list[str] = []
    rest: list[str] = []
    words = iter(argv)
    for word in words:
        if word == "--":
            return front, [*rest, word, *words]
        value = list(islice(words, 1)) if word == "-C" else []
        is_global = word in SWITCHES or value  # a last `-C` without DIR is for the parser to refuse
        (front if is_global else rest).extend([word, *value])
    return front, rest
