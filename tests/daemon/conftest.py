"""A daemon process over a fake ledger, clients of it, and bare sockets that speak frames."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from githarness import settings, sockets
from githarness.daemon import answers, place, requests
from githarness.daemon.client import Line, RemoteLane
from githarness.frames import ANSWER, Cutter
from githarness.git.repo import Repo, discover
from tests.fakes import FakeLane

HERE = Path(__file__).resolve().parent


class Daemon:
    def __init__(self, repo: Repo, wish: dict[str, Any], **popen: Any) -> None:
        self.repo = repo
        command = [sys.executable, str(HERE / "fake_daemon.py"), str(repo.common_dir), json.dumps(wish)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **popen)
        self.socket = Path(self.next("ready"))

    def next(self, kind: str) -> Any:
        assert self.process.stdout and self.process.stderr
        for line in self.process.stdout:
            said = json.loads(line)
            if said[0] == kind:
                return said[1]
        raise AssertionError(f"no '{kind}' came: {self.process.stderr.read()}")

    def end(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(60)


@pytest.fixture
def place_of(repo: Path) -> Repo:
    return discover(repo)


@pytest.fixture
def daemon(place_of: Repo) -> Iterator[Callable[..., Daemon]]:
    """`daemon(delay=0.1, limits={"queue": 2}, at="written")`: one that is ready."""
    made: list[Daemon] = []

    def start(**wish: Any) -> Daemon:
        made.append(Daemon(place_of, wish))
        return made[-1]

    yield start
    for one in made:
        one.process.kill()
        one.process.communicate()


@pytest.fixture
def fallback(place_of: Repo) -> FakeLane:
    """The lane in process: another adapter of the same journal, so that it shows how often it was used."""
    return FakeLane(place_of.common_dir / "fake")


@pytest.fixture
def lane(place_of: Repo, fallback: FakeLane) -> Iterator[RemoteLane]:
    line = Line(settings.load(), place_of)
    yield RemoteLane(line, lambda: fallback)
    line.close()


class Wire:
    """A client that says what a test wants, well-formed or not."""

    def __init__(self, path: Path, repo: Repo, *, greet: bool = True) -> None:
        self.socket = sockets.connect(path, 10.0)
        self.cutter = Cutter(ANSWER)
        if greet:
            self.send(requests.hello(1, place.repository(repo)))
            assert self.answer().kind == "hello"

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def answer(self) -> answers.Answer:
        while True:
            frame = self.cutter.next()
            if frame:
                return answers.parse(frame)
            data = self.socket.recv(1 << 16)
            if not data:
                return answers.Answer(0, "end", None)
            self.cutter.feed(data)

    def bye(self) -> str:
        """Why the daemon ended the connection; it has to be the end."""
        found = self.answer()
        assert found.kind == "bye", found
        assert self.answer().kind == "end"
        return found.what.message  # type: ignore[union-attr]


@pytest.fixture
def wire(place_of: Repo) -> Iterator[Callable[..., Wire]]:
    made: list[Wire] = []

    def connect(daemon: Daemon, **how: Any) -> Wire:
        made.append(Wire(daemon.socket, place_of, **how))
        return made[-1]

    yield connect
    for one in made:
        one.socket.close()


