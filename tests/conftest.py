"""What all tests share: a world of their own each (home, XDG folders, git configuration) and real repositories.

Nothing here or in a test may touch the home folder of who runs the suite.
"""

from __future__ import annotations

import atexit
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings as hypothesis_settings

from githarness import flock, settings
from githarness.settings import Settings
from tests.warm import Warm

ROOT = Path(__file__).resolve().parent.parent
GITCONFIG = """\
[user]
\tname = Olive Owner
\temail = olive@example.org
[init]
\tdefaultBranch = main
[core]
\tfsync = none
[gc]
\tauto = 0
[maintenance]
\tauto = false
[protocol "file"]
\tallow = always
"""


def pytest_configure(config: pytest.Config) -> None:
    """The same examples each time, so that what fails once fails again; the soak campaigns draw new ones.

    Who starts the suite in the background, or by nohup, has it ignore signals, and with it all that it starts.
    """
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGQUIT):
        if signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    if config.option.markexpr != "soak":
        hypothesis_settings.register_profile("repeatable", derandomize=True)
        hypothesis_settings.load_profile("repeatable")


def _enter(patch: pytest.MonkeyPatch, home: Path, bytecode: Path) -> None:
    for name in list(os.environ):
        if name.startswith(("GIT_", "GITHARNESS_", "XDG_")) or name in ("SSH_AUTH_SOCK", "NO_COLOR", "DISPLAY"):
            patch.delenv(name)
    patch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
    (home / "run").mkdir(mode=0o700)
    (home / "tmp").mkdir()
    (home / ".gitconfig").write_text(GITCONFIG)
    values = {
        "HOME": home,
        "TMPDIR": home / "tmp",
        "XDG_DATA_HOME": home / "data",
        "XDG_CONFIG_HOME": home / "config",
        "XDG_CACHE_HOME": home / "cache",
        "XDG_STATE_HOME": home / "state",
        "XDG_RUNTIME_DIR": home / "run",
        "GIT_CONFIG_GLOBAL": home / ".gitconfig",
        "GIT_CONFIG_NOSYSTEM": "1",
        "PYTHONPATH": ROOT,  # so that child processes run this tree
        "PYTHONPYCACHEPREFIX": bytecode,  # compiled once for all of them, and nothing of it into the tree
        "LC_ALL": "C.UTF-8",
        "TZ": "UTC",
        "COLUMNS": "80",
    }
    for name, value in values.items():
        patch.setenv(name, str(value))


@pytest.fixture(scope="session", autouse=True)
def _session_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        _enter(patch, tmp_path_factory.mktemp("s"), tmp_path_factory.getbasetemp() / "pyc")
        yield


