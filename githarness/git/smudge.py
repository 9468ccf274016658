"""What a checkout writes for a blob: line ends as attributes and configuration ask for (git's `convert.c`).

Files of attributes and configuration are looked at by their metadata alone, and read again where one has changed; with
none of them a blob is written as it is. Keywords, other encodings and filters are left to git itself: no program that
a repository names is run here.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from githarness.clock import SYSTEM
from githarness.git.repo import Checkout, Repo

_CACHED = 4096  # paths whose attributes are kept
_AGAIN = 0.2  # seconds after which files that hold for every path are looked at again
_KEYWORD = re.compile(rb"\$Id[:$]")
_TRUE = ("true", "yes", "on", "1")
_TEXT_CONTROLS = b"\b\t\x1b\f"
_PRINTING = bytes(set(range(256)) - {0x7F, *range(32)}) + _TEXT_CONTROLS
Value = str | bool | None
Stamp = tuple[int, int, int] | None


class Attributes(Protocol):
    """One reading of the files: what git has for a path, what the configuration says."""

    def attribute(self, path: str, name: str) -> Value: ...
    def setting(self, name: str) -> str | None: ...
    def files(self) -> tuple[str, ...]:
        """Files of attributes and configuration that hold for every path."""


@dataclass(frozen=True, slots=True)
class _Rule:
    """How a path is converted. `known`: by us. `careful`: only what is surely text in one form of line ends."""

    crlf: bool = False
    careful: bool = False
    known: bool = True
    keywords: bool = False


class Smudge:
    """Called with a path and its blob's content; None where only git can tell what the file is."""

    def __init__(self, checkout: Checkout, repo: Repo, read: Callable[[Repo], Attributes]) -> None:
        """`read` opens the files anew for the worktree that it is given."""
        self._root = os.fspath(checkout.root)
        self._repo = repo._replace(git_dir=checkout.git_dir, worktree=checkout.root)
        self._read = read
        self._attributes = read(self._repo)
        self._general = self._stamps(self._attributes.files())
        self._looked = SYSTEM.monotonic()
        self._rules: dict[str, _Rule] = {}
        self._seen: dict[str, Stamp] = {}  # files of attributes on the way to those paths, there or not

    def __call__(self, path: str, data: bytes) -> bytes | None:
        if path.rpartition("/")[2] == ".gitattributes":
            return data  # its own lines, which are not there yet, decide about it; git reads either form
        rule = self._rule(path)
        if not rule.known or (rule.keywords and _KEYWORD.search(data)):
            return None
        return _to_crlf(data) if rule.crlf and _is_convertible(data, careful=rule.careful) else data

    def _rule(self, path: str) -> _Rule:
        self._look_again()
        own = {file: _stamp(file) for file in _above(self._root, path)}
        if any(self._seen.get(file, stamp) != stamp for file, stamp in own.items()) or len(self._rules) >= _CACHED:
            self._begin_anew()
        self._seen.update(own)
        if path not in self._rules:
            self._rules[path] = _rule_of(self._attributes, path)
        return self._rules[path]

    def _look_again(self) -> None:
        now = SYSTEM.monotonic()
        if now - self._looked > _AGAIN:
            self._looked = now
            if self._stamps(self._attributes.files()) != self._general:
                self._begin_anew()

    def _begin_anew(self) -> None:
        self._attributes = self._read(self._repo)
        self._general = self._stamps(self._attributes.files())
        self._rules.clear()
        self._seen.clear()

    @staticmethod
    def _stamps(files: tuple[str, ...]) -> tuple[Stamp, ...]:
        return tuple(map(_stamp, files))


def _above(root: str, path: str) -> tuple[str, ...]:
    folders = path.split("/")[:-1]
    return tuple("/".join([root, *folders[:depth], ".gitattributes"]) for depth in range(len(folders) + 1))


def _stamp(file: str) -> Stamp:
    try:
        found = os.stat(file)
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def _rule_of(of: Attributes, path: str) -> _Rule:
    if _has_filter(of, path) or of.attribute(path, "working-tree-encoding") not in (None, False):
        return _Rule(known=False)
    crlf, careful = _line_ends(of, path)
    return _Rule(crlf, careful, keywords=of.attribute(path, "ident") is True)


def _has_filter(of: Attributes, path: str) -> bool:
    """An attribute without its driver means the content as it is."""
    driver = of.attribute(path, "filter")
    return isinstance(driver, str) and any(of.setting(f"filter.{driver}.{way}") for way in ("smudge", "process"))


def _line_ends(of: Attributes, path: str) -> tuple[bool, bool]:
    """Whether lines end in CRLF, and whether only where the content is surely text."""
    text = of.attribute(path, "text")
    if text not in (True, False, "auto", "input"):
        text = of.attribute(path, "crlf")
    if text is False:
        return False, False
    eol = of.attribute(path, "eol")
    automatic = (of.setting("core.autocrlf") or "false").lower()
    if eol in ("lf", "crlf"):
        return eol == "crlf", text == "auto"
    if text == "input" or automatic == "input":
        return False, False
    if text in (True, "auto"):
        return automatic in _TRUE or (of.setting("core.eol") or "").lower() == "crlf", text == "auto"
    return automatic in _TRUE, True


def _is_convertible(data: bytes, *, careful: bool) -> bool:
    """There is a line that ends in LF alone; if `careful`, no other end of line and nothing that looks binary."""
    pairs, returns, newlines = data.count(b"\r\n"), data.count(b"\r"), data.count(b"\n")
    if newlines == pairs:
        return False
    return not careful or (returns == 0 and not _is_binary(data))


def _is_binary(data: bytes) -> bool:
    """git's rule: a NUL, or more than one in 128 that does not print."""
    printing = len(data) - len(data.translate(None, delete=_PRINTING))
    silent = len(data) - printing - data.count(b"\n") - data.count(b"\r") - data.endswith(b"\x1a")
    return b"\0" in data or printing >> 7 < silent


def _to_crlf(data: bytes) -> bytes:
    return data.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
