"""An operator stops agents at once, and with all that they hold."""

from __future__ import annotations

from pathlib import Path

import pytest

from githarness.clock import SYSTEM
from githarness.errors import Denied, Dirty, NeedsApproval, NotFound, Quarantined, RateLimited
from githarness.policy import registry
from githarness.policy.model import Agent, Key
from githarness.seal import keys
from githarness.store import stops
from githarness.store.stops import Stop
from githarness.work import agents, held, quarantine, runs
from githarness.work.asks import Ask, Op
from tests.conftest import Cli, Git
from tests.grants.conftest import OPEN, Fleet, Writers, go


def test_a_quarantined_agent_does_nothing(fleet_of: Fleet) -> None:
    """No write, no read, no run; another agent does not notice."""
    done = quarantine.quarantine(fleet_of.desk, ["deployer"], "rewrote the runbook")
    assert done.commit == fleet_of.harness.head()
    parts, head = fleet_of.harness.parts, fleet_of.harness.head()
    for attempt in (fleet_of.append, fleet_of.read, lambda: runs.start(parts, "deployer", head=head)):
        with pytest.raises(Quarantined, match="rewrote the runbook"):
            attempt()
    fleet_of.append("scribe")
    assert [(event.kind, event.agent, event.human) for event in fleet_of.events("quarantine")] == [
        ("quarantine", "deployer", "olive")]


def test_it_is_in_force_before_git_says_so(fleet_of: Fleet, fleet: Path) -> None:
    """Where the commit cannot land, the agent is stopped all the same, and the operator is told what is lacking."""
    (fleet / ".githarness/agents/deployer.yaml").write_text("somebody edits this\n")
    with pytest.raises(Dirty, match="in force in this clone"):
        quarantine.quarantine(fleet_of.desk, ["deployer"])
    with pytest.raises(Quarantined):
        fleet_of.append()


def test_it_holds_without_the_database(fleet_of: Fleet) -> None:
    """The identity file says so to every clone, and to this one when its database is gone."""
    quarantine.quarantine(fleet_of.desk, ["deployer"])
    fleet_of.reopen(without_index=True)
    with pytest.raises(Quarantined):
        fleet_of.append()


def test_grants_end_with_it_and_do_not_come_back(fleet_of: Fleet) -> None:
    """In the same commit; after a release the agent has its roles and nothing more."""
    fleet_of.policy(OPEN.replace("append, ", "") % ", paths: [own/**]")
    grant = fleet_of.grant("deployer")
    done = quarantine.quarantine(fleet_of.desk, ["deployer"])
    assert (done.grants, fleet_of.harness.governance().grants) == ((grant.id,), {})
    quarantine.release(fleet_of.desk, ["deployer"])
    with pytest.raises(Denied):
        fleet_of.append(path="granted/a.md")


def test_a_stop_that_nobody_signed_ends_grants_at_release(fleet_of: Fleet) -> None:
    """A limit stopped the agent: what it was granted before is gone, what it is granted after it stays."""
    fleet_of.limited("writes: 1/10m")
    fleet_of.grant("deployer")
    fleet_of.append()
    with pytest.raises(RateLimited, match="quarantined"):
        fleet_of.append()
    fleet_of.clock.passes(1)
    later = fleet_of.grant("deployer")
    quarantine.release(fleet_of.desk, ["deployer"])
    assert list(fleet_of.harness.governance().grants) == [later.id]


def test_release_is_repeatable_and_recorded(fleet_of: Fleet) -> None:
    """Once released, there is nothing to release; nobody is an agent that is not there."""
    quarantine.quarantine(fleet_of.desk, ["deployer"])
    assert quarantine.release(fleet_of.desk, ["deployer"]).agents == ("deployer",)
    assert quarantine.release(fleet_of.desk, ["deployer"]) == quarantine.Changed((), None)
    fleet_of.append()
    assert [event.agent for event in fleet_of.events("release")] == ["deployer"]
    with pytest.raises(NotFound):
        quarantine.quarantine(fleet_of.desk, ["nobody"])


def test_retiring_ends_grants_in_the_same_commit(fleet_of: Fleet, git: Git, fleet: Path) -> None:
    """One step: the identity file and the grant."""
    grant = fleet_of.grant("deployer")
    commit = agents.retire(fleet_of.desk, "deployer").commit
    assert commit
    changed = git(fleet, "show", "--format=", "--name-only", commit).splitlines()
    assert f".githarness/grants/{grant.id}.yaml" in changed and ".githarness/agents/deployer.yaml" in changed


def test_operators_may_and_contributors_may_not(fleet: Path, cli: Cli, git: Git) -> None:
    """The commit carries the operator's signature, and verify finds nothing wrong with it."""
    for name, role in (("otto", "operator"), ("carl", "contributor")):
        cli("human", "add", name, "--mail", f"{name}@example.org", "--role", role, cwd=fleet)
    git(fleet, "config", "user.email", "carl@example.org")
    assert cli("agent", "quarantine", "deployer", cwd=fleet).code == 10
    git(fleet, "config", "user.email", "otto@example.org")
    ran = cli("agent", "quarantine", "deployer", "--why", "odd", "--json", cwd=fleet)
    assert (ran.code, ran.json["agents"]) == (0, ["deployer"])
    assert cli("agent", "quarantine", "deployer", "--json", cwd=fleet).json["commit"] is None
    assert cli("agent", "quarantine", cwd=fleet).code == 2
    assert cli("append", "a.md", "--agent", "deployer", cwd=fleet, stdin="x").code == 16
    assert cli("agent", "release", "--all", "--json", cwd=fleet).json["agents"] == ["deployer"]
    assert cli("append", "a.md", "--agent", "deployer", cwd=fleet, stdin="x").code == 0
    assert cli("verify", cwd=fleet).code == 0


