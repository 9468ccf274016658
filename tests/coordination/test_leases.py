"""Leases: one holder at a time, tokens that only grow, an end by the boot clock alone, turns in the order of asking."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from threading import Thread

import pytest

from githarness import clock
from githarness.errors import BadPath, Denied, LeaseLost, Locked, NotFound, Usage
from githarness.store import fences
from githarness.store.stops import Stop
from githarness.work import breaker, lease_holder, leases, runs
from githarness.work.asks import Ask, Op
from githarness.work.leases import AcquireAsk, LeaveAsk, ListAsk, StealAsk
from tests.conftest import Cli
from tests.coordination.conftest import Table

Reboot = Callable[[str], None]


def test_one_holds_it_at_a_time(table: Table) -> None:
    """The other is told who, and until when."""
    table.acquire()
    with pytest.raises(Locked) as caught:
        table.acquire(who="scribe")
    assert caught.value.details["agent"] == "deployer"
    with pytest.raises(Locked):
        table.acquire()  # not even its holder a second time: two processes of one run would both have it


def test_tokens_grow_whatever_happens(table: Table, reboot: Reboot) -> None:
    """Over releases, ends, other names and starts of the machine."""
    tokens = [table.acquire(ttl=5.0)["token"]]
    table.clock.booted += 6
    lease = table.acquire(who="scribe")
    table.release(lease, "scribe")
    tokens += [lease["token"], table.acquire()["token"], table.acquire("other")["token"]]
    reboot("b2")
    tokens.append(table.acquire()["token"])
    assert tokens == sorted(set(tokens))


def test_tokens_grow_over_a_power_cut(table: Table, reboot: Reboot) -> None:
    """What a power cut takes back are transactions that were not on disk; tokens given in them are not given again."""
    table.acquire("first")
    with table.harness.db.read() as conn:
        before = conn.execute("SELECT * FROM fences").fetchone()
    given = [table.acquire(f"n{number}")["token"] for number in range(50)]
    with table.harness.db.write() as conn:  # back to what was on disk
        conn.execute("DROP TRIGGER fences_grow")
        conn.execute("UPDATE fences SET boot = ?, last = ?, reserved = ?", before[1:])
        conn.execute("DELETE FROM leases WHERE name LIKE 'n%'")
    reboot("b2")
    assert table.acquire("n0")["token"] > max(given)


def test_what_is_reserved_is_on_disk_before_a_token_is_given(table: Table) -> None:
    """The transaction that reserves is synchronised; those between are not."""
    durable = []
    for _ in range(3):
        table.release(table.acquire())
        durable.append(table.harness.db.lasts)
    with table.harness.db.write() as conn:
        conn.execute("UPDATE fences SET last = reserved")
    lease = table.acquire()
    assert durable == [False] * 3 and table.harness.db.lasts
    assert lease["token"] == fences.BLOCK + 1


@pytest.mark.parametrize("jump", [-1e6, 1e6])
def test_a_live_holder_keeps_it_over_a_clock_that_is_set(table: Table, jump: float) -> None:
    """The wall clock decides nothing."""
    lease = table.acquire(ttl=60.0)
    table.clock.wall += jump
    with pytest.raises(Locked):
        table.acquire(who="scribe")
    assert table.renew(lease)["token"] == lease["token"]


@pytest.mark.parametrize("space", [0, 1])
def test_a_holder_that_is_not_seen_keeps_it_for_its_time(table: Table, space: int) -> None:
    """A process of another PID namespace, or of none that is known, looks dead from here, or like another."""
    table.acquire(ttl=60.0, pid=os.getpid(), pid_start=1, pid_space=space)
    with pytest.raises(Locked):
        table.acquire(who="scribe")
    table.clock.booted += 60
    assert table.acquire(who="scribe")["agent"] == "scribe"


def holder() -> subprocess.Popen[bytes]:
    return subprocess.Popen(["sleep", "600"])


def held_by(process: subprocess.Popen[bytes]) -> dict[str, int]:
    return {"pid": process.pid, "pid_start": clock.process_start(process.pid), "pid_space": lease_holder.namespace()}


@pytest.mark.parametrize("name", ["deploy", "path:runbooks/*.md"])
@pytest.mark.parametrize("reaped", [True, False])
def test_a_lease_ends_with_its_process(table: Table, name: str, reaped: bool) -> None:
    """Killed, though nobody has taken its exit code yet: what else knows the lease holds nothing any more."""
    with holder() as process:
        lease = table.acquire("path:runbooks/**" if name != "deploy" else name, **held_by(process))
        with pytest.raises(Locked):
            table.acquire(name, "scribe")
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        if reaped:
            process.wait()
        if name != "deploy":
            write(table, "scribe")
        assert table.acquire(name, "scribe")["token"] > lease["token"]
    with pytest.raises(LeaseLost):
        table.renew(lease)


def test_a_process_id_that_was_given_again_holds_nothing(table: Table) -> None:
    """It is told apart by its start time."""
    table.acquire(pid=os.getpid(), pid_start=1, pid_space=lease_holder.namespace())
    assert table.acquire(who="scribe")["agent"] == "scribe"


def test_who_waits_for_a_killed_holder_has_it_at_once(fleet: Path, cli: Cli) -> None:
    """By the commands: the waiter need not wait for the five minutes."""
    with holder() as process:
        cli("lease", "acquire", "deploy", "--agent", "deployer", "--pid", str(process.pid), cwd=fleet)
        command = [sys.executable, "-m", "githarness", "-C", str(fleet), "lease", "acquire", "deploy", "--agent",
                   "scribe", "--wait", "1m"]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as waiting:
            while not _waiters(fleet):
                time.sleep(0.05)
            process.kill()
            assert waiting.wait(40) == 0


def _waiters(fleet: Path) -> int:
    with contextlib.closing(sqlite3.connect(fleet / ".git/githarness/harness.db")) as conn:
        return int(conn.execute("SELECT count(*) FROM lease_waits").fetchone()[0])


def test_a_start_of_the_machine_frees_it(table: Table, reboot: Reboot) -> None:
    """Whoever held it is gone; its lease is good for nothing."""
    lease = table.acquire(ttl=1e5)
    reboot("b2")
    table.acquire(who="scribe")
    with pytest.raises(LeaseLost):
        table.renew(lease)


@pytest.mark.parametrize("verb", ["renew", "release"])
def test_only_its_holder_renews_and_releases(table: Table, verb: str) -> None:
    """Knowing the lease is not enough, and one that has ended is lost also where nobody else took it."""
    lease = table.acquire(ttl=10.0)
    with pytest.raises(Denied):
        getattr(table, verb)(lease, "scribe")
    table.clock.booted += 10
    with pytest.raises(LeaseLost):
        getattr(table, verb)(lease)


def test_a_renewed_lease_ends_later(table: Table) -> None:
    """From now on, as long as at first."""
    lease = table.acquire(ttl=10.0)
    table.clock.booted += 9
    table.renew(lease)
    table.clock.booted += 9
    with pytest.raises(Locked):
        table.acquire(who="scribe")


def test_only_an_operator_steals(table: Table) -> None:
    """With a reason, and what its holder does with it afterwards is refused."""
    lease = table.acquire()
    with pytest.raises(Denied):
        table.ask(StealAsk("deploy", "mine"), "scribe")
    with pytest.raises(Usage):
        table.ask(StealAsk("deploy", " "), "olive")
    table.ask(StealAsk("deploy", "its host is gone"), "olive")
    assert table.acquire(who="scribe")["token"] > lease["token"]
    with pytest.raises(LeaseLost):
        table.renew(lease)
    with pytest.raises(NotFound):
        table.ask(StealAsk("nobody", "why"), "olive")


def test_who_may_not_have_it_is_told_how_to_wait(table: Table) -> None:
    """With the name that was asked for, so that the line can be pasted."""
    table.acquire("path:docs/**")
    with pytest.raises(Locked) as caught:
        table.acquire("path:docs/**", who="scribe")
    assert caught.value.fix == "githarness lease acquire 'path:docs/**' --wait 1m"


def test_who_is_quarantined_holds_nothing(table: Table) -> None:
    """All in one step; others need not wait for the time."""
    table.acquire()
    with table.harness.db.write() as conn:
        breaker.keep(conn, [Stop("deployer", 1.0, "human:olive", "a test")])
    assert table.acquire(who="scribe")["agent"] == "scribe"


def test_turns_are_in_the_order_of_asking(table: Table) -> None:
    """Who came later does not pass who waits, and who only looks in does not pass either."""
    lease = table.acquire()
    first = table.ask(_patient(table), "scribe")["ticket"]
    second = table.ask(_patient(table), "deployer")["ticket"]
    table.release(lease)
    with pytest.raises(Locked):
        table.acquire()
    assert table.ask(_patient(table, second))["ticket"] == second
    assert table.ask(_patient(table, first), "scribe")["lease"]


def test_who_does_not_come_in_its_turn_is_passed(table: Table) -> None:
    """A waiter that sleeps holds up nobody for longer than its turn, and queues again when it wakes up."""
    lease = table.acquire()
    first, second = (table.ask(_patient(table), who)["ticket"] for who in ("scribe", "deployer"))
    table.release(lease)
    table.clock.booted += leases.TURN
    assert table.ask(_patient(table, second))["lease"]
    assert table.ask(_patient(table, first), "scribe")["ticket"] > second


def test_a_dead_waiter_is_no_waiter(table: Table) -> None:
    """Its process is gone, or its id is another's now, or its time is over."""
    lease = table.acquire()
    for start, until in ((1, 1e9), (_start(), table.clock.booted - 1)):
        ask = AcquireAsk("deploy", 60.0, patient=True, waiter=os.getpid(), waiter_start=start, until_boot=until)
        table.ask(ask, "scribe")
    table.release(lease)
    assert table.acquire()["lease"]


