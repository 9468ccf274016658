"""The paths that an artifact may have, and globs over them."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from githarness import paths
from githarness.errors import BadPath, Usage

GOOD = ["a", "-x", "skills/deploy/SKILL.md", ".github/x", "a b/c d", "é/ü", "日本語.md", "[id].tsx", "a" * 255, "gitx",
        ".gitignore", ".gitmodules", "git~", "auxiliary", "com10", "a..b", "...a", "\U0001f600.md", "x/.gitattributes"]
WRONG_FORM = ["", "/", "/etc/passwd", "..", ".", "a/..", "../a", "a/../../b", "./a", "a/./b", "a//b", "a/", "a\\b",
              "C:\\x", "C:/x", "\\\\host\\share", "a" * 256, "é" * 128, "a/" * 2500 + "a", "a/" * 256 + "a", "x" * 5000]
GIT_SPELLINGS = [".git", ".GIT", ".git/config", "a/.Git/hooks/x", "git~1", "GIT~1/config", "git~2", ".git.", ".git ",
                 ".git. . ", ".git::$INDEX_ALLOCATION", ".git:x/config", ".g\u200cit", ".git\u200b", "\ufeff.git",
                 ".git\\config", ".g\u034fit", ".gi\u2060t"]
DEVICES = ["CON", "con.txt", "a/PRN", "aux.md", "Nul", "com1", "LPT9.log", "COM¹", "conin$", "CONOUT$", "con .md"]
ENDINGS = ["a.", "a ", "b/a. ", "a./b", "a /b", "a:b", "file.txt::$DATA"]
CHARACTERS = ["a\nb", "a\tb", "a\x1b[31m", "a\x07", "a\0b", "\x7f",
              "\x85", "a\u2028b", "a\u2029b", "\ud800", "a\udcff"]
INVISIBLE = ["a\u202eb", "a\u200bb", "a\u200db", "\U000e0041", "a\u2066b", "a\u00adb", "\u3164",
             "a\ufe0f", "\U000e0100"]


@pytest.mark.parametrize("path", GOOD)
def test_plain_path_passes_unchanged(path: str) -> None:
    """A path that means the same everywhere comes back as it was."""
    assert paths.check(path) == path


@pytest.mark.parametrize("path", [*WRONG_FORM, *GIT_SPELLINGS, *DEVICES, *ENDINGS, *CHARACTERS, *INVISIBLE, "e\u0301"])
def test_path_that_could_mean_another_file_is_refused(path: str) -> None:
    """Every hostile spelling is a BadPath with a fix, whose message a terminal can show."""
    with pytest.raises(BadPath) as caught:
        paths.check(path)
    assert caught.value.fix
    assert caught.value.message.isascii() or "…" in caught.value.message
    assert caught.value.message.isprintable()
    assert len(caught.value.message) < 1200


@pytest.mark.parametrize("path", GIT_SPELLINGS[:11])
def test_git_folder_is_named_as_the_reason(path: str) -> None:
    """Of a spelling of `.git` the message says what is wrong."""
    with pytest.raises(BadPath, match="git's own folder"):
        paths.check(path)


@given(st.text(max_size=40))
def test_check_returns_the_path_or_refuses(path: str) -> None:
    """Whatever the text is: it comes back as it was and has no part that climbs, or it is a BadPath."""
    try:
        assert paths.check(path) == path
    except BadPath:
        return
    assert not {"", ".", ".."} & set(path.split("/"))
    assert ".git" not in paths.twin_key(path).split("/")


def test_twins_have_one_key() -> None:
    """Letter case and Unicode's two ways to write an accent do not tell files apart."""
    assert paths.twin_key("Docs/Stra\u00dfe.md") == paths.twin_key("docs/STRASSE.MD")
    assert paths.twin_key("e\u0301") == paths.twin_key("\u00c9")
    assert paths.twin_key("a") != paths.twin_key("b")


@given(st.text(max_size=20))
def test_key_of_a_key_is_itself(path: str) -> None:
    """A key has a key, the same: twins of twins are twins."""
    assert paths.twin_key(paths.twin_key(path)) == paths.twin_key(path)


