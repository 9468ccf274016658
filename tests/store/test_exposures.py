"""Which run has seen which version of a secret: counted from the events of its uses, in their transaction."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from githarness import clock
from githarness.audit import line
from githarness.store import events, exposures
from githarness.store.db import Connection, Database
from githarness.store.exposures import Exposure
from githarness.store.rows import EventRow


@pytest.fixture
def conn(tmp_path: Path) -> Iterator[Connection]:
    with Database(tmp_path / "githarness", clock.SYSTEM).write() as opened:
        yield opened


def use(number: int, secret: str, version: int, mode: str, agent: str | None = "bot", human: str | None = None,
        ) -> EventRow:
    fields = {"secret": secret, "version": version, "mode": mode}
    return EventRow(f"e-{number}", float(number), "secret", agent, human, agent and "r-1", safe=line.safe(fields))


def test_uses_of_one_run_are_one_row(conn: Connection) -> None:
    """First and last moment and the count, whatever order the uses come in; another mode is another row."""
    exposures.note(conn, [use(5, "db", 1, "get"), use(3, "db", 1, "get"), use(4, "db", 1, "proxy")])
    exposures.note(conn, [use(9, "db", 1, "get")])
    assert exposures.listed(conn) == [Exposure("db", 1, "bot", "", "r-1", "get", 3.0, 9.0, 3),
                                      Exposure("db", 1, "bot", "", "r-1", "proxy", 4.0, 4.0, 1)]


def test_an_event_may_stand_for_a_crowd(conn: Connection) -> None:
    """The spool makes one event of many alike; they count as many."""
    crowd = {"secret": "db", "version": 1, "mode": "get", "uses": 40}
    exposures.note(conn, [use(1, "db", 1, "get"), EventRow("e-2", 2.0, "secret", "bot", run="r-1",
                                                            safe=line.safe(crowd))])
    assert [row.uses for row in exposures.listed(conn)] == [41]


def test_only_uses_count(conn: Connection) -> None:
    """What was denied, a record that was written, what an upstream answered, and other events expose nothing."""
    denied = EventRow("e-1", 1.0, "denial", "bot", safe=line.safe({"secret": "db", "mode": "get"}))
    kept = EventRow("e-3", 3.0, "secret", human="olive", safe=line.safe({"secret": "db", "version": 1, "what": "set"}))
    answered = use(4, "db", 1, "proxy")._replace(outcome="credential-rejected")
    exposures.note(conn, [denied, kept, answered, EventRow("e-2", 2.0, "read", "bot")])
    assert exposures.listed(conn) == []


def test_a_person_has_no_agent_and_no_run(conn: Connection) -> None:
    """Their uses are one row for each of them, and told apart from every agent's."""
    exposures.note(conn, [use(1, "db", 1, "get", None, "ann"), use(2, "db", 1, "get", None, "ann"),
                          use(3, "db", 1, "get"), use(4, "db", 1, "get", None, "bea")])
    assert [(row.agent, row.human, row.run, row.uses) for row in exposures.listed(conn)] == [
        ("", "bea", "", 1), ("bot", "", "r-1", 1), ("", "ann", "", 2)]


def test_a_new_key_around_a_seen_value_hides_nothing(conn: Connection) -> None:
    """Who saw version 1 has seen version 2 where that is version 1 sealed anew, and not where it is another value."""
    exposures.note(conn, [use(1, "db", 1, "get"), use(2, "api", 1, "get")])
    for number, (secret, what) in enumerate({"db": "rekey", "api": "rotate"}.items(), 3):
        fields = {"secret": secret, "version": 2, "what": what}
        events.add(conn, [EventRow(f"e-{number}", 3.0, "secret", human="olive", safe=line.safe(fields))])
    assert [(row.version, row.uses) for row in exposures.listed(conn, secret="db")] == [(2, 0), (1, 1)]
    assert [row.version for row in exposures.listed(conn, secret="api")] == [1]


def test_rows_are_found_by_secret_agent_and_run(conn: Connection) -> None:
    """The newest version of a secret comes first."""
    exposures.note(conn, [use(1, "db", 1, "get"), use(2, "db", 2, "exec"), use(3, "api", 1, "get", "deployer")])
    assert [row.version for row in exposures.listed(conn, secret="db")] == [2, 1]
    assert [row.secret for row in exposures.listed(conn, agent="deployer", run="r-1")] == ["api"]


def test_added_to_what_was_handed_on_is_nothing_in_the_clear(conn: Connection) -> None:
    """A value that was put into a request or signed with never left."""
    exposures.note(conn, [use(1, "db", 1, "proxy"), use(2, "key", 1, "sign")])
    assert not exposures.any_clear(conn)
    exposures.note(conn, [use(3, "db", 1, "exec")])
    assert exposures.any_clear(conn)


def test_the_ledger_stands_or_falls_with_its_events(tmp_path: Path) -> None:
    """A transaction that fails after both leaves neither."""
    db = Database(tmp_path / "githarness", clock.SYSTEM)
    with pytest.raises(ZeroDivisionError), db.write() as conn:
        events.add(conn, [use(1, "db", 1, "get")])
        exposures.note(conn, [use(1, "db", 1, "get")])
        raise ZeroDivisionError
    with db.read() as conn:
        assert (exposures.listed(conn), events.find(conn, "e-1")) == ([], None)
