"""Worktree, index, staged content and commit show one tree alike: one suite for the adapters of `Files`."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from githarness.git import index
from githarness.git.reader import Reader
from githarness.git.repo import discover
from githarness.skills.model import Files
from githarness.work.files_of import Committed, Staged, Tracked, Worktree

KINDS = ("worktree", "tracked", "staged", "committed")


def _index(repo: Path) -> index.Index:
    return index.parse((repo / ".git" / "index").read_bytes(), 0)


def _open(kind: str, repo: Path) -> Files:
    reader = Reader(discover(repo))
    made: dict[str, Callable[[], Files]] = {
        "worktree": lambda: Worktree(repo), "tracked": lambda: Tracked(repo, _index(repo)),
        "staged": lambda: Staged(repo, _index(repo), reader),
        "committed": lambda: Committed(reader, reader.resolve("HEAD"))}
    return made[kind]()


@pytest.fixture
def tree(git, make_repo, tmp_path: Path) -> Path:
    """Files, a link to a file, one to a folder, one that leads out, a script, a submodule."""
    repo = make_repo({"skills/a/SKILL.md": "text\n", "skills/a/b.md": "b\n", "skills/a.md": "", "top.md": "top\n"})
    other = make_repo({"inner.md": "inner\n"}, name="other")
    (repo / "run.sh").write_text("echo\n")
    (repo / "run.sh").chmod(0o755)
    (tmp_path / "secret").write_text("secret\n")
    for name, target in {"link": "top.md", "folder": "skills", "out": "../secret", "loop": "loop"}.items():
        (repo / name).symlink_to(target)
    git(repo, "add", "--all")
    git(repo, "submodule", "--quiet", "add", other, "sub")
    git(repo, "commit", "-q", "-m", "tree")
    return repo


@pytest.fixture(params=KINDS)
def files(request: pytest.FixtureRequest, tree: Path) -> Files:
    return _open(request.param, tree)


MODES = {
    "top.md": "100644", "run.sh": "100755", "link": "120000", "folder": "120000", "loop": "120000", "skills": "040000",
    "skills/a": "040000", "skills/a/b.md": "100644", "sub": "040000", "": "040000",
    "absent": None, "top.md/x": None, "folder/a.md": None, "sub/inner.md": None, "skills/": None, "/top.md": None,
    "./top.md": None, "skills/../top.md": None, "..": None, ".git": None, ".git/config": None, ".GIT/HEAD": None,
    "a\0b": None, "\ud900": None, "x" * 5000: None, "a/" * 3000 + "a": None, "skills//a.md": None,
}


def test_modes(files: Files) -> None:
    """Git's modes; nothing for what is behind a link, outside or in a git directory, however long or malformed."""
    assert {path: files.mode(path) for path in MODES} == MODES


def test_content(files: Files) -> None:
    """A file's bytes up to the limit, a link's target and never what it leads to, nothing else."""
    read = {path: files.read(path, 100) for path in ("top.md", "link", "out", "skills", "absent", "sub", "out/x", "")}
    assert {path: data for path, data in read.items() if data} == {
        "top.md": b"top\n", "link": b"top.md", "out": b"../secret"}
    assert files.read("top.md", 2) == b"to"


def test_sizes(files: Files) -> None:
    """Bytes of files; links, folders and nothing have none."""
    paths = ("top.md", "link", "skills", "absent", "../secret", "sub")
    assert [files.size(path) for path in paths] == [4, 0, 0, 0, 0, 0]


def test_under(files: Files) -> None:
    """Files and links below a folder in git's order; not through links, not in submodules."""
    assert files.under("skills") == ["skills/a.md", "skills/a/SKILL.md", "skills/a/b.md"]
    assert [path for path in files.under("") if "/" not in path] == [
        ".gitmodules", "folder", "link", "loop", "out", "run.sh", "top.md"]
    assert [files.under(path) for path in ("folder", "absent", "top.md", "..", "skills/..", ".git", "sub")] == [[]] * 7


@pytest.mark.parametrize("kind", KINDS)
def test_under_has_an_end(git, make_repo, kind: str) -> None:
    """Of a huge folder come the first 2,000."""
    repo = make_repo({f"many/{number:05}.md": "" for number in range(2100)})
    assert _open(kind, repo).under("many") == [f"many/{number:05}.md" for number in range(2000)]


def test_names_that_are_no_utf_8(git, repo: Path) -> None:
    """Such a name is the same text for every adapter."""
    with open(os.fsencode(repo) + b"/\xff.md", "wb") as file:
        file.write(b"bytes\n")
    git(repo, "add", "--all")
    git(repo, "commit", "-q", "-m", "name")
    for kind in KINDS:
        assert _open(kind, repo).read("\udcff.md", 10) == b"bytes\n", kind


def test_what_is_edited_later(git, repo: Path) -> None:
    """The worktree and the index with it show an edit, what is staged and what is committed do not."""
    (repo / "docs/0000.md").write_text("edited\n")
    (repo / "docs/new.md").write_text("new\n")
    seen = {kind: _open(kind, repo) for kind in KINDS}
    assert {kind for kind in KINDS if seen[kind].read("docs/0000.md", 9) == b"edited\n"} == {"worktree", "tracked"}
    assert {kind for kind in KINDS if seen[kind].mode("docs/new.md")} == {"worktree"}
    git(repo, "add", "--intent-to-add", "docs/new.md")
    assert _open("tracked", repo).mode("docs/new.md") is None


def test_special_files_are_none(repo: Path) -> None:
    """Nothing blocks on a pipe or a socket, and git knows neither."""
    os.mkfifo(repo / "docs/pipe")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(repo / "docs/socket"))
        files = Worktree(repo)
        assert [files.mode("docs/pipe"), files.read("docs/pipe", 9), files.mode("docs/socket")] == [None, b"", None]
        assert files.under("docs") == ["docs/0000.md", "docs/0001.md", "docs/0002.md"]


def test_a_file_that_may_not_be_read(repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is there, and empty."""
    monkeypatch.setattr(os, "open", _refuse)
    assert (Worktree(repo).mode("docs/0000.md"), Worktree(repo).read("docs/0000.md", 9)) == ("100644", b"")


def _refuse(*_: object) -> int:
    raise PermissionError("no")
