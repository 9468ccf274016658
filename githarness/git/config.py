"""Git's configuration files, read as data: no includes are followed, no command is run, the environment is not asked.

Names are `section.key` or `section.Sub Section.key`: section and key lower-cased, the subsection as it is written.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from githarness.errors import Integrity, Unavailable

_SECTION = re.compile(r'\[\s*([A-Za-z0-9.-]+)(?:\s+"((?:[^"\\\n]|\\.)*)")?\s*\]')
_KEY = re.compile(r"([A-Za-z][A-Za-z0-9-]*)[ \t]*(=?)[ \t]*")
_ESCAPES = {"n": "\n", "t": "\t", "b": "\b", '"': '"', "\\": "\\"}
_TRUE = frozenset({"true", "yes", "on", "1"})


def read(path: Path) -> Mapping[str, tuple[str, ...]]:
    """Every value of every name in the order of the file; a name without `=` has the value `true`; no file, no names.

    Raises Integrity naming file and line where git would not read it either, Unavailable where it cannot be opened.
    """
    try:
        text = path.read_bytes().decode("utf-8", "surrogateescape")
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise Unavailable(f"'{path}' cannot be read: {error.strerror}", fix=f"ls -l '{path}'") from error
    return parse(text, str(path))


def parse(text: str, name: str) -> Mapping[str, tuple[str, ...]]:
    return _Parser(text.removeprefix("\ufeff").replace("\r\n", "\n"), name).names()


def told(name: str, files: Iterable[Mapping[str, tuple[str, ...]]]) -> str | None:
    """The value that git takes, from what its files say, the strongest first; None where they cannot tell: only git
    follows includes, and knows where its system-wide file is."""
    for values in files:
        if any(key.startswith(("include.", "includeif.")) for key in values):
            return None
        if name in values:
            return values[name][-1]
    return None


def is_true(values: tuple[str, ...]) -> bool:
    return bool(values) and values[-1].lower() in _TRUE


class _Parser:
    def __init__(self, text: str, name: str) -> None:
        self._text = text
        self._name = name
        self._at = 0

    def names(self) -> Mapping[str, tuple[str, ...]]:
        found: dict[str, list[str]] = {}
        section = ""
        while self._skip_blank():
            if self._text[self._at] == "[":
                section = self._section()
            else:
                key, value = self._variable(section)
                found.setdefault(key, []).append(value)
        return {key: tuple(values) for key, values in found.items()}

    def _skip_blank(self) -> bool:
        blank = re.compile(r"(?:\s|[#;][^\n]*)*").match(self._text, self._at)
        self._at = blank.end() if blank else self._at
        return self._at < len(self._text)

    def _section(self) -> str:
        found = _SECTION.match(self._text, self._at)
        if not found:
            raise self._bad()
        self._at = found.end()
        if found[2] is None:
            return found[1].lower()
        return f"{found[1].lower()}." + re.sub(r"\\(.)", r"\1", found[2])

    def _variable(self, section: str) -> tuple[str, str]:
        found = _KEY.match(self._text, self._at)
        if not found or not section:
            raise self._bad()
        self._at = found.end()
        key = f"{section}.{found[1].lower()}"
        if found[2]:
            return key, self._value()
        if self._at < len(self._text) and self._text[self._at] not in "\n#;":
            raise self._bad()
        return key, "true"

    def _value(self) -> str:
        """To the end of the line: blanks at the end go, quotes keep them, a backslash at the end goes on below."""
        value, kept, quoted = "", 0, False
        while self._at < len(self._text) and self._text[self._at] != "\n":
            char = self._text[self._at]
            self._at += 1
            if char in "#;" and not quoted:
                self._at = (self._text + "\n").index("\n", self._at)
                break
            if char == '"':
                quoted, kept = not quoted, len(value)
                continue
            if char == "\\":
                char = self._escape()
            value += char
            if quoted or not char.isspace():
                kept = len(value)
        if quoted:
            raise self._bad()
        return value[:kept]

    def _escape(self) -> str:
        char = self._text[self._at : self._at + 1]
        self._at += 1
        if char == "\n":
            return ""
        if char not in _ESCAPES:
            raise self._bad()
        return _ESCAPES[char]

    def _bad(self) -> Integrity:
        line = self._text.count("\n", 0, self._at) + 1
        return Integrity(f"'{self._name}' line {line} is not of git's configuration format",
                         fix=f"git config --file '{self._name}' --list")