def _start() -> int:
    return clock.process_start(os.getpid())


def _patient(table: Table, ticket: int | None = None) -> AcquireAsk:
    return AcquireAsk("deploy", 60.0, patient=True, ticket=ticket, waiter=os.getpid(), waiter_start=_start(),
                      until_boot=table.clock.booted + 100)


def test_a_waiter_is_woken(table: Table) -> None:
    """By a release of another connection, at any moment between its question and its wait."""
    lease = table.acquire()
    got: list[object] = []

    def wait() -> None:
        ask = AcquireAsk("deploy", 60.0, waiter=os.getpid(), waiter_start=_start())
        got.append(leases.wait_for(table.harness.parts, table.caller("scribe"), ask, table.harness.combined.ask,
                                   wait=30.0)["agent"])

    waiting = Thread(target=wait)
    waiting.start()
    table.release(lease)
    waiting.join(20)
    assert got == ["scribe"]


def test_who_gives_up_leaves_the_queue(table: Table) -> None:
    """Its ticket is gone: nobody waits for it."""
    table.acquire()
    with pytest.raises(Locked):
        leases.wait_for(table.harness.parts, table.caller("scribe"), AcquireAsk("deploy", 60.0, waiter=os.getpid(),
                        waiter_start=_start()), table.harness.combined.ask, wait=0.05)
    with table.harness.db.read() as conn:
        assert conn.execute("SELECT count(*) FROM lease_waits").fetchone() == (0,)


