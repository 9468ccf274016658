"""A governed repository with four agents, writers as processes, and the checker over what they left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.consistency import checker

HERE = Path(__file__).parent
ROOT = HERE.parent.parent


@dataclass
class Field:
    """Writers of every `start` append to histories of their own; `check` reads them all."""

    repo: Path
    history: Path
    running: list[subprocess.Popen[bytes]] = field(default_factory=list)
    daemon: subprocess.Popen[str] | None = None

    def environ(self) -> dict[str, str]:
        return {**os.environ, "PYTHONPATH": str(ROOT)}

    def start(self, writers: int, each: int, seed: int, writer: str = "githarness") -> None:
        for number in range(writers):
            args = [
                str(HERE / "client.py"),
                str(self.repo),
                str(self.history),
                str(number),
                str(each),
                str(seed),
                writer,
            ]
            self.running.append(
                subprocess.Popen([sys.executable, *args], env=self.environ(), stderr=subprocess.DEVNULL)
            )

    def wait(self, seconds: float = 300) -> None:
        end = time.monotonic() + seconds
        for one in self.running:
            one.wait(max(0.1, end - time.monotonic()))
        self.running.clear()

    def until(self, acknowledged: int, seconds: float = 60) -> None:
        """Waits for so many acknowledgements in all: a slow machine must not make a test of nothing."""
        end = time.monotonic() + seconds
        while self.acknowledged() < acknowledged and time.monotonic() < end:
            time.sleep(0.05)

    def kill(self) -> None:
        for one in self.running:
            one.kill()
        self.wait()

    def serve(self) -> None:
        command = [sys.executable, "-m", "githarness", "serve", "--json"]
        self.daemon = subprocess.Popen(command, cwd=self.repo, env=self.environ(), stdout=subprocess.PIPE, text=True)
        assert self.daemon.stdout
        assert "ready" in self.daemon.stdout.readline()

    def stop(self, number: int = signal.SIGTERM) -> None:
        if self.daemon is not None:
            self.daemon.send_signal(number)
            self.daemon.wait(120)
            if self.daemon.stdout:
                self.daemon.stdout.close()
            self.daemon = None

    def check(self, **options: bool) -> list[str]:
        return checker.check(self.repo, checker.load(self.history), **options)

    def acknowledged(self) -> int:
        return sum(one["result"] == "ok" for one in checker.load(self.history))

    def write_once_more(self, operation: str = "afterwards") -> None:
        """W10: the next write needs nobody's help; W11 and W9: files and index are as git says."""
        code = (
            "import sys, githarness\nwith githarness.open(sys.argv[1]) as h:\n"
            "    me = h.agent('agent-0', run='r-after-' + sys.argv[2])\n"
            "    me.append('after.txt', sys.argv[2], operation=sys.argv[2])"
        )
        command = [sys.executable, "-c", code, str(self.repo), operation]
        done = subprocess.run(command, env=self.environ(), capture_output=True, text=True, check=False, timeout=120)
        assert done.returncode == 0, done.stderr[-2000:]
        assert checker.git(self.repo, "status", "--porcelain") == b"", checker.git(self.repo, "diff", "HEAD").decode()
        assert not list((self.repo / ".git/objects/pack").glob("*.keep"))
        assert not (self.repo / ".git/index.lock").exists()
        assert not (self.repo / ".git/refs/heads/main.lock").exists()


@pytest.fixture
def ground(make_repo: Callable[..., Path], cli: Callable[..., object], tmp_path: Path) -> Iterator[Field]:
    repo = make_repo(20)
    for args in (["init", "--fleet", "acme"], *(["agent", "add", f"agent-{number}"] for number in range(4))):
        assert cli(*args, cwd=repo).code == 0  # type: ignore[attr-defined]
    history = tmp_path / "history"
    history.mkdir()
    made = Field(repo, history)
    yield made
    made.kill()
    made.stop(signal.SIGKILL)
