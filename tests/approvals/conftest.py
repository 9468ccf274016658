"""A governed repository in which runbooks change with approval only: owner olive, operators otto and ida."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from githarness import clock, settings, wiring
from githarness.git.reader import Reader
from githarness.git.repo import discover
from githarness.policy import approval
from githarness.seal.signer import Signer
from githarness.wiring import Harness
from githarness.work import judge_range
from githarness.work.approvals import Desk
from githarness.work.judge_range import Bench, Range
from githarness.work.people import acting
from tests.conftest import Ran, run_cli, run_git

RUNBOOK = "runbooks/release.md"
POLICY = """\
version: 1
rules:
  - {id: all, effect: allow, actions: [read, write, append, delete, rename], paths: ["**"]}
  - id: runbooks
    effect: require_approval
    why: two pairs of eyes
    actions: [write, append, delete, rename]
    paths: ["runbooks/**"]
  - id: keys
    effect: require_approval
    actions: [write]
    paths: ["keys/**"]
    approvers: {role: operator, count: 2}
"""


@dataclass
class Office:
    """The repository of a test, and the people around it."""

    folder: Path

    def cli(self, *args: str, stdin: str = "", who: str = "olive", **env: str) -> Ran:
        """As `who`: git's user.email says so."""
        run_git(self.folder, "config", "user.email", f"{who}@example.org")
        done = run_cli(*args, cwd=self.folder, stdin=stdin, env=env)
        run_git(self.folder, "config", "user.email", "olive@example.org")
        return done

    def good(self, *args: str, stdin: str = "", who: str = "olive") -> Ran:
        done = self.cli(*args, stdin=stdin, who=who)
        assert done.code == 0, done.err
        return done

    def git(self, *args: str, **more: object) -> str:
        return run_git(self.folder, *args, **more)  # type: ignore[arg-type]

    @property
    def head(self) -> str:
        return self.git("rev-parse", "main")

    def open(self) -> Harness:
        return wiring.open(self.folder, settings.load())

    def propose(self, content: str | None, path: str = RUNBOOK, *, agent: str = "deployer", operation: str = "") -> str:
        """The id under which a write of `agent` is held; None deletes."""
        if (self.folder / path).exists():
            self.good("read", path, "--agent", agent)
        words = ["write" if content is not None else "delete", path, "--agent", agent, "--json"]
        done = self.cli(*words, *(["--operation", operation] if operation else []), stdin=content or "")
        assert done.code == 13, done.out + done.err
        return str(done.json["error"]["details"]["held"])

    def desk(self, who: str = "otto") -> Desk:
        harness = self.open()
        human, signer = acting(harness.parts, harness.governance(), name=who, mail="")
        return Desk(harness.parts, harness.git, harness.local, human, signer)

    def signer(self, agent: str = "deployer") -> Signer:
        return self.open().local.signer(agent)

    def signing(self, who: str) -> list[str]:
        """Git's settings by which `who` signs commits."""
        harness = self.open()
        public = harness.governance().registry.humans[who].keys[0].key
        for path in harness.settings.data_dir.rglob("*"):
            if path.is_file() and b"PRIVATE KEY" in path.read_bytes()[:100] and _public(path) == public:
                return ["-c", f"user.name={who}", "-c", f"user.email={who}@example.org", "-c", "gpg.format=ssh",
                        "-c", f"user.signingkey={path}", "-c", "core.hooksPath=/dev/null"]
        raise AssertionError(who)

    def refs(self) -> list[str]:
        return self.git("for-each-ref", "--format=%(refname)", "refs/githarness/held", "refs/githarness/statements",
                        ).splitlines()

    def statement(self, commit: str = "HEAD") -> tuple[str, str]:
        """Path and content of the statement that a commit brought."""
        files = self.git("show", "--format=", "--name-only", commit).splitlines()
        path = next(file for file in files if file.startswith(approval.FOLDER))
        return path, self.git("show", f"{commit}:{path}") + "\n"

    def codes(self, base: str | None, head: str, folder: Path | None = None) -> set[str]:
        reader = Reader(discover(folder or self.folder))
        span = Range(reader.resolve(base) if base else None, reader.resolve(head))
        return {one.code for one in judge_range.judge(Bench(reader, clock.SYSTEM.now()), span).violations}


def _public(path: Path) -> str:
    done = subprocess.run(["ssh-keygen", "-y", "-f", str(path)], capture_output=True, text=True, check=True)
    return " ".join(done.stdout.split()[:2])


@pytest.fixture(scope="session")
def _office_template(_fleet_template: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder, data = _fleet_template
    made = shutil.copytree(folder, tmp_path_factory.mktemp("o") / "fleet", symlinks=True)
    keys = shutil.copytree(data, tmp_path_factory.mktemp("k") / "data")
    office = Office(made)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_DATA_HOME", str(keys))
        for name in ("otto", "ida"):
            office.good("human", "add", name, "--mail", f"{name}@example.org", "--role", "operator")
        office.good("write", ".githarness/policies/main.yaml", "--as", "olive", stdin=POLICY)
    return made, keys


@pytest.fixture
def office(_office_template: tuple[Path, Path], home: Path, tmp_path: Path) -> Office:
    folder, data = _office_template
    shutil.copytree(data, home / "data", dirs_exist_ok=True)
    return Office(shutil.copytree(folder, tmp_path / "office", symlinks=True))


Clone = Callable[[], Path]


@pytest.fixture
def clone(office: Office, tmp_path: Path) -> Clone:
    """A fresh clone, as anybody gets it."""

    def make() -> Path:
        run_git(tmp_path, "clone", "-q", str(office.folder), "clone")
        return tmp_path / "clone"

    return make
