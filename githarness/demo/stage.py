"""Where incidents play: a temporary folder with a home of its own, and the real programs, run as their users run them.

Nothing outside the folder is read or written. What happens is told, line by line, to whoever prints it.
"""

from __future__ import annotations

import contextlib
import json
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from githarness.errors import Unavailable
from githarness.settings import Settings

Kind = Literal["title", "tell", "loss", "command", "output", "good", "bad"]
Say = Callable[[Kind, str], None]

_SOURCES = Path(__file__).resolve().parents[2]  # what holds the package; a checkout has pyproject.toml there
_GITCONFIG = """\
[user]
\tname = Olive Owner
\temail = olive@example.org
[init]
\tdefaultBranch = main
[advice]
\tdetachedHead = false
"""
_SHOWN = 36  # lines of a command's output
# The command on other clocks: nobody waits until a permission is over.
_AHEAD = """\
import sys
from githarness.clock import Clock
wall, boot, now, booted = float(sys.argv.pop(1)), float(sys.argv.pop(1)), Clock.now, Clock.boot
Clock.now, Clock.boot = (lambda clock: now(clock) + wall), (lambda clock: booted(clock) + boot)
from githarness.__main__ import main
main()
"""


@dataclass(frozen=True, slots=True)
class Ran:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@dataclass(frozen=True, slots=True)
class Stage:
    folder: Path
    environ: Mapping[str, str]
    git_binary: str
    say: Say
    fleet: int  # how many agents there are
    door: tuple[str, ...] = ("-m", "githarness")  # how Python starts the command

    @property
    def repo(self) -> Path:
        return self.folder / "repo"

    def githarness(self, *args: str, stdin: str = "", shown: bool = False) -> Ran:
        """The command in the demo's repository; `shown` tells the call and its output."""
        done = self._run([sys.executable, *self.door, *args], self.repo, stdin)
        if shown:
            self.show(f"githarness {shlex.join(args)}", (done.out + done.err).splitlines())
        return done

    def ahead(self, *, wall: float, boot: float) -> Stage:
        """The same, where the command takes the clocks to be so many seconds on: the wall's, and that of the boot."""
        return replace(self, door=("-c", _AHEAD, str(wall), str(boot)))

    def run(self, program: Sequence[str]) -> Ran:
        """Python with these arguments, in the demo's repository. Raises Unavailable where it fails."""
        done = self._run([sys.executable, *program], self.repo, "")
        if done.code:
            raise Unavailable(f"a program of the demo ended with {done.code}: {done.err.strip()}")
        return done

    def git(self, *args: str, cwd: Path | None = None, shown: bool = False) -> Ran:
        done = self._run([self.git_binary, *args], cwd or self.repo, "")
        if shown:
            self.show(f"git {shlex.join(args)}", (done.out + done.err).splitlines())
        return done

    def must(self, *args: str, stdin: str = "", shown: bool = False) -> Ran:
        """The command, which has to succeed for the incident to make sense. Raises Unavailable."""
        done = self.githarness(*args, stdin=stdin, shown=shown)
        if done.code:
            raise Unavailable(f"'githarness {' '.join(args)}' ended with {done.code}: {done.err.strip()}")
        return done

    def show(self, command: str, lines: Sequence[str]) -> None:
        self.say("command", command)
        for line in lines[:_SHOWN]:
            self.say("output", line.rstrip())
        if len(lines) > _SHOWN:
            self.say("output", f"... {len(lines) - _SHOWN} lines more")

    def start(self, program: Sequence[str], cwd: Path) -> subprocess.Popen[str]:
        """A process of ours in the demo's surroundings; the caller waits for it."""
        pipe = subprocess.PIPE
        return subprocess.Popen([sys.executable, *program], cwd=cwd, env=self.environ, text=True, stdin=pipe,
                                stdout=pipe, stderr=pipe)

    @contextlib.contextmanager
    def daemon(self) -> Iterator[None]:
        serving = self.start(["-m", "githarness", "serve", "--json"], self.repo)
        try:
            assert serving.stdout
            if '"ready"' not in serving.stdout.readline():
                raise Unavailable("the daemon of the demo did not start")
            yield
        finally:
            serving.terminate()
            serving.communicate()

    def _run(self, command: Sequence[str], cwd: Path, stdin: str) -> Ran:
        done = subprocess.run(command, cwd=cwd, env=self.environ, input=stdin, capture_output=True, text=True,
                              check=False)
        return Ran(done.returncode, done.stdout, done.stderr)


def build(folder: Path, settings: Settings, say: Say, fleet: int) -> Stage:
    """A stage in an empty folder, with a home folder and a person's git configuration, and nothing in it yet."""
    home, runtime = folder / "home", folder / "run"
    for each in (home, folder / "repo"):
        each.mkdir()
    runtime.mkdir(mode=0o700)
    (home / ".gitconfig").write_text(_GITCONFIG)
    own = {"HOME": home, "XDG_DATA_HOME": home / "data", "XDG_CONFIG_HOME": home / "config",
           "XDG_RUNTIME_DIR": runtime, "TMPDIR": runtime, "GIT_CONFIG_NOSYSTEM": "1", "NO_COLOR": "1",
           "LC_ALL": "C.UTF-8"}
    kept = {name: value for name, value in settings.environ.items()
            if not name.startswith(("XDG_", "GITHARNESS_", "_GITHARNESS_")) and name != "SSH_AUTH_SOCK"}
    if (_SOURCES / "pyproject.toml").exists():
        own["PYTHONPATH"] = _SOURCES
    return Stage(folder, kept | {name: str(value) for name, value in own.items()}, settings.git, say, fleet)
