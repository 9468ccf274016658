"""State entries: versions, compare-and-set, what was there when, who may, and what ends by itself."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from githarness import clock
from githarness.errors import BadPath, Conflict, Denied, LeaseLost, NotFound, Quarantined, Usage
from githarness.store import stops
from githarness.store.stops import Stop
from githarness.work import breaker, state
from tests.conftest import Cli
from tests.coordination.conftest import Table


def test_versions_count_up_over_deletions(table: Table) -> None:
    """A key that was deleted goes on counting: an old version never names two values."""
    assert [table.set("k"), table.set("k")] == [1, 2]
    table.ask(state.DeleteAsk("k"))
    assert table.set("k") == 4


@pytest.mark.parametrize(("there", "expected"), [(0, 1), (1, 0), (1, 2), (2, 1)])
def test_what_was_not_seen_is_not_overwritten(table: Table, there: int, expected: int) -> None:
    """Compare-and-set names the version that is there, and changes nothing."""
    for _ in range(there):
        table.set("k", '"old"')
    with pytest.raises(Conflict) as caught:
        table.set("k", '"new"', if_version=expected)
    assert caught.value.details["version"] == there
    with table.harness.db.read() as conn:
        assert conn.execute("SELECT count(*) FROM state").fetchone() == (there,)


def test_zero_means_that_nothing_is_there(table: Table) -> None:
    """Also where there was something that was deleted."""
    assert table.set("k", if_version=0) == 1
    table.ask(state.DeleteAsk("k", if_version=1))
    assert table.set("k", if_version=0) == 3


def test_a_refused_deletion_changes_nothing(table: Table) -> None:
    """What is not there cannot be deleted; what changed meanwhile is not."""
    with pytest.raises(NotFound):
        table.ask(state.DeleteAsk("k"))
    table.set("k")
    with pytest.raises(Conflict):
        table.ask(state.DeleteAsk("k", if_version=2))
    assert table.value("k") == 1


def test_a_point_in_time_is_a_version_or_a_moment(table: Table) -> None:
    """What was there then, also once it is gone."""
    table.set("k", '"first"')
    table.clock.passes(100)
    table.set("k", '"second"')
    table.ask(state.DeleteAsk("k"))
    then = clock.rfc3339(table.clock.wall - 50)
    assert [table.value("k", at=at) for at in ("1", "2", then)] == ["first", "second", "first"]
    for at in ("9", clock.rfc3339(table.clock.wall - 500), "3"):
        with pytest.raises(NotFound):
            table.value("k", at=at)


@pytest.mark.parametrize("jump", [-86400.0, 86400.0])
def test_a_wall_clock_that_is_set_ends_nothing_in_the_same_boot(table: Table, jump: float) -> None:
    """A time to live counts seconds of the boot clock."""
    table.set("k", ttl=60.0)
    table.clock.wall += jump
    assert table.value("k") == 1
    table.clock.booted += 61
    with pytest.raises(NotFound):
        table.value("k")
    assert table.set("k", if_version=0) == 2


def test_after_a_start_of_the_machine_the_wall_clock_tells(table: Table, reboot) -> None:  # type: ignore[no-untyped-def]
    """The boot clock began anew: what had an hour left still has, what was over is over."""
    table.set("long", ttl=3600.0)
    table.set("short", ttl=10.0)
    table.clock.wall += 60
    reboot("another")
    assert table.value("long") == 1
    with pytest.raises(NotFound):
        table.value("short")


@pytest.mark.parametrize(("text", "value"), [
    (b'{"b": 1, "a": [1, 2.5, null]}\n', {"a": [1, 2.5, None], "b": 1}), (b"hello\n", "hello"), (b"", ""),
    (b"NaN", "NaN"), (b"[1e400]", "[1e400]"), ("\u00e9\u2028".encode(), "\u00e9\u2028"), (b'"\\ud800"', "\ud800")])
def test_a_value_is_json_or_a_text(text: bytes, value: object) -> None:
    """Numbers that JSON has not are text, and equal values have equal bytes."""
    assert json.loads(state.value_of(text)) == value


@pytest.mark.parametrize("text", [b"\xff\xfe", b"[" * 100_000, b'"' + b"x" * 1_000_000 + b'"'])
def test_a_value_that_cannot_be_kept_is_refused(text: bytes) -> None:
    """Binary data, what is nested without end, and a byte too many."""
    with pytest.raises(Usage):
        state.value_of(text)


@pytest.mark.parametrize("ttl", [0.0, -1.0, 1e12, 1e300])
def test_a_time_that_no_calendar_has_is_refused(table: Table, ttl: float) -> None:
    """And with it nobody else's ask that shares the transaction."""
    with pytest.raises(Usage):
        table.set("k", ttl=ttl)


def test_the_largest_value_is_kept_whole(table: Table) -> None:
    """A million bytes as canonical JSON."""
    text = state.value_of(b"x" * 999_998)
    table.set("k", text)
    assert len(table.value("k")) == 999_998


@pytest.mark.parametrize("key", ["", "../x", "a//b", "a\nb", "a\u202eb", ".git/x", "x" * 300])
def test_a_key_is_named_like_a_path(table: Table, key: str) -> None:
    """So that policies can name it, and no terminal is driven by it."""
    with pytest.raises(BadPath):
        table.set(key)


