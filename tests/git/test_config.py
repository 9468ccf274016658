"""Git's configuration files, read as data."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from githarness.errors import Integrity, Unavailable
from githarness.git import config

ODD = r'''
; comment
[core]
	bare = false # the rest is comment
	fileMode
	editor = "vi \"quoted\" # not comment"   ; comment
[Remote "Ori\"gin"] url = https://example.org/x ; same line
	fetch = +refs/heads/*:refs/remotes/origin/*
	fetch = +refs/notes/*:refs/notes/*
[branch.MAIN]
	merge = refs/heads/\
main
[a-b "c d"]
	empty =
	tabs = "a	b\tc" d
	back = c:\\x
'''


def test_values_are_those_that_git_reads(tmp_path: Path, git: Callable[..., str]) -> None:
    """Quotes, escapes, comments, continuation, repeated and valueless names: the same list as `git config --list`."""
    file = tmp_path / "config"
    file.write_text(ODD)
    listed: dict[str, list[str]] = {}
    for item in git(tmp_path, "config", "--file", file, "--list", "-z").split("\0")[:-1]:
        name, equals, value = item.partition("\n")
        listed.setdefault(name, []).append(value if equals else "true")
    assert {name: list(values) for name, values in config.read(file).items()} == listed
    assert config.read(file)["remote.Ori\"gin.fetch"][1] == "+refs/notes/*:refs/notes/*"


def test_windows_file_reads_the_same(tmp_path: Path) -> None:
    """A byte order mark and CR LF change nothing."""
    file = tmp_path / "config"
    file.write_bytes(b"\xef\xbb\xbf[user]\r\n\temail = a@example.org\r\n")
    assert config.read(file) == {"user.email": ("a@example.org",)}


def test_includes_are_not_followed(tmp_path: Path) -> None:
    """A file that includes another gives its own names only."""
    (tmp_path / "other").write_text("[user]\n\tname = Mallory\n")
    file = tmp_path / "config"
    file.write_text(f"[include]\n\tpath = {tmp_path / 'other'}\n")
    assert set(config.read(file)) == {"include.path"}


def test_no_file_is_no_names(tmp_path: Path) -> None:
    """Absence is a normal answer."""
    assert config.read(tmp_path / "config") == {}


@pytest.mark.parametrize(("text", "line"), [
    ("[core\n", 1), ("x = 1\n", 1), ("[a]\n\tb = \"open\n", 2), ("[a]\n\tb = \\q\n", 2), ("[a]\n\n\t9 = 1\n", 3),
    ("[a \"b]\n", 1), ("[a]\n\tb c\n", 2), ("[a]\n\tb = \\", 2),
])
def test_what_git_refuses_is_named_with_its_line(tmp_path: Path, text: str, line: int) -> None:
    """File and line are in the message of the Integrity."""
    file = tmp_path / "config"
    file.write_text(text)
    with pytest.raises(Integrity, match=f"line {line} "):
        config.read(file)


def test_file_that_cannot_be_opened_is_unavailable(tmp_path: Path) -> None:
    """A folder in its place has a named error."""
    with pytest.raises(Unavailable):
        config.read(tmp_path)


def test_last_value_decides() -> None:
    """`yes`, `on`, `1` and a name alone are true; the last one counts."""
    assert config.is_true(("false", "Yes"))
    assert not config.is_true(("true", "off"))
    assert not config.is_true(())


@pytest.mark.parametrize(("texts", "value"), [
    (["[user]\nemail = a@x\n", "[user]\nemail = b@x\n"], "a@x"),
    (["[core]\nbare = false\n", "[user]\nemail = b@x\nemail = c@x\n"], "c@x"),
    (["[core]\nbare = false\n"], None),
    (["[include]\npath = other\n", "[user]\nemail = b@x\n"], None),
    (['[includeIf "gitdir:/"]\npath = other\n[user]\nemail = a@x\n'], None),
])
def test_strongest_file_tells_unless_one_includes_others(texts: list[str], value: str | None) -> None:
    """What git has to be asked for is None."""
    assert config.told("user.email", [config.parse(text, "config") for text in texts]) == value
