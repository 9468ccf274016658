"""A YAML mapping taken apart key by key, every fault of it with its line: nothing is raised before all are known.

A value that is off is replaced by its default, so that the reading goes on; what was read is good only without faults.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from difflib import get_close_matches
from typing import NamedTuple, TypeVar

from githarness import strictyaml
from githarness.canon import Json
from githarness.errors import HarnessError, Integrity, Usage

_Value = TypeVar("_Value")
_LONGEST_TEXT = 4096


class Fault(NamedTuple):
    file: str
    line: int
    key: str  # "rules.2.effect": the place in the file, items of lists counted from 1
    problem: str
    fix: str

    @property
    def message(self) -> str:
        under = f" under '{self.key}'" if self.key else ""
        return f"'{self.file}' line {self.line}{under}: {self.problem}"

    def error(self) -> Integrity:
        return Integrity(self.message, fix=self.fix,
                         details={"file": self.file, "line": self.line, "key": self.key})


class Source:
    """One file on its way: the lines of its keys, and what was found wrong."""

    def __init__(self, data: bytes, file: str) -> None:
        self.file = file
        self.faults: list[Fault] = []
        self.top: dict[str, Json] = {}
        self._lines: dict[strictyaml.Place, int] = {}
        try:
            self.top, self._lines = strictyaml.located(data, file)
        except Integrity as error:
            self.faults.append(_of_yaml(error, file))

    def line(self, place: strictyaml.Place) -> int:
        return self._lines.get(place) or (self.line(place[:-1]) if place else 1)

    def fault(self, place: strictyaml.Place, problem: str, fix: str) -> None:
        shown = ".".join(step[:80] if isinstance(step, str) else str(step + 1) for step in place)
        self.faults.append(Fault(self.file, self.line(place), shown, problem, fix))


def _of_yaml(error: Integrity, file: str) -> Fault:
    """strictyaml's errors name the line in their text where they have no details."""
    head, _, problem = error.message.partition(": ")
    digits = "".join(head.rpartition(" line ")[2].split(" ", 1)[:1])
    line = error.details.get("line", int(digits) if digits.isdigit() else 1)
    key = error.details.get("key", "")
    return Fault(file, line if isinstance(line, int) else 1, str(key), problem or error.message, error.fix)


class Table:
    """One mapping. Ask for each key once, then `end`: what was not asked for does not belong there."""

    def __init__(self, source: Source, table: dict[str, Json], place: strictyaml.Place = ()) -> None:
        self._source = source
        self._table = table
        self._left = dict(table)
        self._place = place

    @property
    def line(self) -> int:
        return self._source.line(self._place)

    def has(self, key: str) -> bool:
        return key in self._table

    def line_of(self, key: str) -> int:
        return self._source.line((*self._place, key))

    def fault(self, key: str, problem: str, fix: str) -> None:
        self._source.fault((*self._place, *key.split(".")) if key else self._place, problem, fix)

    def text(self, key: str, default: str | None = None) -> str:
        """One printable line; without a default the key must be there."""
        if key not in self._left:
            if default is None:
                self.fault(key, f"'{key}' is missing", f"add '{key}:'")
            return default or ""
        value = self._left.pop(key)
        if isinstance(value, str) and value.isprintable() and len(value) <= _LONGEST_TEXT:
            return value
        self.fault(key, f"'{key}' is not one line of text", "write one line of printable text")
        return default or ""

    def one_of(self, key: str, words: Sequence[str], default: str | None = None) -> str:
        text = self.text(key, default)
        if text in words or (default is None and not self.has(key)):
            return text
        self.fault(key, f"'{text[:80]}' is none of {', '.join(words)}", _meant(text, words))
        return words[0]

    def checked(self, key: str, check: Callable[[str], _Value], default: _Value) -> _Value:
        """What `check` makes of the text; it raises Usage. The default where the key is absent or off."""
        return self.needed(key, check, default) if self.has(key) else default

    def needed(self, key: str, check: Callable[[str], _Value], default: _Value) -> _Value:
        """The same for a key that must be there."""
        known = len(self._source.faults)
        text = self.text(key)
        if len(self._source.faults) > known:
            return default
        try:
            return check(text)
        except HarnessError as error:
            self.fault(key, error.message, error.fix)
            return default

    def texts(self, key: str, check: Callable[[str], str]) -> tuple[str, ...] | None:
        """A list of at least one text, each of which `check` returns in its form; None where the key is absent."""
        if key not in self._left:
            return None
        value = self._left.pop(key)
        if not isinstance(value, list) or not value:
            self.fault(key, f"'{key}' is not a list with something in it", f"write it like {key}: [ONE, OTHER]")
            return ()
        found: list[str] = []
        for number, item in enumerate(value):
            text = self._item(key, number, item, check)
            if text is not None and text in found:
                self._source.fault((*self._place, key, number), f"'{text[:80]}' stands there twice", "remove one")
            found += [] if text is None else [text]
        return tuple(found)

    def _item(self, key: str, number: int, item: Json, check: Callable[[str], str]) -> str | None:
        if not isinstance(item, str) or not item.isprintable() or len(item) > _LONGEST_TEXT:
            problem, fix = "is not one line of text", "write one line of printable text"
        else:
            try:
                return check(item)
            except HarnessError as error:
                problem, fix = error.message, error.fix
        self._source.fault((*self._place, key, number), problem, fix)
        return None

    def words(self, key: str, words: Sequence[str]) -> tuple[str, ...] | None:
        def check(text: str) -> str:
            if text not in words:
                raise Usage(f"'{text[:80]}' is none of {', '.join(words)}", fix=_meant(text, words))
            return text

        return self.texts(key, check)

    def table(self, key: str) -> Table | None:
        """None where the key is absent or no mapping."""
        if key not in self._left:
            return None
        value = self._left.pop(key)
        if isinstance(value, dict):
            return Table(self._source, value, (*self._place, key))
        self.fault(key, f"'{key}' is not a mapping of keys to values", f"write it like {key}: {{KEY: VALUE}}")
        return None

    def tables(self, key: str) -> Iterator[Table]:
        value = self._left.pop(key, None)
        if not isinstance(value, list) or not value:
            self.fault(key, f"'{key}' is not a list with something in it", "write its items as '- KEY: VALUE'")
            return
        for number, item in enumerate(value):
            if isinstance(item, dict):
                yield Table(self._source, item, (*self._place, key, number))
            else:
                self._source.fault((*self._place, key, number), "is not a mapping of keys to values",
                                   "write it as '- KEY: VALUE'")

    def end(self, known: Sequence[str]) -> None:
        for key in self._left:
            self.fault(key, f"'{key[:80]}' is not a key that belongs here", _meant(key, known))


def instant(text: str) -> float:
    """Unix seconds of a time like 2026-01-31T12:00:00Z. Raises Usage."""
    try:
        moment = datetime.strptime(text, "%Y-%m-%dT%H:%M:%S%z")
        if len(text) == 20 and text[-1] == "Z" and text.isascii():
            return moment.timestamp()
    except ValueError:
        pass
    raise Usage(f"'{text[:80]}' is not a time", fix="write UTC to the second, like 2026-01-31T12:00:00Z")


def _meant(text: str, words: Sequence[str]) -> str:
    folded = text.strip().lower().replace(" ", "_")
    near = [folded] if folded in words else get_close_matches(folded[:80], words, n=1)
    return f"write '{near[0]}'" if near else f"use one of {', '.join(words)}"
