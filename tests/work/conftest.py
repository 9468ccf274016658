"""Agents at work in the fleet's repository: one in a worktree of its own, another that writes through the ledger."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from githarness import settings, wiring
from githarness.wiring import Harness
from githarness.work import runs
from githarness.work.asks import Ask, Op
from githarness.work.runs import Runner
from tests.work.worker import Worker


@pytest.fixture
def harness(fleet: Path) -> Iterator[Harness]:
    opened = wiring.open(fleet, settings.load())
    yield opened
    opened.close()


@pytest.fixture
def begin(harness: Harness, tmp_path: Path) -> Callable[..., Worker]:
    """`begin("scribe")`: a run of that agent with a worktree at head."""

    def make(agent: str = "deployer") -> Worker:
        row = runs.start(harness.parts, agent, head=harness.head(), runner=Runner(os.getpid(), ["test"]))
        tree = (tmp_path / "trees" / row.id).resolve()
        harness.git.worktree_add(tree, harness.head())
        return Worker(harness, runs.place(harness.parts, row, tree), tree)

    return make


@pytest.fixture
def worker(begin: Callable[..., Worker]) -> Worker:
    return begin()


@pytest.fixture
def other(harness: Harness) -> Callable[..., None]:
    """`other("a.md", "text")`: agent scribe writes through the ledger; None deletes."""

    def write(path: str, content: str | None, *, agent: str = "scribe", run: str = "r-other") -> None:
        entry = harness.reader.entry(harness.head(), path)
        base = entry.oid if entry else "absent"
        data = None if content is None else content.encode()
        op = Op("write" if data is not None else "delete", path, data, if_match=base)
        harness.local.write(Ask(agent, run, (op,)))

    return write
