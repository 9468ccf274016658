"""Who acted on whose behalf, in `log --chain` and `rollback --with-delegates`: proven links and asserted ones."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from githarness.wiring import Harness
from githarness.work import rollback, runs
from githarness.work.asks import Ask, Op
from githarness.work.rollback_select import Selection
from githarness.work.runs import Cause


class Deeds(NamedTuple):
    outer: str  # a run of lead
    commits: dict[str, str]


@pytest.fixture
def deeds(harness: Harness, cli: Any, fleet: Path) -> Deeds:
    """lead has deployer begin scribe (proven); scribe also claims to act for lead, acts alone, and for another run."""
    cli("agent", "add", "lead", cwd=fleet)

    def begin(agent: str, by: str) -> str:
        cause = Cause(by, runs.token_of(harness.repo, by))
        return runs.start(harness.parts, agent, head=harness.head(), cause=cause).id

    def write(agent: str, run: str, path: str, chain: tuple[str, ...] = ()) -> str:
        op = Op("write", path, b"x\n", if_match="absent")
        return harness.local.write(Ask(agent, run, (op,), chain=chain)).commit or ""

    outer = runs.start(harness.parts, "lead", head=harness.head()).id
    second = runs.start(harness.parts, "lead", head=harness.head()).id
    middle = begin("deployer", outer)
    made = {"own": write("lead", outer, "own.md"), "deep": write("scribe", begin("scribe", middle), "deep.md"),
            "asserted": write("scribe", "r-claims", "asserted.md", ("lead",)),
            "alone": write("scribe", "r-alone", "alone.md"),
            "other": write("scribe", begin("scribe", second), "other.md")}
    return Deeds(outer, made)


@pytest.mark.parametrize(("agent", "names"), [
    ("lead", ["own", "deep", "asserted", "other"]),
    ("deployer", ["deep"]),
    ("scribe", ["deep", "asserted", "alone", "other"]),
])
def test_the_log_follows_chains(deeds: Deeds, cli: Callable[..., Any], fleet: Path, agent: str, names: list[str],
                                ) -> None:
    """G78: what an agent had others do is found under its name, over any number of links, proven or asserted."""
    items = cli("log", "--agent", agent, "--chain", "--json", cwd=fleet).json["items"]
    assert [item["commit"] for item in reversed(items)] == [deeds.commits[name] for name in names]


def test_a_rollback_takes_delegates_along(deeds: Deeds, harness: Harness) -> None:
    """G94: what was done on its behalf goes, what the same agents did otherwise stays."""
    alone = rollback.rollback(harness, Selection(agent="lead"), dry_run=True)
    assert set(alone.reverted) == {deeds.commits["own"]}
    done = rollback.rollback(harness, Selection(agent="lead", with_delegates=True))
    assert set(done.reverted) == {deeds.commits[name] for name in ("own", "deep", "asserted", "other")}
    assert [path for path, _ in harness.reader.files(harness.head()) if path.count("/") == 0
            and path.endswith(".md")] == ["alone.md"]


def test_a_run_takes_along_what_it_is_proven_to_have_caused(deeds: Deeds, harness: Harness) -> None:
    """Of one run only what its own children did, by their records: a claim names an agent and no run."""
    done = rollback.rollback(harness, Selection(run=deeds.outer, with_delegates=True), dry_run=True)
    assert set(done.reverted) == {deeds.commits["own"], deeds.commits["deep"]}


def test_a_middle_link_takes_what_is_below_it(deeds: Deeds, harness: Harness) -> None:
    """Not what the agent above it did."""
    done = rollback.rollback(harness, Selection(agent="deployer", with_delegates=True), dry_run=True)
    assert set(done.reverted) == {deeds.commits["deep"]}
