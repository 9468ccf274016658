"""A process that dies in a write leaves what recovery finishes: `audit verify` tells that from tampering."""

from __future__ import annotations

import subprocess
import sys

import pytest

from githarness.audit.line import Leaf
from githarness.audit.replay import Links

DIES = """
import os, sys
from githarness import settings, wiring
from githarness.work import landing
from githarness.work.asks import Ask, Op

def die(*args, **more):
    os._exit(9)

setattr(landing.refs if sys.argv[2] == "update" else landing, sys.argv[2], die)
harness = wiring.Harness(settings.load(), wiring.discover(__import__("pathlib").Path(sys.argv[1])))
harness.local.write(Ask("deployer", "r-1", (Op("append", "notes.md", b"x"),)))
"""
POINTS = {"update": "failed", "record": "recovered"}  # before the ref moved, and after it


@pytest.fixture(params=POINTS)
def crashed(world, request):
    """A write that died before the ref, or between the ref and its outcome."""
    world.seal()
    done = subprocess.run([sys.executable, "-c", DIES, world.folder, request.param], check=False)
    assert done.returncode == 9
    world.point = request.param
    return world


def test_a_crash_is_no_fault(crashed) -> None:
    """The intent is open and said to be; once the next command has finished it, nothing is left to say."""
    found = crashed.verify()
    assert found.faults == [] and len(found.open) == 1
    crashed.harness.local.recover()
    with crashed.harness.db.read() as conn:
        outcome = conn.execute("SELECT outcome FROM events ORDER BY seq DESC LIMIT 1").fetchone()[0]
    assert outcome == POINTS[crashed.point]
    found = crashed.verify()
    assert (found.faults, found.open, found.notes) == ([], [], [])


def test_an_intent_that_nobody_is_to_finish_is_a_fault(crashed) -> None:
    """The same intent, taken off the list that recovery reads."""
    crashed.edit("DELETE FROM open_intents")
    assert crashed.codes() == {"unlinked"}


def test_an_outcome_that_nobody_had_is_a_fault(crashed) -> None:
    """The list names an intent that is closed already."""
    crashed.edit("INSERT INTO open_intents SELECT id FROM events WHERE kind = 'intent' ORDER BY seq LIMIT 1")
    assert crashed.codes() == {"unlinked"}


def test_a_crash_between_the_ref_of_the_log_and_the_database_is_no_fault(world) -> None:
    """Git has a seal that the database does not know of; the next sealing notes it and goes on from there."""
    world.write()
    world.seal()
    world.edit("UPDATE audit SET sealed = 0, sealed_frontier = x''")
    found = world.verify()
    assert found.faults == [] and "git has" in found.notes[0]
    world.write()
    assert world.seal().events == 2
    assert (world.verify().faults, world.verify().notes) == ([], [])


def test_a_write_that_landed_cannot_be_said_to_have_failed(world) -> None:
    """Its outcome contradicts the branch."""
    links = Links((), frozenset({"c" * 40}))
    intent = Leaf(1, "e-1", 1.0, "intent", "bot", None, None, None, "c" * 40, None, None, "{}", b"")
    links.add(intent)
    links.add(intent._replace(id="e-1.o", kind="outcome", intent="e-1", outcome="failed"))
    assert [fault.code for fault in links.faults] == ["unlinked"]
