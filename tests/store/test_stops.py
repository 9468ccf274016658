"""Who is stopped and what ends: rows that later ones do not soften."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from githarness import clock
from githarness.store import stops
from githarness.store.db import Connection, Database
from githarness.store.stops import Stop


@pytest.fixture
def conn(tmp_path: Path) -> Iterator[Connection]:
    with Database(tmp_path / "githarness", clock.SYSTEM).write() as opened:
        yield opened


def test_a_stop_is_in_force_until_it_is_released(conn: Connection) -> None:
    """The reason that came first stays; after a release the agent can be stopped again."""
    stops.put(conn, [Stop("bot", 1.0, "breaker", "denials")])
    stops.put(conn, [Stop("bot", 2.0, "human:olive", "asked")])
    assert stops.in_force(conn) == {"bot": Stop("bot", 1.0, "breaker", "denials")}
    stops.release(conn, ["bot", "other"], 3.0)
    assert (stops.in_force(conn), stops.released(conn, "bot"), stops.released(conn, "other")) == ({}, 3.0, 3.0)
    stops.put(conn, [Stop("bot", 4.0, "limit", "writes")])
    assert stops.in_force(conn)["bot"].since == 4.0


def test_an_end_belongs_to_one_boot(conn: Connection) -> None:
    """What this boot knows is not moved; the next boot begins anew."""
    stops.put_ends(conn, "boot-1", {"grant:g-1": 10.0})
    stops.put_ends(conn, "boot-1", {"grant:g-1": 99.0})
    assert stops.ends(conn, "boot-1") == {"grant:g-1": 10.0}
    stops.put_ends(conn, "boot-2", {"grant:g-1": 5.0})
    assert (stops.ends(conn, "boot-1"), stops.ends(conn, "boot-2")) == ({}, {"grant:g-1": 5.0})
