"""A governed repository under hostile conditions: the command as a process would give it, and what must not change.

`here` runs the command's `main` in this process, so that hundreds of cases cost little; what depends on the process
itself (environment, limits, traced system calls) is run in one of its own by `cli`.
"""

from __future__ import annotations

import io
import json
import os
import stat
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import githarness.__main__
from githarness import errors
from tests.conftest import Ran, run_cli, run_git

EXIT_CODES = {kind.code: kind.exit_code for kind in vars(errors).values()
              if isinstance(kind, type) and issubclass(kind, errors.HarnessError)}
OURS = {"lane.lock", "harness.lock", "govern.lock", "maintenance.lock"}  # flocks: the file stays
Call = Callable[..., Ran]


def call_here(*argv: str | Path, cwd: Path, stdin: bytes | str = b"") -> Ran:
    """`githarness -C cwd ARGV`: its exit code and all that it prints."""
    out, err = _stream(), _stream()
    given = stdin.encode() if isinstance(stdin, str) else stdin
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["githarness", "-C", str(cwd), *map(str, argv)])
        patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(given)))
        patch.setattr(sys, "stdout", out)
        patch.setattr(sys, "stderr", err)
        with pytest.raises(SystemExit) as done:
            githarness.__main__.main()
    code = done.value.code
    assert isinstance(code, int)
    return Ran(code, _said(out), _said(err))


def _stream() -> io.TextIOWrapper:
    """With a descriptor, as a command that starts others wants it."""
    descriptor, name = tempfile.mkstemp()
    os.unlink(name)
    return io.TextIOWrapper(open(descriptor, "w+b"), encoding="utf-8", write_through=True)


def _said(stream: io.TextIOWrapper) -> str:
    with stream.detach() as file:
        file.seek(0)
        return file.read().decode(errors="surrogateescape")


def state(folder: Path, *, git: bool = True) -> dict[str, Any]:
    """All that a refused command must leave as it was: refs, HEAD, index, status, files; and no lock remains."""
    named = run_git(folder, "rev-parse", "--path-format=absolute", "--git-common-dir") if git else ""
    git_dir = Path(named or folder / ".git")
    known: dict[str, Any] = {"files": dict(_files(folder)), "refs": _refs(git_dir), "locks": _locks(git_dir)}
    known["left"] = sorted(file.name for file in (git_dir / "objects" / "pack").glob("*")
                           if file.suffix == ".keep" or file.name.startswith("tmp"))
    if git:
        known["status"] = run_git(folder, "--no-optional-locks", "status", "--porcelain=v1", "-z", ok=False)
        known["staged"] = run_git(folder, "ls-files", "--stage", "-z", ok=False)
    return known


def _files(folder: Path) -> Iterator[tuple[str, object]]:
    for at, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if name not in (".git", "githarness")]  # the latter in a bare one
        for name in [*files, *folders]:
            path = Path(at) / name
            found = path.lstat()
            content: object = None
            if stat.S_ISREG(found.st_mode):
                content = path.read_bytes()
            elif stat.S_ISLNK(found.st_mode):
                content = os.readlink(path)
            yield str(path.relative_to(folder)), (found.st_mode, content)


def _refs(git_dir: Path) -> dict[str, bytes]:
    found = {str(file): file.read_bytes() for file in (git_dir / "refs").rglob("*")
             if file.is_file() and not file.name.endswith(".lock")}
    return found | {name: (git_dir / name).read_bytes() for name in ("HEAD",
                                                                     "packed-refs") if (git_dir / name).exists()}


def _locks(git_dir: Path) -> list[str]:
    return sorted(str(file) for file in git_dir.rglob("*.lock") if file.name not in OURS)


def check_error(ran: Ran, code: str, *, as_json: bool) -> dict[str, Any]:
    """The exit code and shape that CLI.md promises for `code`; returns the error of the document."""
    assert ran.code == EXIT_CODES[code], (ran.code, ran.out, ran.err)
    assert "Traceback" not in ran.err and "internal error" not in ran.err + ran.out
    if not as_json:
        assert ran.out == ""
        assert ran.err.startswith("error: ") and "\nhint: " in ran.err, ran.err
        return {}
    document = json.loads(ran.out)
    assert set(document) == {"error"} and set(document["error"]) == {"code", "message", "fix", "details"}
    found: dict[str, Any] = document["error"]
    assert found["code"] == code, found
    assert found["fix"] and found["message"] and found["message"][-1] != "."
    return found


@dataclass(frozen=True)
class Desk:
    """One governed repository and the command in it."""

    folder: Path
    agent: str = "deployer"

    def run(self, *argv: str | Path, stdin: bytes | str = b"") -> Ran:
        return call_here(*argv, cwd=self.folder, stdin=stdin)

    def act(self, *argv: str | Path, stdin: bytes | str = b"", agent: str | None = None) -> Ran:
        return self.run(*argv, "--agent", agent or self.agent, stdin=stdin)

    def good(self, *argv: str | Path, stdin: bytes | str = b"", agent: str | None = None) -> Any:
        """The document of an agent's command that succeeds."""
        ran = self.act(*argv, "--json", stdin=stdin, agent=agent)
        assert ran.code == 0, ran.out + ran.err
        return ran.json

    def refused(self, code: str, *argv: str | Path, stdin: bytes | str = b"", agent: str | None = "deployer",
                git: bool = True) -> dict[str, Any]:
        """The error of a command that must fail alike with and without --json, and change nothing at all."""
        line = [argv[0], *(["--agent", agent] if agent else []), *argv[1:]]
        before = state(self.folder, git=git)
        check_error(self.run(*line, stdin=stdin), code, as_json=False)
        error = check_error(self.run("--json", *line, stdin=stdin), code, as_json=True)
        assert state(self.folder, git=git) == before
        return error

    def git(self, *args: str | Path, stdin: bytes | str | None = None, ok: bool = True) -> str:
        return run_git(self.folder, *args, stdin=stdin, ok=ok)

    def head(self, branch: str = "main") -> str:
        return self.git("rev-parse", f"refs/heads/{branch}")

    def sound(self) -> None:
        """git finds no fault, and nothing that a person has not done."""
        self.git("fsck", "--strict", "--no-dangling")
        assert self.git("status", "--porcelain") == ""

    def at(self, folder: Path) -> Desk:
        return Desk(folder, self.agent)


@pytest.fixture
def desk(fleet: Path) -> Desk:
    return Desk(fleet)


@pytest.fixture
def clone_of(desk: Desk, tmp_path: Path) -> Callable[..., Desk]:
    """`clone_of("--depth=1")`: a set-up clone of the fleet's repository, its keys on this host."""

    def clone(*options: str, name: str = "clone", set_up: bool = True) -> Desk:
        run_git(tmp_path, "clone", "--quiet", *options, f"file://{desk.folder}", name)
        if set_up:
            done = run_cli("init", cwd=tmp_path / name)
            assert done.code == 0, done.err
        return Desk(tmp_path / name)

    return clone