@pytest.mark.parametrize("ticket", [0, 1])
def test_a_ticket_is_its_runs_own(table: Table, ticket: int) -> None:
    """Nobody gets in front by naming another's, or one from before all, and nobody takes another's away."""
    lease = table.acquire()
    first = AcquireAsk("deploy", 60.0, patient=True, until_boot=table.clock.booted + 60)
    assert table.ask(first, "scribe")["ticket"] == 1
    table.ask(LeaveAsk(1), "deployer", "r-other")
    table.release(lease)
    assert "lease" not in table.ask(replace(first, ticket=ticket), "deployer", "r-other")
    assert table.ask(replace(first, ticket=1), "scribe")["lease"]


@pytest.mark.parametrize(("one", "other", "both"), [
    ("path:runbooks/**", "path:runbooks/a.md", False), ("path:a/*.md", "path:*/x.md", False),
    ("path:a/**", "path:b/**", True), ("path:a/**", "a", True)])
def test_leases_on_artifacts_do_not_overlap(table: Table, one: str, other: str, both: bool) -> None:
    """Two globs that one path matches are one thing to hold."""
    table.acquire(one)
    if both:
        assert table.acquire(other, "scribe")["lease"]
    else:
        with pytest.raises(Locked):
            table.acquire(other, "scribe")


def test_a_glob_that_takes_long_to_compare_is_refused(table: Table) -> None:
    """Everybody would wait while it is compared with what others have leased."""
    table.acquire("path:" + "*a" * 8)
    with pytest.raises(Usage):
        table.acquire("path:" + "*b" * 9)


def write(
    table: Table, who: str, path: str = "runbooks/x.md", lease: str | None = None, run: str | None = None,
) -> None:
    table.harness.local.write(Ask(who, run or f"r-{who}", (Op("append", path, b"x\n"),), lease=lease))


def test_what_others_lease_is_not_written(table: Table) -> None:
    """With the holder in the details; the holder itself, and who has the lease, go on."""
    lease = table.acquire("path:runbooks/**")
    write(table, "deployer")
    write(table, "deployer", run="r-another", lease=lease["lease"])
    write(table, "scribe", "notes.md")
    for who, run in (("scribe", None), ("deployer", "r-third")):
        with pytest.raises(Locked) as caught:
            write(table, who, run=run)
        assert caught.value.details["agent"] == "deployer"
    table.release(lease)
    write(table, "scribe")


def test_a_write_with_an_old_lease_is_refused(table: Table) -> None:
    """A holder that slept through its time changes nothing, whoever has it now."""
    lease = table.acquire(ttl=10.0)["lease"]
    write(table, "deployer", "n.md", lease)
    with pytest.raises(Denied):
        write(table, "scribe", "n.md", lease)
    table.clock.booted += 10
    head = table.harness.head()
    with pytest.raises(LeaseLost):
        write(table, "deployer", "n.md", lease)
    assert table.harness.head() == head


