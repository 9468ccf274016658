"""Limits and the breaker stop an agent by themselves, and nothing that an agent can do begins a count anew."""

from __future__ import annotations

from pathlib import Path

import pytest

from githarness.errors import Denied, HarnessError, Quarantined, RateLimited
from githarness.work import journal, quarantine, runs
from githarness.work.asks import Ask, Op
from githarness.work.journal import Entry
from githarness.work.runs import Cause
from tests.conftest import Cli
from tests.grants.conftest import Fleet, Writers, go, outcomes, safe

TREE = """\
version: 1
rules:
  - {id: tree, effect: allow, agents: [deployer], actions: [append], limits: {writes: 3/10m, per: tree, then: refuse}}
  - {id: other, effect: allow, agents: [scribe], actions: [append]}
"""
BROKEN_TWICE = """\
version: 1
breaker: {denials: 2/10m, failures: 2/10m}
rules:
  - {id: all, effect: allow, actions: [read, append], paths: [log.md, runbooks/**]}
"""


def tries(fleet: Fleet, count: int, agent: str = "deployer", **more: str) -> list[str]:
    """`landed`, or the code of the error, of so many appends."""
    found = []
    for _ in range(count):
        try:
            fleet.append(agent, **more)
            found.append("landed")
        except HarnessError as error:
            found.append(error.code)
    return found


def test_a_limit_that_refuses(fleet_of: Fleet) -> None:
    """Others go on, and so does the agent when the window has passed."""
    fleet_of.limited("writes: 2/10m, then: refuse")
    assert tries(fleet_of, 4) == ["landed", "landed", "rate-limited", "rate-limited"]
    assert tries(fleet_of, 1, "scribe") == ["landed"]
    fleet_of.clock.passes(601)
    assert tries(fleet_of, 3) == ["landed", "landed", "rate-limited"]


def test_a_limit_that_quarantines(fleet_of: Fleet) -> None:
    """At once, with the reason on record; every decision after it is no, until an operator releases."""
    fleet_of.limited("writes: 2/10m")
    assert tries(fleet_of, 4) == ["landed", "landed", "rate-limited", "quarantined"]
    with pytest.raises(Quarantined, match="no more than 2 writes in 10m"):
        fleet_of.read()
    assert [safe(event)["by"] for event in fleet_of.events("quarantine")] == ["limit"]
    quarantine.release(fleet_of.desk, ["deployer"])
    fleet_of.clock.passes(1)
    assert tries(fleet_of, 3) == ["landed", "landed", "rate-limited"]


def test_no_restart_and_no_deleted_database_begins_anew(fleet_of: Fleet) -> None:
    """G76: the count comes from the commits; the index is brought up to them before anything is decided."""
    fleet_of.limited("writes: 3/10m, then: refuse")
    assert tries(fleet_of, 2) == ["landed", "landed"]
    fleet_of.reopen()
    assert tries(fleet_of, 1) == ["landed"]
    fleet_of.reopen(without_index=True)
    assert tries(fleet_of, 2) == ["rate-limited", "rate-limited"]


def test_sub_agents_count_for_their_tree(fleet_of: Fleet) -> None:
    """G76: what others did on its behalf is the agent's, proven or claimed, also where the database is gone."""
    fleet_of.policy(TREE)
    outer = runs.start(fleet_of.harness.parts, "deployer", head=fleet_of.harness.head())
    inner = runs.start(fleet_of.harness.parts, "scribe", head=fleet_of.harness.head(), cause=Cause(outer.id))
    assert tries(fleet_of, 1, run=outer.id) == ["landed"]
    assert tries(fleet_of, 2, "scribe", run=inner.id) == ["landed", "landed"]
    assert tries(fleet_of, 1, "scribe", run=inner.id) == tries(fleet_of, 1, run=outer.id) == ["rate-limited"]
    fleet_of.reopen(without_index=True)
    assert tries(fleet_of, 1) == ["rate-limited"]
    assert tries(fleet_of, 1, "scribe") == ["landed"]


def test_many_at_once_in_one_group(fleet_of: Fleet) -> None:
    """G76: writes that land together count one by one, and a refused one leaves nothing behind for others."""
    fleet_of.limited("writes: 2/10m, then: refuse")
    asks = [Ask(agent, f"r-{agent}", (Op("append", f"{n}.md", b"x"),)) for n in range(4)
            for agent in ("deployer", "scribe")]
    done = fleet_of.harness.local.write_group(asks)
    assert [isinstance(one, RateLimited) for one in done] == [False] * 4 + [True] * 4


def test_a_refused_write_leaves_its_limits_behind(fleet_of: Fleet) -> None:
    """What an agent that is at its limit may not do is nothing to the next write of the group."""
    fleet_of.limited("writes: 2/10m, then: refuse")
    assert tries(fleet_of, 2) == ["landed", "landed"]
    unread = Ask("deployer", "r-deployer", (Op("write", "runbooks/release.md", b"x"),))
    good = Ask("scribe", "r-scribe", (Op("append", "a.md", b"x"),))
    done = fleet_of.harness.local.write_group([unread, good])
    assert [isinstance(one, HarnessError) for one in done] == [True, False]


