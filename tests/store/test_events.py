"""Events are only ever added; an intent is open until its outcome is there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from githarness import clock
from githarness.errors import Internal
from githarness.store import events
from githarness.store.db import Database
from githarness.store.rows import EventRow

INTENT = EventRow("e-1", 1.5, "intent", "bot", "olive", "r-1", "op", "c" * 40, None, None, '{"paths":[]}')
OUTCOME = EventRow("e-1.o", 2.5, "outcome", "bot", intent="e-1", outcome="landed")


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    database = Database(tmp_path / "githarness", clock.SYSTEM)
    yield database
    database.close()


def test_an_event_comes_back_as_it_was(db: Database) -> None:
    """Every field; the database gives the number."""
    with db.write() as conn:
        events.add(conn, iter([INTENT, EventRow("e-2", 1.0, "read")]))
    with db.read() as conn:
        assert events.find(conn, "e-1") == INTENT._replace(seq=1)
        assert events.find(conn, "e-2") == EventRow("e-2", 1.0, "read", seq=2)
        assert events.find(conn, "e-3") is None


def test_an_intent_is_open_until_its_outcome(db: Database) -> None:
    """Recovery finds exactly the intents that nobody closed, oldest first."""
    with db.write() as conn:
        events.add(conn, [INTENT._replace(id="e-9"), INTENT, EventRow("e-2", 1.0, "denial")])
        assert events.any_open(conn) and [one.id for one in events.open_intents(conn)] == ["e-9", "e-1"]
        events.close(conn, iter([OUTCOME]))
        assert [one.id for one in events.open_intents(conn)] == ["e-9"]
        events.close(conn, [OUTCOME._replace(id="e-9.o", intent="e-9", outcome="recovered")])
        assert not events.any_open(conn) and events.open_intents(conn) == []


@pytest.mark.parametrize("statement", ["DELETE FROM events", "UPDATE events SET outcome = 'landed'"])
def test_nothing_takes_an_event_back(db: Database, statement: str) -> None:
    """The database itself refuses to delete or change what was recorded."""
    with db.write() as conn:
        events.add(conn, [INTENT])
    with pytest.raises(Internal, match="events are never"), db.write() as conn:
        conn.execute(statement)
    with db.read() as conn:
        assert events.find(conn, "e-1") == INTENT._replace(seq=1)