def test_a_commit_by_hand_hears_of_it(table: Table, cli: Cli) -> None:
    """The pre-commit check names the holder; it says nothing to the holder."""
    assert cli("lease", "acquire", "path:runbooks/**", "--agent", "deployer", cwd=table.folder).code == 0
    (table.folder / "runbooks/new.md").write_text("x\n")
    subprocess.run(["git", "add", "-A"], cwd=table.folder, check=True)
    command = [sys.executable, "-m", "githarness.checks.policy"]
    for agent, code in ((None, 1), ("deployer", 0), ("scribe", 1)):
        env = os.environ | ({"GITHARNESS_AGENT": agent} if agent else {})
        done = subprocess.run(command, cwd=table.folder, env=env, capture_output=True, text=True, check=False)
        assert done.returncode == code, done.stdout
        assert code == 0 or "leased by agent 'deployer'" in done.stdout


@pytest.mark.parametrize(("name", "error"), [("", BadPath), ("a\nb", BadPath), ("../x", BadPath),
                                             ("path:../x", Usage), ("path:", Usage)])
def test_a_name_is_like_a_path(table: Table, name: str, error: type[Exception]) -> None:
    """So that policies can name it."""
    with pytest.raises(error):
        table.acquire(name)


@pytest.mark.parametrize("ttl", [0.0, -1.0, 1e9, float("nan")])
def test_a_lease_has_an_end(table: Table, ttl: float) -> None:
    """Seven days at most."""
    with pytest.raises(Usage):
        table.acquire(ttl=ttl)


def test_what_ended_long_ago_is_forgotten(table: Table) -> None:
    """Names that are used once do not pile up."""
    for number in range(5):
        table.acquire(f"n{number}", ttl=1.0)
    table.clock.booted += 10_000
    with table.harness.db.write() as conn:
        conn.execute("UPDATE fences SET last = 1023")
    table.acquire("now")
    with table.harness.db.read() as conn:
        assert [row[0] for row in conn.execute("SELECT name FROM leases")] == ["now"]


def test_the_commands(fleet: Path, cli: Cli) -> None:
    """As CLI.md says: the fields, and exit codes 12, 10 and 14."""
    done = cli("lease", "acquire", "deploy", "--agent", "deployer", "--ttl", "5m", "--json", cwd=fleet).json
    assert {"lease", "name", "token", "expires"} <= done.keys() and isinstance(done["token"], int)
    assert cli("lease", "acquire", "deploy", "--wait", "1s", "--json", cwd=fleet).json["error"]["code"] == "locked"
    listed = cli("lease", "list", "--json", cwd=fleet).json["items"]
    assert [one["name"] for one in listed] == ["deploy"]
    assert cli("append", "a.md", "--agent", "deployer", "--lease", done["lease"], cwd=fleet, stdin="x\n").code == 0
    assert cli("lease", "renew", done["lease"], cwd=fleet).code == 10
    assert cli("lease", "steal", "deploy", "--why", "a test", cwd=fleet).code == 0
    late = cli("append", "a.md", "--agent", "deployer", "--lease", done["lease"], "--json", cwd=fleet, stdin="x\n")
    assert (late.code, late.json["error"]["code"]) == (12, "lease-lost")
    assert cli("lease", "steal", "deploy", "--why", "a test", cwd=fleet).code == 14


def test_a_time_to_live_is_one_type_of_number(fleet: Path, cli: Cli) -> None:
    """The same from whatever command, for who reads it with a schema."""
    done = cli("lease", "acquire", "deploy", "--agent", "deployer", "--ttl", "5m", "--json", cwd=fleet).json
    again = cli("lease", "renew", done["lease"], "--agent", "deployer", "--json", cwd=fleet).json
    assert repr(done["ttl"]) == repr(again["ttl"]) == "300.0"


def test_a_list_is_what_is_held(table: Table) -> None:
    """By name, without what ended."""
    table.acquire("b")
    table.acquire("a", "scribe")
    table.acquire("c", ttl=1.0)
    table.clock.booted += 2
    assert [one["name"] for one in table.ask(ListAsk())["items"]] == ["a", "b"]


def test_the_end_of_its_run_ends_a_lease(table: Table) -> None:
    """Nobody could release it any more, and whoever waits need not wait for its time; what others hold stays."""
    parts = table.harness.parts
    run = runs.start(parts, "deployer", head=table.harness.head())
    mine = table.ask(leases.AcquireAsk("deploy", 60.0), "deployer", run.id)
    table.acquire("other")
    runs.finish(parts, run.id, "ok")
    assert table.acquire(who="scribe")["token"] > mine["token"]
    with pytest.raises(Locked):
        table.acquire("other", "scribe")
