"""G77: the shipped `policies/break-glass.yaml`: what it opens is short and ends by itself; owners decide deletions."""

from __future__ import annotations

import pytest

from githarness.errors import Denied, NeedsApproval
from githarness.work import agents
from githarness.work.asks import Ask, Op
from tests.grants.conftest import ROOT, Fleet


@pytest.fixture
def emergency(fleet_of: Fleet) -> Fleet:
    """With an agent `medic` of the role break-glass; it reads, and nothing more."""
    fleet_of.policy((ROOT / "policies/break-glass.yaml").read_text(), "break-glass")
    agents.add(fleet_of.desk, "medic", wanted=("break-glass",), purpose="", owner="")
    return fleet_of


def test_control_without_a_grant_it_only_reads(emergency: Fleet) -> None:
    """The glass is whole."""
    emergency.read("medic")
    with pytest.raises(Denied):
        emergency.append("medic", "runbooks/release.md")


def test_it_ends_by_itself(emergency: Fleet) -> None:
    """No command, no cron: one second past the hour the same write is refused."""
    emergency.grant("medic", ["append"], ["runbooks/**"], seconds=3600)
    emergency.append("medic", "runbooks/release.md")
    emergency.clock.passes(3599)
    emergency.append("medic", "runbooks/release.md")
    emergency.clock.passes(1)
    with pytest.raises(Denied):
        emergency.append("medic", "runbooks/release.md")


def test_nobody_opens_it_for_longer(emergency: Fleet) -> None:
    """Not an owner either, as long as the policy stands."""
    with pytest.raises(Denied) as refused:
        emergency.grant("medic", ["append"], ["runbooks/**"], seconds=3601)
    assert refused.value.details["rule"] == "longest-grant"


def test_a_deletion_waits_for_two_owners(emergency: Fleet) -> None:
    """A grant does not lift it."""
    emergency.grant("medic", ["delete"], ["runbooks/**"], seconds=600)
    emergency.read("medic", run="r-medic")
    with pytest.raises(NeedsApproval) as waits:
        emergency.harness.local.write(Ask("medic", "r-medic", (Op("delete", "runbooks/release.md"),)))
    assert waits.value.details["approvers"] == {"role": "owner", "count": 2}