def test_while_nineteen_write_none_lands_afterwards(fleet_of: Fleet, writers: Writers) -> None:
    """When the command has returned, the agent's last commit has landed."""
    fleet_of.clock.wall = SYSTEM.now()
    running = writers([("deployer", f"logs/{number}.md") for number in range(19)], 10_000)
    go(running)
    for one in running:
        assert one.stdout and one.stdout.readline() == "landed\n"
    quarantine.quarantine(fleet_of.desk, ["deployer"])
    last = fleet_of.commits("deployer")
    for one in running:
        assert one.stdout
        while one.stdout.readline() != "quarantined\n":
            pass
    assert fleet_of.commits("deployer") == last


def test_rollback_brings_no_state_back(fleet_of: Fleet, fleet: Path, cli: Cli) -> None:
    """Neither a grant nor the time before a quarantine: governance is left out, and that is said."""
    fleet_of.clock.wall = SYSTEM.now()
    fleet_of.grant("deployer")
    commit = quarantine.quarantine(fleet_of.desk, ["deployer"]).commit
    ran = cli("rollback", "--commit", str(commit), "--json", cwd=fleet)
    assert ran.json.get("commit") is None
    assert fleet_of.harness.governance().agent("deployer").quarantined
    assert fleet_of.harness.governance().grants == {}


def add_agents(fleet: Fleet, count: int) -> None:
    """In one commit, with keys that nobody has."""
    ops = []
    for number in range(count):
        agent = Agent(f"bot-{number:03}", ("writer",), (Key(keys.generate().public, "x", "2026-01-01T00:00:00Z"),))
        path = f".githarness/agents/{agent.name}.yaml"
        ops.append(Op("write", path, registry.render_agent(agent), if_match="absent"))
    fleet.harness.local.write_as(Ask("", "r-olive", tuple(ops)), "olive")


def test_the_whole_fleet_stops_by_one_commit(fleet_of: Fleet, git: Git, fleet: Path) -> None:
    """A hundred agents: one transaction, one commit; all of them are released the same way."""
    add_agents(fleet_of, 98)
    before = git(fleet, "rev-list", "--count", "main")
    done = quarantine.quarantine(fleet_of.desk, None, "incident 7")
    assert (len(done.agents), int(git(fleet, "rev-list", "--count", "main"))) == (100, int(before) + 1)
    assert len(fleet_of.events("quarantine")) == 100
    with pytest.raises(Quarantined):
        fleet_of.append("scribe")
    quarantine.release(fleet_of.desk, None)
    fleet_of.append("scribe")


def test_what_waited_for_approval_is_let_go(fleet_of: Fleet) -> None:
    """The agent's open approvals end with it; another agent's wait on."""
    fleet_of.policy("version: 1\nrules:\n  - {id: ask, effect: require_approval, actions: [append]}\n")
    for agent in ("deployer", "scribe"):
        with pytest.raises(NeedsApproval):
            fleet_of.append(agent, f"{agent}.md")
    parts = fleet_of.harness.parts
    mine = [one.id for one in held.listed(parts) if one.agent == "deployer"]
    assert quarantine.quarantine(fleet_of.desk, ["deployer"]).held == tuple(mine)
    assert [one.agent for one in held.listed(parts)] == ["scribe"]
    agents.retire(fleet_of.desk, "scribe")
    assert held.listed(parts) == []


def test_doctor_says_who_is_stopped_and_what_is_over(fleet_of: Fleet, fleet: Path, cli: Cli) -> None:
    """Each with the command that ends it."""
    now = SYSTEM.now()
    fleet_of.clock.wall = now - 7200
    agents.add(fleet_of.desk, "temp", wanted=(), purpose="", owner="", expires=now + 86400)
    quarantine.quarantine(fleet_of.desk, ["scribe"], "odd")
    fleet_of.grant("deployer", seconds=3600)
    items = cli("doctor", "--json", cwd=fleet).json["items"]
    said = {item["check"]: item for item in items if item["check"] in ("quarantine", "agents' time", "grants")}
    assert "'scribe' may not act: odd" in said["quarantine"]["detail"]
    assert "'temp' expires" in said["agents' time"]["detail"]
    assert said["grants"]["fix"] == "githarness grants sweep"


def test_list_and_show_say_what_stops_an_agent(cli: Cli, fleet: Path, fleet_of: Fleet) -> None:
    """By whom, since when and why, also where only this clone knows; a second quarantine says that it is one."""
    with fleet_of.harness.db.write() as conn:
        stops.put(conn, [Stop("deployer", 0.0, "limit", "too many writes"), Stop("scribe", 0.0, "guard", "")])
    told = cli("agent", "list", cwd=fleet).out
    assert "\n  stopped 1970-01-01T00:00:00Z by limit: too many writes\n" in told
    assert told.endswith("\n  paused 1970-01-01T00:00:00Z by guard\n")
    assert cli("agent", "show", "deployer", "--json", cwd=fleet).json["stop"] == {
        "since": "1970-01-01T00:00:00Z", "by": "limit", "why": "too many writes"}
    assert cli("agent", "quarantine", "deployer", cwd=fleet).out.startswith("quarantined deployer (commit ")
    assert cli("agent", "quarantine", "deployer", cwd=fleet).out == "quarantined already: deployer\n"
