"""What we write for a blob is what git's own checkout writes, for every attribute, setting and kind of content."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from githarness.git.attributes import WorktreeAttributes
from githarness.git.repo import Checkout, discover
from githarness.git.smudge import Smudge
from tests.conftest import Git

ATTRIBUTES = ["", "text", "-text", "!text", "text=auto", "text=input", "text=odd", "crlf", "-crlf", "crlf=input",
              "eol=crlf",
              "eol=lf", "eol=odd", "text eol=crlf", "text eol=lf", "text=auto eol=crlf", "text=auto eol=lf",
              "-text eol=crlf",
              "text=input eol=crlf", "binary", "filter=none", "-filter", "ident", "-ident", "crlf eol=lf"]
CONTENT = [b"", b"a", b"a\n", b"\n", b"a\nb", b"a\r\nb\r\n", b"a\r\nb\n", b"a\rb\n", b"a\0b\n", b"\x1a\n", b"a\n\x1a",
           b"\x01\n",
           b"x" * 127 + b"\x01\n", b"x" * 128 + b"\x01\n", b"\x7f\n", b"\xff\xfe\n", b"\t\x1b\f\b\n", b"a\r\r\n\n",
           b"$Ids$\n"]
CONFIG = [{}, {"core.autocrlf": "true"}, {"core.autocrlf": "input"}, {"core.eol": "crlf"},
          {"core.eol": "crlf", "core.autocrlf": "input"}, {"core.autocrlf": "yes", "core.eol": "lf"}]


def _smudge(folder: Path) -> Smudge:
    repo = discover(folder)
    return Smudge(Checkout(folder, repo.git_dir), repo, WorktreeAttributes)


def _contents() -> dict[str, bytes]:
    chance = random.Random(7)
    noise = [bytes(chance.choices(b"a\n\r\x00\x01", [40, 4, 1, 0.1, 0.5], k=chance.randrange(200))) for _ in range(8)]
    return {f"{number}.k{kind}": data for kind in range(len(ATTRIBUTES)) for number, data in enumerate(CONTENT + noise)}


@pytest.mark.parametrize("config", CONFIG, ids=str)
def test_files_are_those_of_gits_checkout(make_repo: Callable[..., Path], git: Git, config: dict[str, str]) -> None:
    """Hundreds of files, some of them noise, in one checkout."""
    contents = _contents()
    lines = "".join(f"*.k{kind} {line}\n" for kind, line in enumerate(ATTRIBUTES))
    folder = make_repo({".gitattributes": lines, **contents})
    for name, value in config.items():
        git(folder, "config", name, value)
    for name in contents:
        os.unlink(folder / name)
    git(folder, "checkout-index", "-qaf")
    smudge = _smudge(folder)
    wrong = [name for name, data in contents.items() if smudge(name, data) != (folder / name).read_bytes()]
    assert wrong == []


def test_what_only_git_can_make_is_none(repo: Path, git: Git) -> None:
    """Filters with a driver, keywords and other encodings; a filter without one is nothing."""
    git(repo, "config", "filter.yes.smudge", "cat")
    (repo / ".gitattributes").write_text("*.a filter=yes\n*.b filter=no\n*.c ident\n*.d working-tree-encoding=UTF-16\n")
    smudge = _smudge(repo)
    assert [smudge(f"x.{kind}", b"$Id$\n") for kind in "abcd"] == [None, b"$Id$\n", None, None]


def test_attributes_themselves_are_written_as_they_are(repo: Path, git: Git) -> None:
    """A folder's own file may take it out of what a folder above asks for."""
    (repo / ".gitattributes").write_text("* eol=crlf\n")
    assert _smudge(repo)("docs/.gitattributes", b"* -text\n") == b"* -text\n"


def test_changed_attributes_and_settings_are_seen(repo: Path, git: Git, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also in a process that stays: attributes at once, settings a moment later."""
    monkeypatch.setattr("githarness.git.smudge._AGAIN", 0.0)
    smudge = _smudge(repo)
    assert smudge("docs/a.md", b"a\n") == b"a\n"
    (repo / "docs/.gitattributes").write_text("*.md eol=crlf\n")
    assert smudge("docs/a.md", b"a\n") == b"a\r\n"
    (repo / "docs/.gitattributes").write_text("*.md eol=lf\n")
    assert smudge("docs/a.md", b"a\n") == b"a\n"
    git(repo, "config", "core.autocrlf", "true")
    assert (smudge("docs/a.md", b"a\n"), smudge("a.txt", b"a\n")) == (b"a\n", b"a\r\n")
