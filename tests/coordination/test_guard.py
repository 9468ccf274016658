"""The guard: who fails again and again, or falls silent, is paused until an operator lets it go on; nobody else is."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from githarness.errors import Paused, Quarantined
from githarness.policy import registry
from githarness.policy.model import Agent, Guard
from githarness.store import stops
from githarness.store.rows import RunRow
from githarness.store.stops import Stop
from githarness.wiring import Harness
from githarness.work import agents, breaker, guard, quarantine, runs
from githarness.work.asks import Ask, Op
from githarness.work.govern import Desk
from tests.conftest import Cli
from tests.coordination.conftest import Table

Reboot = Callable[[str], None]


def desk(harness: Harness) -> Desk:
    return Desk(harness.parts, harness.local, harness.mail, lambda: harness.git)


def run(table: Table, agent: str = "deployer") -> RunRow:
    table.clock.passes(1.0)
    return runs.start(table.harness.parts, agent, head=table.harness.head())


def fail(table: Table, times: int = 1, status: str = "failed", agent: str = "deployer") -> None:
    for _ in range(times):
        row = run(table, agent)
        table.clock.passes(1.0)
        runs.finish(table.harness.parts, row.id, status, note="exit 1")


def stopped(table: Table) -> dict[str, Stop]:
    with table.harness.db.read() as conn:
        return stops.in_force(conn)


def append(table: Table, agent: str = "deployer") -> None:
    table.harness.local.write(Ask(agent, f"r-own-{agent}", (Op("append", "journal", b"x\n"),)))


def test_five_failures_in_a_row_pause_the_agent(table: Table) -> None:
    """Every door is shut to it, with the reason; others go on."""
    fail(table, 4)
    append(table)
    fail(table)
    assert "5 runs in a row failed" in stopped(table)["deployer"].why
    for door in (lambda: append(table), lambda: run(table), lambda: table.set("k")):
        with pytest.raises(Paused, match="5 runs in a row failed") as caught:
            door()
        assert (caught.value.exit_code, caught.value.details["rule"]) == (16, "guard")
    append(table, "scribe")


@pytest.mark.parametrize("between", ["ok", "release"])
def test_they_have_to_be_in_a_row(table: Table, between: str) -> None:
    """A run that goes well, or a release, begins the count anew; one that somebody cancelled does neither."""
    fail(table, 4)
    if between == "ok":
        fail(table, 1, "ok")
    else:
        with table.harness.db.write() as conn:
            stops.release(conn, ["deployer"], table.clock.now())
    fail(table, 4)
    fail(table, 3, "cancelled")
    with table.harness.db.read() as conn:
        assert stopped(table) == {} and len(guard.in_a_row(conn, "deployer", 1000)) == 4
    fail(table)
    assert "deployer" in stopped(table)


@pytest.mark.parametrize("status", ["failed", "timeout"])
def test_the_number_is_the_agents_own(table: Table, status: str) -> None:
    """As its identity file says; 0 is never."""
    agents.guard(desk(table.harness), "deployer", failures=2, silence=None)
    agents.guard(desk(table.harness), "scribe", failures=0, silence=None)
    fail(table, 2, status)
    fail(table, 12, status, "scribe")
    assert stopped(table).keys() == {"deployer"}


def test_release_lets_it_go_on(table: Table) -> None:
    """By an operator; what it was granted before it still has, because nobody took it."""
    fail(table, 5)
    done = quarantine.release(desk(table.harness), ["deployer"])
    assert (done.agents, done.commit, done.grants) == (("deployer",), None, ())
    append(table)
    fail(table, 4)
    assert stopped(table) == {}


def test_what_it_held_is_free(table: Table) -> None:
    """Leases and claims end with the pause."""
    table.acquire()
    fail(table, 5)
    assert table.acquire(who="scribe")["token"]


def test_quarantine_is_more_than_a_pause(table: Table) -> None:
    """An operator's word takes its place; a pause never takes the place of another stop."""
    fail(table, 5)
    quarantine.quarantine(desk(table.harness), ["deployer"], "by hand")
    with pytest.raises(Quarantined):
        append(table)
    with table.harness.db.write() as conn:
        breaker.keep(conn, [Stop("deployer", table.clock.now(), breaker.GUARD, "later")])
    assert stopped(table)["deployer"].why == "by hand"


def test_a_silence_pauses_the_agent(table: Table) -> None:
    """On the boot clock, whatever the wall clock says; not where it beats, has no such setting, or has ended."""
    agents.guard(desk(table.harness), "deployer", failures=None, silence=600)
    quiet, other = run(table), run(table, "scribe")
    table.clock.wall += 86400
    assert guard.watch(table.harness.parts) == []
    table.clock.booted += 599
    assert guard.beat(table.harness.parts, quiet.id)
    table.clock.passes(599)
    assert guard.watch(table.harness.parts) == []
    table.clock.passes(2)
    found = guard.watch(table.harness.parts)
    assert [one.agent for one in found] == ["deployer"] and "was not heard of for 10m" in found[0].why
    assert guard.watch(table.harness.parts) == [] and other.agent not in stopped(table)


