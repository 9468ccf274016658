"""A fleet at work with its audit log: events, seals, and a database that anybody can edit."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from githarness import settings, wiring
from githarness.store import events
from githarness.store.rows import EventRow
from githarness.wiring import Harness
from githarness.work import audit_seal, audit_verify
from githarness.work.asks import Ask, Op, Written
from githarness.work.audit_seal import Sealed
from githarness.work.audit_verify import Claims, Verdict

_TRIGGERS = "SELECT name, sql FROM sqlite_master WHERE type = 'trigger'"


class World:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.harness: Harness = wiring.Harness(settings.load(), wiring.discover(folder))

    def write(self, path: str = "notes.md", text: str = "x\n", *, agent: str = "deployer") -> Written:
        return self.harness.local.write(Ask(agent, f"r-{agent}", (Op("append", path, text.encode()),)))

    def record(self, *rows: EventRow) -> None:
        with self.harness.db.write() as conn:
            events.add(conn, rows)

    def fill(self, count: int) -> None:
        """So many events of all kinds."""
        self.record(*(EventRow(f"e-fill{at}", 1e9 + at / 7, ("read", "denial", "tool")[at % 3], "bot", None, "r-1",
                               outcome="denied" if at % 3 == 1 else None, body=f'{{"at":{at}}}',
                               safe=f'{{"paths":["docs/{at}.md"]}}') for at in range(count)))

    def seal(self) -> Sealed:
        return audit_seal.seal(self.harness.parts)

    def verify(self, **claims: str) -> Verdict:
        return audit_verify.verify(self.harness.parts, Claims(**claims))

    def codes(self, **claims: str) -> set[str]:
        return {fault.code for fault in self.verify(**claims).faults}

    @contextmanager
    def tampering(self) -> Iterator[sqlite3.Connection]:
        """The database as somebody with a shell has it: triggers are dropped and put back."""
        self.harness.db.close()
        conn = sqlite3.connect(self.folder / ".git/githarness/harness.db", isolation_level=None)
        triggers = conn.execute(_TRIGGERS).fetchall()
        for name, _ in triggers:
            conn.execute(f"DROP TRIGGER {name}")
        yield conn
        for _, sql in triggers:
            conn.execute(sql)
        conn.close()

    def edit(self, statement: str, *values: object) -> None:
        with self.tampering() as conn:
            assert conn.execute(statement, values).rowcount > 0


@pytest.fixture
def world(fleet: Path) -> Iterator[World]:
    """`world.write()`, `world.seal()`, `world.edit("UPDATE events …")`, `world.codes()`."""
    made = World(fleet)
    yield made
    made.harness.close()


@pytest.fixture
def sealed(world: World) -> World:
    """Three writes and some other events, sealed, and two more that are not."""
    for agent in ("deployer", "scribe", "deployer"):
        world.write(agent=agent)
    world.fill(6)
    world.seal()
    world.write()
    world.record(EventRow("e-tool", 5.0, "tool", "deployer", safe='{"tool":"Bash"}'))
    return world

