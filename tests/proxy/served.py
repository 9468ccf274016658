"""A governed repository whose vault daemon runs, for the tests of one module; the doors are real processes."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException, HTTPResponse
from pathlib import Path
from urllib.parse import urlsplit

from githarness import settings
from githarness.vault.client import Client
from tests.conftest import Ran, run_cli

AGENT, RUN = "deployer", "r-door"
VALUE = "tok/3n+with=Odd\"chars\\42"


@dataclass(frozen=True)
class Process:
    pid: int

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)

    def gone(self) -> bool:
        return not os.path.exists(f"/proc/{self.pid}")


@dataclass
class Served:
    folder: Path
    env: dict[str, str]
    daemon: subprocess.Popen[str] | None = None
    opened: list[HTTPConnection] = field(default_factory=list)

    @property
    def settings(self) -> settings.Settings:
        return settings.load({**os.environ, **self.env})

    def cli(self, *words: str | Path, stdin: str = "", ok: bool = True, **env: str) -> Ran:
        done = run_cli(*words, cwd=self.folder, stdin=stdin, env={**self.env, **env})
        assert done.code == 0 or not ok, done.err
        return done

    def secret(self, name: str, value: str = VALUE, *terms: str) -> None:
        self.cli("vault", "set", name, *terms, stdin=value)

    def client(self, agent: str = AGENT, run: str | None = None) -> Client:
        client = Client(self.settings, self.folder / ".git")
        client.hello(agent, run or f"{RUN}-{agent}")
        return client

    def ask(self, op: str, agent: str = AGENT, **said: object) -> dict[str, object]:
        with self.client(agent) as client:
            return client.ask(op, **said).header  # type: ignore[arg-type]

    def url(self, name: str, agent: str = AGENT, **said: object) -> str:
        return str(self.ask("route", agent, name=name, **said)["url"])

    def http(self, url: str, path: str = "", method: str = "GET", **how: object) -> HTTPResponse:
        parts = urlsplit(url)
        connection = HTTPConnection(str(parts.hostname), parts.port, timeout=20)
        self.opened.append(connection)
        connection.request(method, parts.path + path, **how)  # type: ignore[arg-type]
        return connection.getresponse()

    def alive(self, url: str) -> bool:
        try:
            return self.http(url, "/status/200").status == 200
        except (OSError, HTTPException):
            return False

    def door(self, module: str) -> Process:
        """The daemon's child that runs this."""
        assert self.daemon
        found = []
        for name in filter(str.isdigit, os.listdir("/proc")):
            with contextlib.suppress(OSError):
                parent = Path(f"/proc/{name}/stat").read_text().rpartition(")")[2].split()[1]
                if int(parent) == self.daemon.pid and module in Path(f"/proc/{name}/cmdline").read_text():
                    found.append(Process(int(name)))
        assert len(found) == 1
        return found[0]

    def serve(self) -> None:
        command = [sys.executable, "-m", "githarness", "--json", "vault", "serve"]
        self.daemon = subprocess.Popen(command, cwd=self.folder, env={**os.environ, **self.env}, text=True,
                                       stdout=subprocess.PIPE)
        assert self.daemon.stdout
        said = self.daemon.stdout.readline()
        assert '"ready"' in said, said + self.daemon.stdout.read()

    def stop(self) -> None:
        if self.daemon:
            self.daemon.terminate()
            self.daemon.wait(60)
            self.daemon = None


@contextlib.contextmanager
def served(template: tuple[Path, Path], place: Path, **more: str) -> Iterator[Served]:
    """Agent `deployer` may use every secret below api/, git/ and key/; `scribe` none."""
    folder, data = template
    (place / "run").mkdir(mode=0o700)
    shutil.copytree(data, place / "data")
    env = {"XDG_DATA_HOME": str(place / "data"), "XDG_RUNTIME_DIR": str(place / "run"), **more}
    made = Served(shutil.copytree(folder, place / "fleet", symlinks=True), env)
    made.cli("vault", "init", "--keyfile", place / "keyfile")
    globs = [word for each in ("api", "git", "key") for word in ("--path", f"{each}/**")]
    made.cli("grant", AGENT, "--allow", "secret", *globs, "--for", "2h", "--why", "tests of the doors")
    made.serve()
    try:
        yield made
    finally:
        for each in made.opened:
            each.close()
        made.stop()


def eventually(holds: Callable[[], bool]) -> bool:
    """Whether it comes true before long."""
    for _ in range(600):
        if holds():
            return True
        time.sleep(0.1)
    return False
