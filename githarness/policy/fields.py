"""A mapping of a governance file taken apart key by key: each value checked once, unknown keys refused at the end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime

from githarness import clock, strictyaml
from githarness.canon import Json
from githarness.errors import HarnessError, Integrity, Unavailable

_LONGEST_TEXT = 4096


class Fields:
    """Raises Integrity that names the file and the key."""

    def __init__(self, table: dict[str, Json], where: str) -> None:
        self._left = dict(table)
        self._where = where

    @classmethod
    def of_file(cls, data: bytes, path: str, version: int) -> Fields:
        """Raises Unavailable where a newer githarness wrote the file."""
        fields = cls(strictyaml.load(data, path), path)
        found = fields.text("version")
        if found != str(version):
            if found.isascii() and found.isdigit() and int(found[:9]) > version:
                raise Unavailable(f"'{path}' has version {found[:9]}, newer than this githarness",
                                  fix="pip install --upgrade githarness")
            raise fields.error("version", f"is not {version}")
        return fields

    def error(self, name: str, problem: str) -> Integrity:
        return Integrity(f"'{self._where}': '{name}' {problem}", fix="mend the file as an owner",
                         details={"file": self._where, "key": name})

    def text(self, name: str, default: str | None = None) -> str:
        """One printable line; without a default the key must be there."""
        value = self._left.pop(name, default)
        if not isinstance(value, str) or not value.isprintable() or len(value) > _LONGEST_TEXT:
            raise self.error(name, "is missing or not a line of text")
        return value

    def texts(self, name: str) -> list[str]:
        value = self._left.pop(name, None)
        if not isinstance(value, list):
            raise self.error(name, "is missing or not a list")
        texts = [text for text in value if isinstance(text, str)]
        if len(set(texts)) != len(value):
            raise self.error(name, "holds something twice, or what is not text")
        return texts

    def mappings(self, name: str) -> Iterator[Fields]:
        value = self._left.pop(name, None)
        if not isinstance(value, list):
            raise self.error(name, "is missing or not a list")
        for number, item in enumerate(value, 1):
            if not isinstance(item, dict):
                raise self.error(name, f"has an item {number} that is not a mapping")
            yield Fields(item, f"{self._where}: {name} {number}")

    def mapping_if_there(self, name: str) -> Fields | None:
        value = self._left.pop(name, None)
        if value is not None and not isinstance(value, dict):
            raise self.error(name, "is not a mapping")
        return None if value is None else Fields(value, f"{self._where}: {name}")

    def text_if_there(self, name: str) -> str | None:
        return self.text(name) if name in self._left else None

    def time(self, name: str) -> str:
        """UTC to the second, in the one form that githarness prints."""
        text = self.text(name)
        try:
            good = clock.rfc3339(datetime.fromisoformat(text).timestamp()) == text
        except (ValueError, OverflowError):
            good = False
        if not good:
            raise self.error(name, "is not a time like 2026-01-31T12:00:00Z")
        return text

    def time_if_there(self, name: str) -> str | None:
        return self.time(name) if name in self._left else None

    def checked(self, name: str, text: str, check: Callable[[str], str]) -> str:
        """`text` of the key `name` after a check that knows neither file nor key."""
        try:
            return check(text)
        except HarnessError as error:
            raise self.error(name, f"is off: {error.message}") from error

    def end(self) -> None:
        for name in self._left:
            raise self.error(name[:80], "is not a key that belongs here")
