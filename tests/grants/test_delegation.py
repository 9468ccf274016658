"""Delegation launders nothing: what is done for somebody is done within what they may do."""

from __future__ import annotations

from pathlib import Path

import pytest

from githarness.errors import Denied, Quarantined
from githarness.store.rows import RunRow
from githarness.work import agents, quarantine, runs
from githarness.work.runs import Cause
from tests.conftest import Cli
from tests.grants.conftest import Fleet

RULES = """\
version: 1
rules:
  - {id: read, effect: allow, actions: [read]}
  - {id: scribe, effect: allow, agents: [scribe], actions: [append], paths: [docs/**, secret/**]}
  - {id: deployer, effect: allow, agents: [deployer], actions: [append], paths: [docs/**]}
  - {id: planner, effect: allow, agents: [planner], actions: [append], paths: [plans/**]}
"""


@pytest.fixture
def three(fleet_of: Fleet) -> Fleet:
    """scribe may append to docs and secret, deployer to docs, planner to plans."""
    agents.add(fleet_of.desk, "planner", wanted=(), purpose="", owner="")
    fleet_of.policy(RULES)
    return fleet_of


def run(fleet: Fleet, agent: str, parent: RunRow | None = None) -> RunRow:
    harness = fleet.harness
    cause = Cause(parent.id, runs.token_of(harness.repo, parent.id)) if parent else None
    return runs.start(harness.parts, agent, head=harness.head(), cause=cause)


def test_who_may_not_write_writes_through_nobody(three: Fleet) -> None:
    """G78: the rule that is named is that of the one who may not."""
    inner = run(three, "scribe", run(three, "planner"))
    with pytest.raises(Denied, match="on behalf of 'planner'") as caught:
        three.append("scribe", "docs/a.md", inner.id)
    assert caught.value.details["rule"] == "default-deny"


def test_a_delegate_has_no_more_than_its_parent(three: Fleet) -> None:
    """G80: both may write docs; what only the delegate may write is denied on behalf of the other."""
    inner = run(three, "scribe", run(three, "deployer"))
    three.append("scribe", "docs/a.md", inner.id)
    with pytest.raises(Denied):
        three.append("scribe", "secret/a.md", inner.id)
    three.append("scribe", "secret/a.md")


def test_a_parents_grant_is_not_the_delegates(three: Fleet) -> None:
    """G80: and the other way round: a delegate's grant does not widen its parent."""
    three.grant("planner", ["append"], ["secret/**"])
    inner = run(three, "deployer", run(three, "planner"))
    with pytest.raises(Denied):
        three.append("deployer", "secret/a.md", inner.id)


def test_a_claimed_chain_restricts_as_well(three: Fleet) -> None:
    """G78: --on-behalf-of of a known agent counts against it; a name that nobody has restricts nothing."""
    with pytest.raises(Denied, match="planner"):
        three.append("scribe", "docs/a.md", chain=("planner",))
    three.append("scribe", "docs/a.md", chain=("customer-17",))


def test_who_is_stopped_acts_through_nobody(three: Fleet) -> None:
    """A run on behalf of a quarantined agent writes no more; retired ones likewise."""
    inner = run(three, "scribe", run(three, "deployer"))
    quarantine.quarantine(three.desk, ["deployer"])
    with pytest.raises(Quarantined, match="on whose behalf"):
        three.append("scribe", "docs/a.md", inner.id)
    quarantine.release(three.desk, ["deployer"])
    agents.retire(three.desk, "deployer")
    with pytest.raises(Denied, match="retired"):
        three.append("scribe", "docs/a.md", inner.id)


def test_a_chain_that_comes_back_is_refused(three: Fleet) -> None:
    """A for B for A starts no run, and no claim makes one; an agent in a run of its own is no circle."""
    middle = run(three, "deployer", run(three, "scribe"))
    with pytest.raises(Denied, match="comes back"):
        run(three, "scribe", middle)
    with pytest.raises(Denied, match="comes back"):
        three.append("scribe", "docs/a.md", chain=("scribe", "deployer"))
    three.append("scribe", "docs/a.md", run(three, "scribe", run(three, "scribe")).id)


def test_people_on_a_chain_are_judged_as_people(three: Fleet) -> None:
    """A contributor's delegate does not reach what steers tools; a person's role is that person's."""
    three.policy(RULES + "  - {id: ci, effect: allow, agents: [scribe], actions: [append], paths: [.github/**]}\n")
    three.harness.close()
    with pytest.raises(Denied, match=r"\.github") as caught:
        three.append("scribe", ".github/a.yml", chain=("carl",))
    assert caught.value.details["rule"] == "human:contributor"


@pytest.fixture(autouse=True)
def carl(fleet: Path, cli: Cli) -> None:
    cli("human", "add", "carl", "--mail", "carl@example.org", "--role", "contributor", cwd=fleet)


def test_a_run_does_not_drop_where_it_comes_from(three: Fleet) -> None:
    """Within a run only that run, or one below it, is named as the cause of another."""
    outer, other = run(three, "planner"), run(three, "deployer")
    head = three.harness.head()
    with pytest.raises(Denied, match="is not from run"):
        runs.start(three.harness.parts, "scribe", head=head, cause=Cause(other.id, within=outer.id))
    middle = run(three, "deployer", outer)
    inner = runs.start(three.harness.parts, "scribe", head=head, cause=Cause(middle.id, within=outer.id))
    assert inner.chain == ("planner", "deployer asserted")


def test_a_read_is_judged_along_the_chain(three: Fleet) -> None:
    """G78: what the parent may not read, its delegate does not read for it."""
    three.policy(RULES + "  - {id: hidden, effect: deny, agents: [planner], actions: [read], paths: [runbooks/**]}\n")
    inner = run(three, "scribe", run(three, "planner"))
    three.read("scribe")
    with pytest.raises(Denied, match="planner"):
        three.read("scribe", run=inner.id)