def test_bulk_deletes_are_paths_not_commits(fleet_of: Fleet) -> None:
    """A burst in one commit is a burst: one write that takes more away than is left lands nothing."""
    fleet_of.limited("deletes: 3/1h")
    for number in range(6):
        fleet_of.append(path=f"{number}.md")
    base = fleet_of.harness.reader.entry(fleet_of.harness.head(), "0.md")
    assert base
    gone = [Op("delete", f"{number}.md", if_match=base.oid) for number in range(6)]
    fleet_of.harness.local.write(Ask("deployer", "r-1", tuple(gone[:2])))
    with pytest.raises(RateLimited, match="quarantined"):
        fleet_of.harness.local.write(Ask("deployer", "r-1", tuple(gone[2:4])))
    assert fleet_of.harness.reader.entry(fleet_of.harness.head(), "2.md")


def test_a_refused_write_spends_nothing(fleet_of: Fleet) -> None:
    """What did not land, or changed nothing, is no write."""
    fleet_of.limited("writes: 2/10m, then: refuse")
    with pytest.raises(HarnessError):
        fleet_of.harness.local.write(Ask("deployer", "r-1", (Op("write", "runbooks/release.md", b"x"),)))
    fleet_of.harness.local.write(Ask("deployer", "r-1", (Op("append", "runbooks/release.md", b""),)))
    assert tries(fleet_of, 3) == ["landed", "landed", "rate-limited"]


def test_nineteen_processes_never_pass_one_limit(fleet_of: Fleet, writers: Writers) -> None:
    """One agent in nineteen processes: as many commits as the limit says, by git's own count."""
    fleet_of.clock.wall = 0.0
    fleet_of.limited("writes: 25/1h, then: refuse")
    running = writers([("deployer", f"logs/{number}.md") for number in range(19)], 4)
    go(running)
    said = outcomes(running)
    assert (said.count("landed"), said.count("rate-limited")) == (25, 19 * 4 - 25)
    assert fleet_of.commits("deployer") == 25


def test_denials_that_pile_up_stop_the_agent(fleet_of: Fleet) -> None:
    """Writes and reads alike; the reason says how many; after a release old ones do not count."""
    fleet_of.policy(BROKEN_TWICE)
    assert tries(fleet_of, 2, path="other.md") == ["denied", "denied"]
    fleet_of.append()
    with pytest.raises(Denied):
        fleet_of.read(path=".githarness/config.toml")
    with pytest.raises(Quarantined, match="more than 2 denials in 10m"):
        fleet_of.append()
    assert [safe(event)["by"] for event in fleet_of.events("quarantine")] == ["breaker"]
    quarantine.release(fleet_of.desk, ["deployer"])
    fleet_of.clock.passes(1)
    assert tries(fleet_of, 3, path="other.md") == ["denied"] * 3
    assert tries(fleet_of, 1) == ["quarantined"]


def test_denials_of_long_ago_stop_nobody(fleet_of: Fleet) -> None:
    """Only those within the window count."""
    fleet_of.policy(BROKEN_TWICE)
    for _ in range(4):
        assert tries(fleet_of, 1, path="other.md") == ["denied"]
        fleet_of.clock.passes(400)
    assert tries(fleet_of, 1) == ["landed"]


def test_failed_runs_that_pile_up_stop_the_agent(fleet_of: Fleet) -> None:
    """Seventeen failures in a row before a human notices become three."""
    fleet_of.policy(BROKEN_TWICE)
    parts, head = fleet_of.harness.parts, fleet_of.harness.head()
    for _ in range(3):
        runs.finish(parts, runs.start(parts, "deployer", head=head).id, "failed")
    with pytest.raises(Quarantined, match="more than 2 failed runs in 10m"):
        runs.start(parts, "deployer", head=head)


def test_calls_past_a_limit_stop_the_agent(fleet_of: Fleet) -> None:
    """They are recorded all the same: a call that is reported has been made. Another agent's count for nothing."""
    fleet_of.policy("version: 1\nrules: [{id: calls, effect: allow, actions: [tool, read], limits: {calls: 2/10m}}]\n")
    for agent in ("scribe", "deployer", "deployer"):
        journal.add(fleet_of.harness.parts, Entry(agent, f"r-{agent}", "tool", {"tool": "Bash", "arguments": "ls"}))
    fleet_of.read()
    journal.add(fleet_of.harness.parts, Entry("deployer", "r-deployer", "tool", {"tool": "Bash"}))
    assert len(fleet_of.events("tool")) == 4
    with pytest.raises(Quarantined, match="no more than 2 calls"):
        fleet_of.read()
    fleet_of.read("scribe")


def test_a_dry_run_stops_nobody(fleet_of: Fleet) -> None:
    """It says what would be, and changes nothing."""
    fleet_of.limited("writes: 1/10m")
    fleet_of.append()
    with pytest.raises(RateLimited):
        fleet_of.harness.local.preview(Ask("deployer", "r-1", (Op("append", "a.md", b"x"),)))
    assert fleet_of.events("quarantine") == []
    fleet_of.append("scribe")


def test_exit_code_and_document(fleet_of: Fleet, fleet: Path, cli: Cli) -> None:
    """16 and `rate-limited`, with the limit in the details and what an operator types."""
    fleet_of.clock.wall = 0.0
    fleet_of.limited("writes: 1/1h")
    assert cli("append", "a.md", "--agent", "deployer", cwd=fleet, stdin="x").code == 0
    ran = cli("append", "a.md", "--agent", "deployer", "--json", cwd=fleet, stdin="x")
    assert (ran.code, ran.json["error"]["code"], ran.json["error"]["details"]["most"]) == (16, "rate-limited", 1)
    assert ran.json["error"]["fix"] == "githarness agent release deployer, as an operator"
    ran = cli("read", "a.md", "--agent", "deployer", "--json", cwd=fleet)
    assert (ran.code, ran.json["error"]["code"]) == (16, "quarantined")
