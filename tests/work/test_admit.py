"""What an ask of several operations may build on: what its run knows, not what its own earlier operations touched."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from githarness import settings, wiring
from githarness.errors import HarnessError, Unread
from githarness.work.asks import Ask, Op, ReadAsk

RUNBOOK = "runbooks/release.md"


@pytest.fixture
def harness(fleet: Path) -> Iterator[wiring.Harness]:
    made = wiring.open(fleet, settings.load())
    yield made
    made.close()


def ask(*ops: Op, merge: bool = False) -> Ask:
    return Ask("deployer", "r-1", ops, merge=merge)


@pytest.mark.parametrize(
    "then", [Op("write", RUNBOOK, b"mine\n"), Op("delete", RUNBOOK), Op("rename", RUNBOOK, to="b")]
)
@pytest.mark.parametrize("addition", [b"", b"more\n"])
def test_an_append_makes_no_file_a_known_one(harness: wiring.Harness, addition: bytes, then: Op) -> None:
    """After an append, which needs no base, the same ask may not replace, remove or move what its run never read."""
    with pytest.raises(Unread):
        harness.local.write(ask(Op("append", RUNBOOK, addition), then))


def test_a_file_that_was_read_may_be_appended_to_and_replaced_at_once(harness: wiring.Harness) -> None:
    """The run knows all that the append built on."""
    harness.local.read(ReadAsk(RUNBOOK, "deployer", "r-1"))
    harness.local.write(ask(Op("append", RUNBOOK, b"more\n"), Op("write", RUNBOOK, b"mine\n")))
    assert harness.local.read(ReadAsk(RUNBOOK)).content == b"mine\n"


def test_a_merged_result_is_not_known_to_the_ask_that_caused_it(harness: wiring.Harness) -> None:
    """A second write in the ask cannot drop the lines that the merge brought in from another agent."""
    harness.local.read(ReadAsk(RUNBOOK, "deployer", "r-1"))
    harness.local.write(Ask("scribe", "r-2", (Op("append", RUNBOOK, b"by scribe\n"),)))
    ops = (Op("write", RUNBOOK, b"BUILD\ntest\nship\n"), Op("write", RUNBOOK, b"all mine\n"))
    with pytest.raises(HarnessError):
        harness.local.write(ask(*ops, merge=True))
    assert b"by scribe\n" in harness.local.read(ReadAsk(RUNBOOK)).content
