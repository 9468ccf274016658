"""Coordination through a daemon: the same answers and errors as in process, and waiters that it wakes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from githarness import settings, wiring
from githarness.daemon import requests, serve
from githarness.errors import Conflict, Denied, Locked, NotFound, Unavailable, Usage
from githarness.work import channels, handoff, leases, ops, state, tasks
from githarness.work.coordination import Caller
from githarness.work.pause import Pause

ME, OTHER = Caller("deployer", None, "r-deployer"), Caller("scribe", None, "r-scribe")


@pytest.fixture
def served(fleet: Path) -> Iterator[subprocess.Popen[str]]:
    """A daemon of the fleet, listening."""
    command = [sys.executable, "-m", "githarness", "-C", str(fleet), "serve", "--json"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2])
    assert process.stdout and "ready" in process.stdout.readline()
    yield process
    process.kill()
    process.communicate()


@pytest.fixture
def harness(fleet: Path) -> Iterator[wiring.Harness]:
    opened = wiring.open(fleet, settings.load())
    yield opened
    opened.close()


def asks(harness: wiring.Harness) -> int:
    return int(serve.status(harness.settings, harness.repo)["asks"])


def test_verbs_are_carried_out_by_the_daemon(served: Any, harness: wiring.Harness) -> None:
    """With the answer that the same verb has in process."""
    done = harness.table.ask(ME, state.SetAsk("k", '{"a":[1]}'))
    assert asks(harness) == 1
    assert harness.combined.ask(ME, state.GetAsk("k")) == harness.table.ask(ME, state.GetAsk("k")) == done


def test_refusals_are_the_same(served: Any, harness: wiring.Harness) -> None:
    """Their class, message, fix and details."""
    harness.table.ask(ME, leases.AcquireAsk("deploy", 60.0))
    for ask, kind in ((state.SetAsk("k", "1", 7), Conflict), (leases.AcquireAsk("deploy", 60.0), Locked),
                      (tasks.ClaimAsk(), NotFound), (channels.PublishAsk("c", '"x"', "agent-that-is-not"), NotFound)):
        with pytest.raises(kind) as here:
            harness.combined.ask(OTHER, ask)
        with pytest.raises(kind) as there:
            harness.table.ask(OTHER, ask)
        assert there.value.document() == here.value.document()


@pytest.mark.parametrize("name", ops.VERBS)
def test_every_verb_can_be_said_to_a_daemon(name: str) -> None:
    """What it is asked with passes the wire and its types; a key that nobody knows does not."""
    kind = ops.VERBS[name].ask
    some = {"str": "1", "int": 1, "float": 1.5, "Sequence[str]": ("x",)}
    ask = kind(**{field.name: some[field.type.split(" |")[0]] for field in kind.__dataclass_fields__.values()
                  if field.type.split(" |")[0] in some})
    told = ops.named(ask)
    assert ops.of_client(name, ops.named(ME), told) == (ME, ask)
    with pytest.raises(Usage):
        ops.of_client(name, ops.named(ME), {**told, "other": 1})


@pytest.mark.parametrize("values", [
    {"key": 1}, {"key": "k"}, {"key": "k", "value": "1", "if_version": 1 << 64}, [], None,
    {"key": "k", "value": "1", "ttl": True}])
def test_values_of_another_type_are_refused(values: object) -> None:
    """Before a transaction begins."""
    with pytest.raises(Usage):
        ops.of_client("state.set", ops.named(ME), values)


def test_the_daemon_lends_its_keys_to_nobody(served: Any, harness: wiring.Harness) -> None:
    """An agent that gives an operator's name ends no lease and hands on nobody's task; the operator's process does."""
    operator = Caller(None, "olive", "r-olive")
    harness.table.ask(ME, leases.AcquireAsk("deploy", 60.0))
    for ask in (leases.StealAsk("deploy", "because"), handoff.HandoffAsk("t-1", "scribe"), channels.SetAsk("c", 1)):
        asked = requests.Asked(ops.name_of(ask), ops.named(operator), ops.named(ask))
        with pytest.raises(Denied):
            harness._line.ask(lambda number, asked=asked: requests.ask(number, asked))
    assert harness.table.ask(operator, leases.StealAsk("deploy", "because"))["name"] == "deploy"