def test_a_release_gives_time_to_be_heard_again(table: Table) -> None:
    """The silence of before counts no more, until it is as long again."""
    agents.guard(desk(table.harness), "deployer", failures=None, silence=600)
    run(table)
    table.clock.passes(601)
    assert guard.watch(table.harness.parts)
    quarantine.release(desk(table.harness), ["deployer"])
    assert guard.watch(table.harness.parts) == []
    table.clock.passes(601)
    assert [one.agent for one in guard.watch(table.harness.parts)] == ["deployer"]


def test_crashes_count_as_failures(table: Table) -> None:
    """Five runners that were killed are five failures; each run is closed."""
    for _ in range(5):
        row = run(table)
        with table.harness.db.write() as conn:
            conn.execute("UPDATE runs SET pid = 1, pid_start = 1 WHERE id = ?", (row.id,))
    found = guard.watch(table.harness.parts)
    assert [one.agent for one in found] == ["deployer"]
    with table.harness.db.read() as conn:
        assert [row[0] for row in conn.execute("SELECT DISTINCT status FROM runs")] == ["interrupted"]


def test_a_living_runner_is_left_alone(table: Table) -> None:
    """Control: its process is there."""
    row = runs.start(table.harness.parts, "deployer", head=table.harness.head(), runner=runs.Runner(os.getpid(), ["x"]))
    assert guard.watch(table.harness.parts) == [] and not guard.is_gone(row)


@pytest.mark.parametrize(("text", "good"), [
    ("{failures: 3}", True), ("{silence: 10m}", True), ("{failures: 0, silence: 1h}", True), ("{failures: -1}", False),
    ("{failures: 3.5}", False), ("{silence: 10}", False), ("{failures: 3, more: 1}", False), ("3", False)])
def test_what_the_identity_file_takes(text: str, good: bool) -> None:
    """Anything else and the file does not load, so that no typo turns the guard off."""
    data = f"version: 1\nroles: [writer]\nkeys: []\nguard: {text}\n".encode()
    if good:
        assert registry.parse_agent(data, "a.yaml").guard != Guard() or text == "{failures: 5}"
        return
    with pytest.raises(Exception, match=r"failures|silence|more|guard"):
        registry.parse_agent(data, "a.yaml")


def test_an_identity_file_is_written_as_it_is_read() -> None:
    """The shipped guard is not said."""
    assert b"guard" not in registry.render_agent(Agent("a", ("writer",), ()))
    agent = Agent("a", ("writer",), (), guard=Guard(3, 600))
    assert registry.parse_agent(registry.render_agent(agent), "a.yaml") == agent


@pytest.fixture
def frozen(fleet: Path, tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A runner of deployer, with its command, that is stopped by SIGSTOP."""
    line = ["run", "--agent", "deployer", "--", "sh", "-c", f"echo x > a.md; touch {tmp_path}/up; sleep 3"]
    runner = subprocess.Popen([sys.executable, "-m", "githarness", *line], cwd=fleet, stderr=subprocess.PIPE)
    while not (tmp_path / "up").exists():
        time.sleep(0.02)
    runner.send_signal(signal.SIGSTOP)
    yield runner
    runner.send_signal(signal.SIGCONT)
    runner.wait()


def test_a_frozen_runner_that_wakes_up_lands_nothing(frozen: subprocess.Popen[bytes], cli: Cli, fleet: Path) -> None:
    """It was paused for its silence meanwhile: what its command wrote is kept in its worktree, not on the branch."""
    assert cli("agent", "guard", "deployer", "--silence", "1s", cwd=fleet).code == 0
    for _ in range(200):
        health = cli("--json", "runs", "health", cwd=fleet)
        if any("paused" in one["trouble"] for one in health.json["items"]):
            break
        time.sleep(0.1)
    assert health.code == 1
    frozen.send_signal(signal.SIGCONT)
    said = frozen.communicate()[1]
    assert frozen.returncode == 16 and b"was not heard of" in said and not (fleet / "a.md").exists()
    assert cli("agent", "release", "deployer", cwd=fleet).code == 0
    run = cli("--json", "runs", "list", cwd=fleet).json["items"][0]["run"]
    assert cli("runs", "cancel", run, cwd=fleet).code == 0 and (fleet / "a.md").read_text() == "x\n"


def test_health_shows_the_fleet(cli: Cli, fleet: Path) -> None:
    """All is well; then one agent's runs fail until it is paused, and the exit says so."""
    assert cli("--json", "run", "--agent", "scribe", "--", "true", cwd=fleet).code == 0
    good = cli("--json", "runs", "health", cwd=fleet)
    assert good.code == 0 and good.json["trouble"] == 0
    cli("agent", "guard", "deployer", "--failures", "2", cwd=fleet)
    for _ in range(2):
        cli("run", "--agent", "deployer", "--", "false", cwd=fleet)
    bad = cli("--json", "runs", "health", cwd=fleet)
    one: dict[str, Any] = bad.json["items"][0]
    assert (bad.code, one["agent"], one["failures_in_a_row"]) == (1, "deployer", 2)
    assert one["trouble"] == ["paused", "failed"] and one["stopped"]["by"] == "guard"
    assert bad.json["items"][1]["trouble"] == []
    assert cli("run", "--agent", "deployer", "--retries", "3", "--", "true", cwd=fleet).code == 16
