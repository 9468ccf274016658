"""A fleet with a vault and a policy for it, its daemon in a process of its own, and clients of that."""

from __future__ import annotations

import contextlib
import json
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from githarness import settings, sockets
from githarness.vault import wire
from githarness.vault.client import Client
from tests.conftest import run_cli

CANARY = "canary-5f1d2c7e9a-secret"
POLICY = """\
version: 1
rules:
  - {id: files, effect: allow, actions: [read, write, append, delete, rename]}
  - {id: github, effect: allow, agents: [deployer], actions: [secret], paths: ["github/**", "t1/**"]}
  - {id: prod, effect: require_approval, agents: [deployer], actions: [secret], paths: ["prod/**"]}
"""
SECRETS = {"github/token": ("--mode", "get", "--mode", "exec"), "github/fast": ("--mode", "get", "--audit", "written"),
           "prod/key": ("--mode", "get"), "other/key": ("--mode", "get"),
           "t1/key": ("--mode", "get", "--tier", "T1")}


def value_of(name: str) -> str:
    return f"{CANARY}-{name}"


@pytest.fixture(scope="session")
def _vault_template(_fleet_template: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = shutil.copytree(_fleet_template[0], tmp_path_factory.mktemp("v") / "fleet", symlinks=True)
    data = shutil.copytree(_fleet_template[1], tmp_path_factory.mktemp("d") / "data")
    env = {"XDG_DATA_HOME": str(data)}

    def cli(*words: str, stdin: str = "") -> None:
        done = run_cli(*words, cwd=folder, stdin=stdin, env=env)
        assert done.code == 0, done.err

    cli("write", ".githarness/policies/main.yaml", "--as", "olive", "--if-match", "absent", stdin=POLICY)
    cli("vault", "init")
    for name, terms in SECRETS.items():
        cli("vault", "set", name, *terms, stdin=value_of(name))
    return folder, data


@pytest.fixture
def vaulted(_vault_template: tuple[Path, Path], home: Path, tmp_path: Path) -> Path:
    """A fleet of the test's own with a vault that its keyfile opens."""
    folder, data = _vault_template
    shutil.copytree(data, home / "data", dirs_exist_ok=True)
    (home / "data").chmod(0o700)
    for file in (home / "data").glob("githarness/vault/*/keyslots.json"):
        old = json.loads(file.read_text())
        for slot in old["slots"]:
            slot["file"] = str(file.parent / "keyfile")
        file.write_text(json.dumps(old))
    return shutil.copytree(folder, tmp_path / "fleet", symlinks=True)


class Daemon:
    def __init__(self, folder: Path, **popen: Any) -> None:
        self.folder = folder
        self.git_dir = folder / ".git"
        command = [sys.executable, "-m", "githarness", "--json", "vault", "serve"]
        self.process = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                        **popen)
        assert self.process.stdout and self.process.stderr
        line = self.process.stdout.readline()
        assert line, self.process.stderr.read()
        self.ready = json.loads(line)
        assert "event" in self.ready, self.ready
        self.pid: int = self.ready["pid"]
        self.socket = Path(self.ready["socket"])

    def client(self, agent: str | None = "deployer", run: str | None = "r-one", token: str | None = None) -> Client:
        made = Client(settings.load(), self.git_dir)
        if agent:
            made.hello(agent, run, token)
        return made

    def raw(self) -> socket.socket:
        return sockets.connect(self.socket, 5.0)

    def end(self, number: int = signal.SIGTERM) -> int:
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(60)

    def events(self, kind: str) -> list[dict[str, Any]]:
        """Safe fields, agent and run of what the log has; ends nothing, and waits for what is on its way."""
        return events(self.folder, kind)


def events(folder: Path, kind: str) -> list[dict[str, Any]]:
    with contextlib.closing(sqlite3.connect(folder / ".git/githarness/harness.db")) as conn:
        rows = conn.execute("SELECT safe, agent, run, human FROM events WHERE kind = ? AND safe NOT LIKE '%\"what\"%'"
                            " ORDER BY seq", (kind,)).fetchall()
    return [{**json.loads(safe), "agent": agent, "run": run, "human": human} for safe, agent, run, human in rows]


@pytest.fixture
def start(vaulted: Path) -> Iterator[Callable[..., Daemon]]:
    """Starts the daemon; ended after the test, whose log may not have the canary."""
    running: list[Daemon] = []

    def begin(**popen: Any) -> Daemon:
        running.append(Daemon(vaulted, **popen))
        return running[-1]

    yield begin
    for one in running:
        one.process.kill()
        out, err = one.process.communicate()
        assert CANARY not in out + err


@pytest.fixture
def daemon(start: Callable[..., Daemon]) -> Daemon:
    return start()


def frame(body: bytes = b"", /, **header: Any) -> bytes:
    return wire.head({"id": 1, **header}, len(body)) + body


def answer(raw: socket.socket) -> tuple[dict[str, Any], bytes]:
    """The next answer of a bare socket; EOFError where the daemon hung up."""
    def exactly(size: int) -> bytes:
        data = b""
        while len(data) < size:
            more = raw.recv(size - len(data))
            if not more:
                raise EOFError
            data += more
        return data

    head, size = wire.lengths(exactly(8), wire.ANSWER)
    return json.loads(exactly(head)), exactly(size)


def start_run(folder: Path, agent: str) -> tuple[str, str]:
    """A run for shell scripts, and its token."""
    run = run_cli("runs", "start", "--agent", agent, "--json", cwd=folder).json["run"]
    return run, (folder / ".git/githarness/runs" / run / "token").read_text().strip()