@pytest.fixture(autouse=True)
def home(_session_world: None, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The test's own home folder; its path is short, because sockets below it may have 107 bytes."""
    folder = tmp_path_factory.mktemp("h")
    _enter(monkeypatch, folder, tmp_path_factory.getbasetemp() / "pyc")
    return folder


def run_git(cwd: Path, *args: str | Path, stdin: bytes | str | None = None, ok: bool = True) -> str:
    """Stdout without its last LF; a failure shows what git said, unless `ok=False`."""
    given = stdin.encode() if isinstance(stdin, str) else stdin
    done = subprocess.run(["git", *map(str, args)], cwd=cwd, input=given, capture_output=True, check=False)
    if ok and done.returncode:
        raise AssertionError(f"git {' '.join(map(str, args))}: {done.stderr.decode(errors='replace')}")
    return done.stdout.decode(errors="surrogateescape").removesuffix("\n")


Git = Callable[..., str]


@pytest.fixture(scope="session")
def git() -> Git:
    """`git(cwd, "log", "-1")`: the real git."""
    return run_git


def build_repo(folder: Path, files: int | Mapping[str, str | bytes] = 3, *, bare: bool = False) -> Path:
    """A repository on `main` with one commit: N files `docs/NNNN.md` of five lines, or the files given."""
    contents = files if isinstance(files, Mapping) else {f"docs/{n:04}.md": _five_lines(n) for n in range(files)}
    folder.mkdir(parents=True, exist_ok=True)
    run_git(folder, "init", "-q", "-b", "main", *(["--bare"] if bare else []))
    if contents:
        run_git(folder, "fast-import", "--quiet", stdin=_import_stream(contents))
    if contents and not bare:
        run_git(folder, "reset", "-q", "--hard")
    return folder


def _five_lines(number: int) -> str:
    return "".join(f"file {number} line {line}\n" for line in range(5))


def _import_stream(contents: Mapping[str, str | bytes]) -> bytes:
    who = b"Olive Owner <olive@example.org> 1700000000 +0000"
    parts = [b"commit refs/heads/main\ncommitter %s\ndata 6\nstart\n\n" % who]
    for path, content in contents.items():
        raw = content.encode() if isinstance(content, str) else content
        parts.append(b"M 100644 inline %s\ndata %d\n%s\n" % (path.encode(), len(raw), raw))
    return b"".join(parts)


RepoFactory = Callable[..., Path]


@pytest.fixture
def make_repo(tmp_path: Path) -> RepoFactory:
    """`make_repo(2000)`, `make_repo({"a.md": "text\\n"}, name="other", bare=True)`."""

    def make(files: int | Mapping[str, str | bytes] = 3, *, name: str = "repo", bare: bool = False) -> Path:
        return build_repo(tmp_path / name, files, bare=bare)

    return make


@pytest.fixture
def repo(make_repo: RepoFactory) -> Path:
    return make_repo()


@pytest.fixture
def make_settings() -> Callable[..., Settings]:
    """`make_settings(agent="deployer")`: the settings of the test's world with these fields changed."""
    return lambda **changes: replace(settings.load(), **changes)


@dataclass(frozen=True)
class Ran:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Cli = Callable[..., Ran]
COLD = "HARNESS_TESTS_COLD" in os.environ  # each run of the command loads it anew, as its users do


@cache
def _warm() -> Warm:
    warm = Warm()
    atexit.register(warm.close)
    return warm


def run_cli(
    *args: str | Path, cwd: Path, stdin: bytes | str | None = None, env: Mapping[str, str] | None = None,
    module: str = "githarness",
) -> Ran:
    given = stdin.encode() if isinstance(stdin, str) else (stdin or b"")
    surroundings, words = {**os.environ, **(env or {})}, [str(arg) for arg in args]
    if not COLD and not any(name.startswith(("PYTHON", "LC_", "LANG")) for name in env or ()):
        code, out, err = _warm().run(words, cwd, stdin=given, env=surroundings, module=module)
        return Ran(code, out.decode(errors="surrogateescape"), err.decode(errors="replace"))
    command = [sys.executable, "-m", module, *words]
    done = subprocess.run(command, cwd=cwd, input=given, capture_output=True, check=False, env=surroundings)
    return Ran(done.returncode, done.stdout.decode(errors="surrogateescape"), done.stderr.decode(errors="replace"))


@pytest.fixture
def cli(tmp_path: Path) -> Cli:
    """`cli("log", "--json", cwd=repo)`: the command in a process of its own; code, out, err and json of it."""

    def call(*args: str | Path, cwd: Path = tmp_path, stdin: bytes | str | None = None, **env: str) -> Ran:
        return run_cli(*args, cwd=cwd, stdin=stdin, env=env)

    return call


Once = Callable[[str, Callable[[Path], None]], Path]


@pytest.fixture(scope="session")
def once(_session_world: None, tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Once:
    """`once("clone", make)`: the folder that `make` has filled, one for all workers of a run; the others wait."""
    own = tmp_path_factory.getbasetemp()
    base = own if worker_id == "master" else own.parent

    def share(name: str, make: Callable[[Path], None]) -> Path:
        folder, made = base / name, base / f"{name}.made"
        with flock.exclusive(base / f"{name}.lock", wait=600, what=name):
            if not made.exists():
                folder.mkdir()
                make(folder)
                made.touch()
        return folder

    return share


@pytest.fixture(scope="session")
def _fleet_template(_session_world: None, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A governed repository with the agents `deployer` and `scribe`, and the folder of its keys."""
    folder = build_repo(tmp_path_factory.mktemp("t") / "fleet", {"runbooks/release.md": "build\ntest\nship\n"})
    data = folder.with_name("data")  # of its own: what else the session makes would lie beside its keys
    for argv in (["init", "--fleet", "acme"], ["agent", "add", "deployer"], ["agent", "add", "scribe"]):
        done = run_cli(*argv, cwd=folder, env={"XDG_DATA_HOME": str(data)})
        assert done.code == 0, done.err
    return folder, data


@pytest.fixture
def fleet(_fleet_template: tuple[Path, Path], home: Path, tmp_path: Path) -> Path:
    """A governed repository of the test's own: fleet acme, owner olive, agents deployer and scribe, one runbook."""
    folder, data = _fleet_template
    shutil.copytree(data, home / "data", dirs_exist_ok=True)
    return shutil.copytree(folder, tmp_path / "fleet", symlinks=True)