@pytest.mark.parametrize(("glob", "yes", "no"), [
    ("a.md", ["a.md"], ["b/a.md", "a-md", "A.md"]),
    ("*.md", ["a.md", ".md"], ["a/b.md", "a.mdx"]),
    ("docs/*", ["docs/a", "docs/.x"], ["docs", "docs/a/b"]),
    ("docs/**", ["docs/a", "docs/a/b"], ["docs", "xdocs/a"]),
    ("**/SKILL.md", ["SKILL.md", "a/SKILL.md", "a/b/SKILL.md"], ["a/XSKILL.md", "SKILL.md/a"]),
    ("a/**/b", ["a/b", "a/x/b", "a/x/y/b"], ["ab", "a/xb", "a/b/c"]),
    ("**", ["a", "a/b"], []),
    ("**/*", ["a", "a/b"], []),
    ("**/x/**", ["x/a", "b/x/a/c"], ["x", "a/x"]),
    ("a?c", ["abc", "a\u00e9c"], ["ac", "a/c", "abbc"]),
    ("*a*b*", ["ab", "xaybz"], ["ba", "a/b"]),
    ("[id].tsx", ["[id].tsx"], ["i.tsx"]),
    ("a.{x,y}", ["a.{x,y}"], ["a.x"]),
])
def test_glob_matches(glob: str, yes: list[str], no: list[str]) -> None:
    """`*` and `?` stay in one name, `**` spans folders, all else is literal and anchored at both ends."""
    assert [path for path in yes if not paths.matches(glob, path)] == []
    assert [path for path in no if paths.matches(glob, path)] == []


def _slow_match(glob: list[str], path: list[str]) -> bool:
    """The definition, without any haste."""
    if not glob:
        return not path
    if glob[0] == "**":
        if len(glob) == 1:
            return bool(path)
        return _slow_match(glob[1:], path) or (bool(path) and _slow_match(glob, path[1:]))
    name = "".join({"*": "[^/]*", "?": "[^/]"}.get(char) or re.escape(char) for char in glob[0])
    return bool(path) and re.fullmatch(name, path[0]) is not None and _slow_match(glob[1:], path[1:])


_names = st.text("ab", min_size=1, max_size=4)
_globs = st.one_of(st.just("**"), st.text("ab*?", min_size=1, max_size=5).filter(lambda name: "**" not in name))


@given(st.lists(_globs, min_size=1, max_size=6), st.lists(_names, min_size=1, max_size=6))
def test_glob_means_what_the_definition_says(glob: list[str], path: list[str]) -> None:
    """The fast matcher and the naive one agree."""
    collapsed = [name for at, name in enumerate(glob) if name != "**" or glob[at - 1 : at] != ["**"]]
    assert paths.matches("/".join(glob), "/".join(path)) == _slow_match(collapsed, path)


@pytest.mark.parametrize("glob", [
    "/".join(["**"] * 500) + "/x", "/".join(["**", "a"] * 300) + "/x", "*a" * 1000 + "x", "**/" + "*a" * 1000 + "x",
    "/".join(["**", "*a*a*b"] * 200), "**/*/" * 300 + "x", "?*" * 1000 + "x", "**/" + "*/" * 800 + "x",
])
@pytest.mark.parametrize("path", ["a" * 4000, "a/" * 2000 + "a", "aab/" * 1000 + "a", ("a" * 200 + "/") * 20 + "b"])
def test_glob_bomb_is_answered_at_once(glob: str, path: str) -> None:
    """No glob of wildcards makes the matcher backtrack."""
    start = time.process_time()
    paths.matches(glob, path)
    assert time.process_time() - start < 2


@pytest.mark.parametrize("glob", ["", "/a", "a\\*", "../a", "a/./b", "a//b", "a**b", "**.md", "\n", "x" * 5000,
                                  "\ud800"])
def test_unclear_glob_is_refused(glob: str) -> None:
    """A glob that would match nothing, or not what it seems to, is Usage with a fix."""
    with pytest.raises(Usage) as caught:
        paths.valid_glob(glob)
    assert caught.value.fix


def test_folder_as_glob_means_what_is_below() -> None:
    """A trailing slash stands for the folder's files."""
    assert paths.valid_glob("docs/") == "docs/**"
    assert paths.valid_glob("**/*.md") == "**/*.md"
