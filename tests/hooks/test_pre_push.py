"""pre-push says when two clones have both written, and stops nothing else."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def _push(repo: Path, *args: str) -> tuple[int, str]:
    done = subprocess.run(["git", "push", *args], cwd=repo, capture_output=True, text=True, check=False)
    return done.returncode, done.stderr


@pytest.fixture
def clones(cli, git, fleet, remote, tmp_path) -> tuple[Path, Path]:
    """Two clones of one governed repository that both hold the agent's key."""
    git(fleet, "remote", "add", "origin", remote)
    git(fleet, "push", "-q", "-u", "origin", "main")
    git(tmp_path, "clone", "-q", remote, tmp_path / "second")
    cli("init", cwd=tmp_path / "second")
    return fleet, tmp_path / "second"


def _write(cli, repo: Path, name: str) -> None:
    assert cli("write", name, "--agent", "deployer", cwd=repo, stdin=name).code == 0


def test_two_writing_clones_are_reported_until_they_are_joined(cli, git, clones):
    """Plain and forced pushes stop with the fix; a side branch passes; the fix works and keeps every signature."""
    first, second = clones
    _write(cli, first, "a.md")
    _write(cli, second, "b.md")
    assert _push(first)[0] == 0
    for args in ((), ("--force",)):
        code, said = _push(second, *args)
        assert code == 1
        assert "two clones have both written 'main': 1 agent commit(s) are only here, 1 only on 'origin'" in said
    assert _push(second, "origin", "main:refs/heads/side")[0] == 0
    assert cli("doctor", cwd=second).code == 0
    git(second, "fetch", "-q")
    assert "two clones have both written" in _push(second)[1]
    assert cli("doctor", cwd=second).code == 1
    git(second, "pull", "-q", "--no-rebase", "--no-edit", "origin", "main")
    assert _push(second)[0] == 0
    assert git(second, "log", "--format=%G?", "--author=deployer").split() == ["G", "G"]


def test_one_writer_and_people_pass(cli, git, clones):
    """Agents in one clone and a person in the other are git's business alone."""
    first, second = clones
    _write(cli, first, "a.md")
    git(second, "commit", "-q", "--allow-empty", "-m", "by hand")
    assert _push(first)[0] == 0
    code, said = _push(second)
    assert (code, "two clones" in said) == (1, False)
    assert _push(second, "--force")[0] == 0
    assert _push(second, "origin", "--delete", "nothing")[0] == 1


def test_the_hook_never_stops_a_push_by_its_own_fault(cli, git, clones):
    """Broken governance or a broken database is noted, and git goes on."""
    first, _ = clones
    (first / ".git/githarness/adopted.json").write_text("{")
    for file in (first / ".git/githarness").glob("harness.db*"):
        file.write_bytes(b"not a database" * 100)
    git(first, "commit", "-q", "--allow-empty", "-m", "x")
    code, said = _push(first)
    assert code == 0, said


def test_the_check_by_hand(cli, git, clones):
    """`githarness hook pre-push` gives the same verdict, also as JSON."""
    first, second = clones
    ran = cli("hook", "pre-push", "origin", "--json", cwd=first, stdin="")
    assert ran.json == {"diverged": False, "blocks": False, "message": None, "fix": None, "violations": []}
    for clone in clones:
        _write(cli, clone, f"{clone.name}.md")
    assert _push(first)[0] == 0
    git(second, "fetch", "-q")
    head, theirs = git(second, "rev-parse", "main", "origin/main").split()
    line = f"refs/heads/main {head} refs/heads/main {theirs}\n"
    assert "two clones" in cli("hook", "pre-push", "origin", cwd=second, stdin=line).out


def test_what_a_hub_would_refuse_is_not_pushed(cli, git, clones):
    """A commit that only says that it is an agent's; on a side branch, and past the hook, git goes on."""
    first, _ = clones
    git(first, "commit", "-q", "--no-verify", "--allow-empty", "-m", "x", "-m", "Agent: deployer")
    code, said = _push(first)
    assert (code, "unsigned: it carries no signature\nhint: make the change anew" in said) == (1, True)
    assert _push(first, "origin", "main:refs/heads/side")[0] == 0
    assert _push(first, "--no-verify")[0] == 0


def test_the_hooks_door_is_light():
    """Its import loads none of the heavy packages."""
    heavy = ("typer", "rich", "git", "pygit2", "jsonschema")
    code = f"import sys, githarness.checks.hook; print([name for name in {heavy!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