def test_json_of_a_client_is_kept_as_ours(served: Any, harness: wiring.Harness) -> None:
    """With spaces, or none at all: neither ends the group that it is served in."""
    for given, kept in (('{"b": 1, "a": 2}', {"a": 2, "b": 1}), ("{{{", "{{{")):
        assert harness.table.ask(ME, state.SetAsk("k", given))["value"] == kept
    with pytest.raises(Usage):
        harness.table.ask(ME, state.SetAsk("k", "[" * 200 + "]" * 200))


def woken(harness: wiring.Harness, change: Any) -> float:
    """Seconds from a change until a waiter knew of it."""
    pause = Pause(harness.parts)
    pause.mark()
    at: list[float] = []

    def changes() -> None:
        change()
        at.append(time.monotonic())

    thread = threading.Timer(0.2, changes)
    thread.start()
    assert pause.wait(20.0)
    thread.join()
    return time.monotonic() - at[0]


@pytest.mark.parametrize("how", ["table", "combined"])
def test_the_daemon_wakes_who_waits(served: Any, harness: wiring.Harness, fleet: Path, how: str) -> None:
    """By its own transactions and by those of other processes alike."""
    def change() -> None:
        other = wiring.open(fleet, settings.load())
        (other.table if how == "table" else other.combined).ask(OTHER, state.SetAsk("k", "1"))
        other.close()

    assert woken(harness, change) < 10


def test_a_daemon_that_dies_is_not_missed_by_who_waits(served: Any, harness: wiring.Harness) -> None:
    """The waiter looks for itself from then on, and has missed nothing."""
    def change() -> None:
        os.kill(served.pid, signal.SIGKILL)
        served.wait()
        other = wiring.open(harness.repo.worktree or Path(), settings.load())
        other.combined.ask(OTHER, state.SetAsk("k", "1"))
        other.close()

    woken(harness, change)


def test_waiting_for_a_lease_ends_when_it_is_free(served: Any, harness: wiring.Harness) -> None:
    """Through the daemon from end to end."""
    held = harness.table.ask(OTHER, leases.AcquireAsk("deploy", 60.0))
    threading.Timer(0.3, lambda: harness.table.ask(OTHER, leases.ReleaseAsk(str(held["lease"])))).start()
    ask = leases.AcquireAsk("deploy", 60.0, waiter=os.getpid())
    found = leases.wait_for(harness.parts, ME, ask, harness.table.ask, wait=20.0)
    assert int(str(found["token"])) > int(str(held["token"]))


def test_what_got_lost_is_repeated_only_where_that_is_safe(served: Any, harness: wiring.Harness) -> None:
    """A stopped daemon that is killed with a request in hand: a renewal is done here, a publication is not known."""
    lease = harness.table.ask(ME, leases.AcquireAsk("deploy", 60.0))
    harness.table.ask(ME, channels.PublishAsk("c", '"x"'))
    os.kill(served.pid, signal.SIGSTOP)
    threading.Timer(0.3, served.kill).start()
    with pytest.raises(Unavailable) as caught:
        harness.table.ask(ME, channels.PublishAsk("c", '"x"'))
    assert caught.value.details["outcome"] == "unknown"
    assert harness.table.ask(ME, leases.RenewAsk(str(lease["lease"])))["token"] == lease["token"]


def test_a_wait_is_bounded(served: Any, harness: wiring.Harness) -> None:
    """The daemon answers with the same mark when the time is over; without a mark at once."""
    bell = harness.parts.bell
    assert bell
    mark = bell.changed(None, 0.0)
    assert mark is not None and bell.changed(mark, 0.1) == mark
