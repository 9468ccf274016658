"""What the lane says to the index about its own commits is what git says about them (W9)."""

from __future__ import annotations

import json
from pathlib import Path

from githarness import settings, wiring
from githarness.store import commits
from githarness.store.commits import CommitFilter
from githarness.store.rows import CommitRow
from githarness.wiring import Harness
from githarness.work import index
from githarness.work.asks import Ask, Op
from githarness.work.verify import verifier


def content(harness: Harness) -> tuple[list[CommitRow], list[tuple[object, ...]]]:
    """Rows and answers; the paths of an answer in one order, because git does not know the order of an ask."""
    with harness.db.read() as conn:
        answers = conn.execute("SELECT agent, key, commit_oid, answer FROM operations ORDER BY agent, key").fetchall()
        return commits.log(conn, CommitFilter()), [(*known, _sorted(answer)) for *known, answer in answers]


def _sorted(answer: str) -> tuple[object, ...]:
    stored = json.loads(answer)
    return stored["event"], sorted(stored["paths"])


def test_rows_of_the_lane_equal_rebuilt_ones(fleet: Path) -> None:
    """Every kind of change by agents, in groups and alone, with operations, chains, odd subjects and a rename."""
    harness = wiring.open(fleet, settings.load())
    harness.fresh_index()
    asks = [
        Ask("scribe", "r-1", (Op("write", "notes/a.md", b"one\n"),), operation="k1", message="Ümläut\x1b\nand more"),
        Ask("scribe", "r-1", (Op("append", "notes/a.md", b"two\n"), Op("write", "b.sh", b"x", mode="100755")),
            chain=("boss", "planner"), operation="k2"),
        Ask("scribe", "r-1", (Op("write", "notes/e => f", b""),), assisted_by="tool:model"),
        Ask("scribe", "r-1", (Op("rename", "b.sh", to="notes/a => b"),), operation="k3"),
        Ask("deployer", "r-2", (Op("append", "log", b"line"),), message="long " * 1000),
    ]
    results = harness.local.write_group(asks)
    results.append(harness.local.write(Ask("scribe", "r-1", (Op("delete", "notes/e => f"),))))
    assert [getattr(one, "message", "") for one in results] == [""] * 6
    with harness.db.read() as conn:
        assert commits.head(conn) == harness.head()
    before = content(harness)
    index.rebuild(harness.db, harness.reader, harness.head(), verifier(harness.parts))
    assert content(harness) == before
