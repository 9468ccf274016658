"""A fleet under policy files, on clocks that the test sets, and what agents and people do in it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from githarness import clock, settings
from githarness.git.repo import discover
from githarness.policy.model import Grant
from githarness.store import events
from githarness.store.db import Connection
from githarness.store.rows import EventRow
from githarness.wiring import Harness
from githarness.work import grants
from githarness.work.asks import Ask, Op, ReadAsk
from githarness.work.govern import Desk

ROOT = Path(__file__).resolve().parents[2]
NOW = 1_900_000_000.0  # later than every commit of the template
OPEN = "version: 1\nrules:\n  - {id: all, effect: allow, actions: [read, write, append, delete, rename]%s}\n"


class SetClock(clock.Clock):
    """Wall clock and boot clock, each as the test says."""

    def __init__(self) -> None:
        self.wall = NOW
        self.booted = 1000.0

    def now(self) -> float:
        return self.wall

    def boot(self) -> float:
        return self.booted

    def passes(self, seconds: float) -> None:
        self.wall += seconds
        self.booted += seconds


class Fleet:
    """The repository with agents `deployer` and `scribe`, owner `olive`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clock = SetClock()
        self.harness = self.opened()

    def opened(self) -> Harness:
        return Harness(settings.load(), discover(self.folder), clock=self.clock)

    def reopen(self, *, without_index: bool = False) -> None:
        """As a new process finds it; `without_index`: somebody deleted the database."""
        self.harness.close()
        if without_index:
            for file in self.harness.repo.home.glob("harness.db*"):
                file.unlink()
        self.harness = self.opened()

    @property
    def desk(self) -> Desk:
        return Desk(self.harness.parts, self.harness.local, self.harness.mail, lambda: self.harness.git)

    def policy(self, text: str, name: str = "main") -> None:
        path = f".githarness/policies/{name}.yaml"
        entry = self.harness.reader.entry(self.harness.head(), path)
        op = Op("write", path, text.encode(), if_match=entry.oid if entry else "absent")
        self.harness.local.write_as(Ask("", "r-olive", (op,)), "olive")

    def limited(self, limits: str) -> None:
        self.policy(OPEN % f", limits: {{{limits}}}")

    def append(self, agent: str = "deployer", path: str = "log.md", run: str | None = None,
               chain: tuple[str, ...] = ()) -> None:
        """Raises what the ledger refuses with."""
        self.harness.local.write(Ask(agent, run or f"r-{agent}", (Op("append", path, b"x\n"),), chain=chain))

    def read(self, agent: str = "deployer", path: str = "runbooks/release.md", run: str | None = None) -> None:
        self.harness.local.read(ReadAsk(path, agent, run))

    def grant(self, agent: str = "scribe", allow: Sequence[str] = ("append",), paths: Sequence[str] = ("granted/**",),
              *, seconds: float = 7200, uses: int | None = None) -> Grant:
        wanted = Grant("", agent, tuple(allow), tuple(paths), 0.0, self.clock.wall + seconds, uses, "a test")
        return grants.give(self.desk, wanted)[0]

    def events(self, kind: str) -> list[EventRow]:
        with self.harness.db.read() as conn:
            return found(conn, kind)

    def commits(self, agent: str) -> int:
        """That carry the agent's name, by git alone."""
        command = ["git", "rev-list", "--count", f"--author={agent}@", "main"]
        return int(subprocess.run(command, cwd=self.folder, capture_output=True, check=True).stdout)


def found(conn: Connection, kind: str) -> list[EventRow]:
    ids = [row[0] for row in conn.execute("SELECT id FROM events WHERE kind = ? ORDER BY seq", (kind,))]
    return [row for name in ids if (row := events.find(conn, name))]


@pytest.fixture
def fleet_of(fleet: Path) -> Iterator[Fleet]:
    opened = Fleet(fleet)
    yield opened
    opened.harness.close()


Writers = Callable[..., list[subprocess.Popen[str]]]
WRITER = """\
import sys
from pathlib import Path
from githarness import settings, wiring
from githarness.errors import HarnessError
from githarness.work.asks import Ask, Op
agent, path, most = sys.argv[2:]
harness = wiring.open(Path(sys.argv[1]), settings.load())
print("ready", flush=True)
sys.stdin.readline()
for number in range(int(most)):
    try:
        harness.lane.write(Ask(agent, f"r-{path.replace('/', '-')}", (Op("append", path, b"x\\n"),)))
        print("landed", flush=True)
    except HarnessError as error:
        print(error.code, flush=True)
"""


@pytest.fixture
def writers(fleet: Path) -> Iterator[Writers]:
    """`writers([("deployer", "a.md")], 5)`: processes that each append so often; they wait for a line to begin."""
    running: list[subprocess.Popen[str]] = []

    def make(wanted: Sequence[tuple[str, str]], most: int) -> list[subprocess.Popen[str]]:
        for agent, path in wanted:
            command = [sys.executable, "-c", WRITER, str(fleet), agent, path, str(most)]
            running.append(subprocess.Popen(command, cwd=ROOT, text=True, stdin=subprocess.PIPE,
                                            stdout=subprocess.PIPE))
        for one in running:
            assert one.stdout and one.stdout.readline() == "ready\n"
        return running

    yield make
    for one in running:
        one.kill()
        one.communicate()


def go(running: Sequence[subprocess.Popen[str]]) -> None:
    for one in running:
        assert one.stdin
        one.stdin.write("go\n")
        one.stdin.flush()


def outcomes(running: Sequence[subprocess.Popen[str]]) -> list[str]:
    return [line for one in running for line in one.communicate()[0].split()]


def safe(event: EventRow) -> dict[str, object]:
    fields: dict[str, object] = json.loads(event.safe)
    return fields