POLICY = """\
version: 1
rules:
  - {id: all, effect: allow, actions: [read, write, delete], paths: ['**']}
  - {id: mine, effect: deny, agents: [scribe], actions: [read, write, delete], paths: ['@state/deploys/**']}
"""


def governed(table: Table, text: str) -> None:
    from githarness.work.asks import Ask, Op

    op = Op("write", ".githarness/policies/main.yaml", text.encode(), if_match="absent")
    table.harness.local.write_as(Ask("", "r-olive-writes", (op,)), "olive")


def test_policy_gives_prefixes(table: Table) -> None:
    """Who may not is refused, sees nothing of it in lists, and the refusal is on record."""
    governed(table, POLICY)
    table.set("deploys/last")
    table.set("notes/last", who="scribe")
    for ask in (state.GetAsk("deploys/last"), state.SetAsk("deploys/last", "2"), state.DeleteAsk("deploys/last"),
                state.HistoryAsk("deploys/last")):
        with pytest.raises(Denied):
            table.ask(ask, "scribe")
    assert [one["key"] for one in table.ask(state.ListAsk(), "scribe")["items"]] == ["notes/last"]
    with table.harness.db.read() as conn:
        rows = conn.execute("SELECT agent, safe FROM events WHERE kind = 'denial'").fetchall()
    assert len(rows) == 4 and all(agent == "scribe" and "@state/deploys/last" in safe for agent, safe in rows)


def test_a_reader_reads(table: Table, cli: Cli) -> None:
    """The shipped role for it."""
    assert cli("agent", "add", "viewer", "--role", "reader", cwd=table.folder).code == 0
    table.set("k")
    assert table.value("k", who="viewer") == 1
    with pytest.raises(Denied):
        table.set("k", who="viewer")


def test_who_is_stopped_sets_nothing(table: Table) -> None:
    """At once: also where git does not say so yet."""
    with table.harness.db.write() as conn:
        breaker.keep(conn, [Stop("deployer", 1.0, "human:olive", "a test")])
    with pytest.raises(Quarantined):
        table.set("k")
    with table.harness.db.write() as conn:
        stops.release(conn, ["deployer"], 2.0)
    assert table.set("k") == 1


def test_a_lease_that_ended_sets_nothing(table: Table) -> None:
    """It is checked in the transaction that sets."""
    lease = table.acquire(ttl=10.0)["lease"]
    assert table.set("k", lease=lease) == 1
    table.clock.booted += 10
    with pytest.raises(LeaseLost):
        table.set("k", lease=lease)
    with pytest.raises(LeaseLost):
        table.ask(state.DeleteAsk("k", lease=lease))
    assert table.value("k") == 1


def test_every_change_is_an_event(table: Table) -> None:
    """Who, what and which version, safe to show; a secret in a value does not reach the event."""
    table.set("k", '{"password":"hunter2hunter2"}')
    table.value("k")
    with table.harness.db.read() as conn:
        rows = conn.execute("SELECT agent, run, safe, body FROM events WHERE kind = 'state' ORDER BY seq").fetchall()
    assert [json.loads(row[2])["what"] for row in rows] == ["set", "get"]
    assert rows[0][:2] == ("deployer", "r-deployer") and "hunter2" not in rows[0][3]


def test_a_watcher_misses_nothing(table: Table, cli: Cli) -> None:
    """Every version in order, also those set while it was busy with others; only below its prefix."""
    command = [sys.executable, "-m", "githarness", "state", "watch", "a/", "--json"]
    with subprocess.Popen(command, cwd=table.folder, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout
        while not _watches(table):
            pass
        for number in range(20):
            table.set(f"a/{number % 3}", str(number))
            table.set(f"b/{number % 3}", str(number))
        seen = [json.loads(running.stdout.readline()) for _ in range(20)]
        running.kill()
    assert [one["value"] for one in seen] == list(range(20))


def _watches(table: Table) -> bool:
    with table.harness.db.read() as conn:
        return bool(conn.execute("SELECT 1 FROM events WHERE kind = 'state' AND safe LIKE '%watch%'").fetchone())


def test_the_commands(fleet: Path, cli: Cli) -> None:
    """As CLI.md says: value from stdin, the person of user.email where nobody is named, exit codes."""
    done = cli("state", "set", "k", "--agent", "deployer", "--json", cwd=fleet, stdin='{"a": 1}')
    assert (done.json["key"], done.json["value"], done.json["version"]) == ("k", {"a": 1}, 1)
    assert done.json["agent"] == "deployer"
    refused = cli("state", "set", "k", "--if-version", "0", "--json", cwd=fleet, stdin="x")
    assert refused.code == 11 and refused.json["error"]["details"]["version"] == 1
    assert cli("state", "set", "k", "--if-version", "1", "--json", cwd=fleet, stdin="two\n").json["human"] == "olive"
    assert cli("state", "get", "k", cwd=fleet).out == "two\n"
    listed = cli("state", "history", "k", "--diff", "--json", cwd=fleet).json["items"]
    assert [one["version"] for one in listed] == [2, 1] and "-{" in listed[0]["diff"] and "+two" in listed[0]["diff"]
    assert cli("state", "delete", "k", cwd=fleet).code == 0
    assert cli("state", "get", "k", cwd=fleet).code == 14
