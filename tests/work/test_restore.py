"""Restore: the known-safe version of paths, as a new write by an operator."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import run_cli, run_git

Cli = Callable[..., Any]
Git = Callable[..., str]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Tagged `good`; then agent a changed one file, deleted one, added one, in and beside `docs`."""
    folder = tmp_path_factory.mktemp("built")
    (folder / "docs").mkdir()
    run_git(folder, "init", "-q")
    for name in ("docs/one.md", "docs/two.md", "other.md"):
        (folder / name).write_text("good\n")
    run_git(folder, "add", ".")
    run_git(folder, "commit", "-qm", "start")
    assert run_cli("init", cwd=folder).code == 0
    run_git(folder, "tag", "good")
    assert run_cli("agent", "add", "a", cwd=folder).code == 0
    blob = run_git(folder, "rev-parse", "good:other.md")
    ops = [
        {"op": "write", "path": "docs/one.md", "content": "bad\n", "if_match": blob},
        {"op": "delete", "path": "docs/two.md", "if_match": blob},
        {"op": "write", "path": "docs/three.md", "content": "bad\n"},
        {"op": "append", "path": "other.md", "content": "bad\n"},
    ]
    done = run_cli("apply", "--agent", "a", cwd=folder, stdin="\n".join(map(json.dumps, ops)))
    assert done.code == 0, done.err
    return folder, Path(os.environ["XDG_DATA_HOME"])


@pytest.fixture
def repo(built: tuple[Path, Path], home: Path, tmp_path: Path) -> Path:
    """A copy of it, with the keys in this test's home."""
    shutil.copytree(built[1], home / "data")
    return Path(shutil.copytree(built[0], tmp_path / "repo", symlinks=True))


def test_a_folder_is_as_it_was(repo: Path, cli: Cli, git: Git) -> None:
    """Changed, deleted and added files; what was not named stays."""
    done = cli("restore", "--to", "good", "docs", "--json", cwd=repo)
    assert done.code == 0, done.out
    assert {one["path"]: one["action"] for one in done.json["paths"]} == {
        "docs/one.md": "restored", "docs/three.md": "removed", "docs/two.md": "recreated"}
    assert git(repo, "diff", "--name-only", "good", "HEAD", "--", "docs", "other.md") == "other.md"
    assert git(repo, "log", "-1", "--format=%an %G?") == "olive G"
    assert git(repo, "status", "--porcelain") == ""


def test_globs_and_a_dry_run(repo: Path, cli: Cli, git: Git) -> None:
    """A dry run shows the diff and changes nothing."""
    head = git(repo, "rev-parse", "HEAD")
    done = cli("restore", "--to", "good", "docs/o*.md", "*.md", "--dry-run", cwd=repo)
    assert done.code == 0
    assert [line.split() for line in done.out.splitlines() if line.startswith("  ")] == [
        ["restored", "docs/one.md"], ["restored", "other.md"]]
    assert git(repo, "rev-parse", "HEAD") == head


def test_a_rollback_after_a_restore_finds_nothing_left(repo: Path, cli: Cli) -> None:
    """Restored lines are the old lines, so that undoing their deletion does not double them."""
    assert cli("restore", "--to", "good", "docs", "other.md", cwd=repo).code == 0
    done = cli("rollback", "a", "--json", cwd=repo)
    assert (done.code, done.json["commit"]) == (0, None)
    assert {one["action"] for one in done.json["paths"]} == {"unchanged"}


@pytest.mark.parametrize(("words", "code"), [
    (["--to", "nowhere", "docs"], 14), (["--to", "good", "absent.md"], 14), (["docs"], 2),
])
def test_what_cannot_be_restored(repo: Path, cli: Cli, words: list[str], code: int) -> None:
    """An unknown revision, a path that neither side has, no revision."""
    assert cli("restore", *words, cwd=repo).code == code


def test_an_agents_key_does_not_come_back(repo: Path, cli: Cli) -> None:
    """Identities change by their own commands only, whoever asks."""
    done = cli("restore", "--to", "good", ".githarness", "--json", cwd=repo)
    assert (done.code, done.json["error"]["code"]) == (2, "usage")


def test_an_uncommitted_edit_is_kept(repo: Path, cli: Cli) -> None:
    """Exit 11, and the edit is there still."""
    (repo / "other.md").write_text("mine\n")
    for more in (["--dry-run"], []):
        assert cli("restore", "--to", "good", "other.md", *more, cwd=repo).code == 11
    assert (repo / "other.md").read_text() == "mine\n"


@pytest.mark.parametrize("content", ["not toml\n", None])
def test_a_configuration_that_does_not_load_is_mended(repo: Path, cli: Cli, git: Git, content: str | None) -> None:
    """Agents are refused; the command that doctor names puts it back, by the owner; then agents write again."""
    _break_config(repo, git, content)
    assert cli("append", "other.md", "--agent", "a", cwd=repo, stdin="x\n").code == 17
    found = {item["check"]: item for item in cli("doctor", "--json", cwd=repo).json["items"]}
    assert [check for check, item in found.items() if item["state"] == "fail"] == ["governed branch"]
    done = cli(*found["governed branch"]["fix"].split()[1:], cwd=repo)
    assert done.code == 0, done.err
    assert git(repo, "log", "-1", "--format=%an %G?") == "olive G"
    assert cli("append", "other.md", "--agent", "a", cwd=repo, stdin="x\n").code == 0


def _break_config(repo: Path, git: Git, content: str | None) -> None:
    config = repo / ".githarness/config.toml"
    config.unlink() if content is None else config.write_text(content)
    git(repo, "commit", "-qam", "oops")
    git(repo, "commit", "-q", "--allow-empty", "-m", "later")


def test_a_rollback_needs_no_configuration(repo: Path, cli: Cli, git: Git) -> None:
    """Artifacts go back, and the log can be read, while no policy loads."""
    _break_config(repo, git, "not toml\n")
    assert cli("log", cwd=repo).code == cli("rollback", "a", cwd=repo).code == 0
    assert (repo / "docs/one.md").read_text() == "good\n"


def test_who_was_retired_cannot_act_by_breaking_the_configuration(repo: Path, cli: Cli, git: Git) -> None:
    """Who may mend is as of head, not as of the state before."""
    for name in ("second", "third"):
        mail = f"{name}@example.org"
        assert cli("human", "add", name, "--mail", mail, "--role", "owner", cwd=repo).code == 0
    assert cli("human", "retire", "third", cwd=repo).code == 0
    _break_config(repo, git, "not toml\n")
    git(repo, "config", "user.email", "third@example.org")
    done = cli("restore", "--to", "good", ".githarness/config.toml", cwd=repo)
    assert done.code == 10, done.err
