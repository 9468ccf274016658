"""Temporary access ends: by time on any clock, by uses, by policy, by whoever takes it away."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from functools import reduce
from itertools import permutations
from pathlib import Path

import pytest

from githarness.clock import SYSTEM
from githarness.daemon.client import Line, RemoteLane
from githarness.errors import Denied, NotFound, Usage
from githarness.policy import delegation
from githarness.policy.model import Approvers, Decision
from githarness.work import agents, grants
from githarness.work.asks import Ask, Op
from tests.conftest import Cli, Git
from tests.grants.conftest import NOW, ROOT, Fleet, safe

NARROW = """\
version: 1
longest-grant: 1d
rules:
  - {id: own, effect: allow, actions: [read, append], paths: [own/**]}
"""
ENDLESS = """\
version: 1
agent: scribe
allow: [append]
paths: [granted/**]
granted: 2020-01-01T00:00:00Z
why: x
"""


def refused(fleet: Fleet, path: str = "granted/a.md") -> bool:
    try:
        fleet.append("scribe", path)
    except Denied:
        return True
    return False


@pytest.fixture
def narrow(fleet_of: Fleet) -> Fleet:
    fleet_of.policy(NARROW)
    return fleet_of


def test_a_grant_that_could_allow_nothing_is_not_made(narrow: Fleet) -> None:
    """Governance is no agent's to change; and a word that is none is named without a file that nobody has seen."""
    with pytest.raises(Usage, match="agents never change governance") as caught:
        narrow.grant(allow=("write",), paths=(".githarness/**", ".GitHarness"))
    assert "--as OWNER" in caught.value.fix
    with pytest.raises(Usage, match=r"^'wirte' is none of read, "):
        narrow.grant(allow=("wirte",))


def test_uses_are_of_grants_that_make_commits(narrow: Fleet) -> None:
    """One that never is used up is none."""
    with pytest.raises(Usage, match="uses are commits, and to read, exec makes none"):
        narrow.grant(allow=("read", "exec"), uses=1)
    assert narrow.grant(allow=("read", "append"), uses=1).uses == 1


def test_a_grant_holds_from_its_second_to_its_last(narrow: Fleet) -> None:
    """G64: nothing before it is given; the second in which it expires is over."""
    assert refused(narrow)
    grant = narrow.grant()
    assert (grant.granted, grant.expires) == (NOW, NOW + 7200)
    assert not refused(narrow)
    narrow.clock.passes(7199.9)
    assert not refused(narrow)
    narrow.clock.passes(0.1)
    assert refused(narrow)


def test_a_grant_of_later_is_not_valid_yet(narrow: Fleet) -> None:
    """G64, G65: on a clock that was set back before it was given, it has not begun."""
    narrow.grant()
    narrow.clock.wall -= 1
    assert refused(narrow)


def test_a_clock_set_back_does_not_bring_a_grant_back(narrow: Fleet) -> None:
    """G65: in the boot in which it was given or first seen, the clock of the boot ends it."""
    narrow.grant()
    assert not refused(narrow)
    narrow.clock.passes(7200)
    narrow.clock.wall -= 7000
    assert refused(narrow)
    narrow.reopen()
    assert refused(narrow)


def test_a_clock_set_forward_ends_a_grant(narrow: Fleet) -> None:
    """G65: who cannot tell the time gets no more than was given."""
    narrow.grant()
    narrow.clock.wall += 7200
    assert refused(narrow)


def test_a_grant_without_an_end_is_none(narrow: Fleet, cli: Cli, git: Git, fleet: Path) -> None:
    """G66: the command demands a length, and a file without `expires`, from whatever commit, grants nothing."""
    ran = cli("grant", "scribe", "--allow", "append", "--path", "granted/**", "--why", "x", "--json", cwd=fleet)
    assert (ran.code, ran.json["error"]["code"]) == (2, "usage")
    (fleet / ".githarness/grants").mkdir()
    (fleet / ".githarness/grants/g-1.yaml").write_text(ENDLESS)
    git(fleet, "add", ".githarness/grants")
    git(fleet, "commit", "-q", "--no-verify", "-m", "grant")
    assert refused(narrow)
    assert "expires" in narrow.harness.governance().broken_grants[0]
    grants.revoke(narrow.desk, "g-1")
    assert narrow.harness.governance().broken_grants == ()


def test_uses_are_counted_from_history(narrow: Fleet) -> None:
    """Two uses are two commits, also in one group of writes and with the database gone."""
    narrow.grant(uses=2)
    assert not refused(narrow)
    narrow.reopen(without_index=True)
    assert not refused(narrow)
    narrow.reopen(without_index=True)
    assert refused(narrow)


def test_uses_hold_within_one_group(narrow: Fleet) -> None:
    """Writes that land together share what is left."""
    narrow.grant(uses=2)
    asks = [Ask("scribe", "r-1", (Op("append", f"granted/{n}.md", b"x"),)) for n in range(4)]
    done = narrow.harness.local.write_group(asks)
    assert [isinstance(one, Denied) for one in done] == [False, False, True, True]


def test_a_use_behind_a_rule_counts_too(narrow: Fleet) -> None:
    """A write that only partly needs the grant names it in its commit."""
    grant = narrow.grant(uses=1)
    ops = (Op("append", "own/a.md", b"x"), Op("append", "granted/a.md", b"x"))
    narrow.harness.local.write(Ask("scribe", "r-1", ops))
    assert f"grant={grant.id}" in narrow.harness.reader.commit(narrow.harness.head()).message
    assert refused(narrow)


def test_a_use_beside_what_waits_for_people_counts_too() -> None:
    """In whatever order a change asks: a grant that it takes is named where it lands."""
    granted, plain = Decision("allow", "grant", grant="g-1"), Decision("allow", "main/all")
    held = Decision("require_approval", "main/held", approvers=Approvers())
    for order in permutations((granted, held, plain)):
        assert reduce(delegation.strictest, order).grant == "g-1", order


def test_no_grant_is_longer_than_policy_allows(narrow: Fleet) -> None:
    """The least `longest-grant` of all files counts."""
    with pytest.raises(Denied, match="1d"):
        narrow.grant(seconds=86401)
    assert narrow.grant(seconds=86400).agent == "scribe"


def test_revoking_counts_from_the_next_decision(narrow: Fleet) -> None:
    """The file goes by one signed commit; another time there is none to revoke."""
    grant = narrow.grant()
    assert not refused(narrow)
    grants.revoke(narrow.desk, grant.id)
    assert refused(narrow)
    with pytest.raises(NotFound):
        grants.revoke(narrow.desk, grant.id)
    assert [safe(event)["grant"] for kind in ("grant", "revoke") for event in narrow.events(kind)] == [grant.id] * 2


def test_a_grant_lifts_no_denying_rule(fleet_of: Fleet) -> None:
    """It is an allow, and deny is stronger; governance is nobody's to be granted."""
    fleet_of.policy(NARROW + "  - {id: never, effect: deny, actions: [append], paths: [granted/**]}\n")
    fleet_of.grant(paths=["granted/**", ".githarness/**"])
    assert refused(fleet_of)
    assert refused(fleet_of, ".githarness/grants/g-2.yaml")


def test_a_grant_is_for_one_agent(narrow: Fleet) -> None:
    """Another agent has nothing of it."""
    narrow.grant()
    with pytest.raises(Denied):
        narrow.append("deployer", "granted/a.md")


def test_a_granted_read_ends_too(fleet_of: Fleet) -> None:
    """G77: a break-glass grant that is left on reads nothing any more once its time is over."""
    fleet_of.policy("version: 1\nrules:\n  - {id: none, effect: allow, actions: [write], paths: [none]}\n")
    fleet_of.grant("deployer", ["read"], ["runbooks/**"], seconds=60)
    fleet_of.read()
    fleet_of.clock.passes(60)
    with pytest.raises(Denied):
        fleet_of.read()
    assert [event.agent for event in fleet_of.events("denial")] == ["deployer"]


def test_what_is_over_is_listed_and_swept(narrow: Fleet) -> None:
    """G77: one commit takes expired grants away and leaves the others; a second sweep finds nothing."""
    old, new = narrow.grant(seconds=60), narrow.grant(seconds=600)
    narrow.clock.passes(60)
    with narrow.harness.db.read() as conn:
        listed = grants.listed(conn, narrow.harness.parts, narrow.harness.governance())
    assert {one.grant.id: one.state for one in listed} == {old.id: "expired", new.id: "good"}
    swept, commit = grants.sweep(narrow.desk)
    assert ([grant.id for grant in swept], list(narrow.harness.governance().grants)) == ([old.id], [new.id])
    assert commit == narrow.harness.head()
    assert grants.sweep(narrow.desk) == ([], None)


def test_an_owners_next_change_sweeps_along(narrow: Fleet) -> None:
    """G77: no cron is needed where owners are at work."""
    narrow.grant(seconds=60)
    narrow.clock.passes(60)
    agents.retire(narrow.desk, "deployer")
    assert narrow.harness.governance().grants == {}


def test_an_agent_expires(fleet_of: Fleet) -> None:
    """At the second it was added for, on any clock; an owner lets it go on by a later time."""
    agents.add(fleet_of.desk, "temp", wanted=(), purpose="", owner="", expires=NOW + 60)
    fleet_of.append("temp")
    fleet_of.clock.passes(60)
    fleet_of.clock.wall -= 30
    for attempt in (fleet_of.append, fleet_of.read):
        with pytest.raises(Denied, match="expired"):
            attempt("temp")
    agents.add(fleet_of.desk, "temp", wanted=(), purpose="", owner="", expires=NOW + 600)
    fleet_of.append("temp")


def test_the_commands(fleet_of: Fleet, fleet: Path, cli: Cli) -> None:
    """grant, grants list, revoke, grants sweep, as documents; other roles than owners are denied."""
    fleet_of.policy(NARROW)
    ran = cli("grant", "scribe", "--allow", "append", "--path", "granted/**", "--for", "2h", "--uses", "3", "--why",
              "migration", "--json", cwd=fleet)
    grant = ran.json["grant"]
    assert (ran.code, ran.json["state"], ran.json["uses"]) == (0, "good", 3)
    assert cli("append", "granted/a.md", "--agent", "scribe", cwd=fleet, stdin="x").code == 0
    listed = cli("grants", "list", "--json", cwd=fleet).json["items"]
    assert [(one["grant"], one["used"]) for one in listed] == [(grant, 1)]
    assert cli("revoke", grant, cwd=fleet).code == 0
    assert cli("append", "granted/a.md", "--agent", "scribe", cwd=fleet, stdin="x").code == 10
    assert cli("grants", "sweep", "--json", cwd=fleet).json == {"grants": [], "commit": None}
    assert cli("grant", "nobody", "--allow", "append", "--path", "a", "--for", "1h", "--why", "x", cwd=fleet).code == 14
    assert cli("grant", "scribe", "--allow", "fly", "--path", "a", "--for", "1h", "--why", "x", cwd=fleet).code == 2


def test_grants_of_an_agent_that_is_not_there(fleet: Path, cli: Cli) -> None:
    """A mistyped name is no empty list; an agent without grants is one."""
    assert cli("grants", "list", "--agent", "nobody", cwd=fleet).code == 14
    assert cli("grants", "list", "--agent", "scribe", "--json", cwd=fleet).json == {"items": []}


def test_a_revoked_grant_says_why(narrow: Fleet, fleet: Path, cli: Cli, git) -> None:
    """In the commit, and in the log in place of what it was given for; what is swept along keeps its own."""
    over, grant = narrow.grant(seconds=60), narrow.grant(seconds=3600)
    narrow.clock.passes(60)
    grants.revoke(narrow.desk, grant.id, "it went to the wrong agent")
    subject = git(fleet, "log", "-1", "--format=%s", "main")
    assert subject == f"revoke grant {grant.id} of scribe: it went to the wrong agent"
    assert {safe(event)["grant"]: safe(event)["why"] for event in narrow.events("revoke")} == {
        grant.id: "it went to the wrong agent", over.id: over.why}


def test_no_secret_is_in_the_reason_of_a_grant(fleet: Path, cli: Cli, git) -> None:
    """Neither in its file, nor in a commit, nor in the log; the owner is told."""
    words = ["--allow", "append", "--path", "a/**", "--for", "2h", "--json"]
    ran = cli("grant", "scribe", *words, "--why", "with --token hunter2secret", cwd=fleet)
    assert (ran.code, ran.json["why"]) == (0, "with --token [redacted]")
    gone = cli("revoke", ran.json["grant"], "--why", "leaked Bearer hunter2secret", cwd=fleet)
    assert [one.err.count("note: what looks like a secret in --why is written as [redacted]")
            for one in (ran, gone)] == [1, 1]
    assert "hunter2secret" not in git(fleet, "log", "-p", "-2", "main") + cli("audit", "log", "--json", cwd=fleet).out
    assert "leaked Bearer [redacted]" in git(fleet, "log", "-1", "--format=%s", "main")
    fine = cli("grant", "scribe", *words, "--why", "migration", cwd=fleet)
    assert (fine.json["why"], "note:" in fine.err) == ("migration", False)


@pytest.fixture
def serving(fleet: Path) -> Iterator[None]:
    command = [sys.executable, "-m", "githarness", "-C", str(fleet), "serve", "--json"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout and json.loads(process.stdout.readline())["event"] == "ready"
            yield
        finally:
            process.terminate()


@pytest.mark.usefixtures("serving")
def test_the_daemon_ends_a_grant_at_the_next_decision(fleet_of: Fleet) -> None:
    """G64: it keeps governance by the tree's id, and time all the same: one connection sees the grant end."""
    fleet_of.clock.wall, fleet_of.clock.booted = SYSTEM.now(), SYSTEM.boot()
    fleet_of.policy(NARROW)
    grant = fleet_of.grant(seconds=5)
    lane = RemoteLane(Line(fleet_of.harness.settings, fleet_of.harness.repo), fallback=lambda: pytest.fail("no daemon"))
    landed = 0
    with pytest.raises(Denied):
        while True:
            lane.write(Ask("scribe", "r-1", (Op("append", "granted/a.md", b"x"),)))
            landed += 1
    assert landed
    assert SYSTEM.now() >= grant.expires
