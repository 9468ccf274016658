"""Governance that takes two owners, and a recovery key that does it alone and says so."""

from __future__ import annotations

from pathlib import Path

import pytest

from githarness.policy import approval, registry
from githarness.work.judge_approval import LATE
from tests.approvals.conftest import POLICY, Office
from tests.approvals.test_attacks import _received

TWO = POLICY.replace("version: 1\n", "version: 1\ngovernance:\n  approvers: {role: owner, count: 2}\n")


@pytest.fixture
def two(office: Office) -> Office:
    """Owners olive, wanda and rita; rita's key is the one for recovery."""
    for name in ("wanda", "rita"):
        office.good("human", "add", name, "--mail", f"{name}@example.org", "--role", "owner")
    rita = registry.parse_human(office.git("show", "main:.githarness/humans/rita.yaml").encode() + b"\n", "rita.yaml")
    text = TWO.replace("count: 2}\n", f"count: 2}}\n  recovery: {rita.keys[0].key}\n", 1)
    policy(office, text, who="olive")
    return office


def policy(office: Office, text: str, who: str, code: int = 0) -> str:
    """The id under which it is held, empty where it lands."""
    path = ".githarness/policies/main.yaml"
    done = office.cli("write", path, "--as", who, "--json", "--if-match", office.git("rev-parse", f"main:{path}"),
                      stdin=text, who=who)
    assert done.code == code, done.out + done.err
    return str(done.json["error"]["details"]["held"]) if code else ""


def test_a_policy_waits_for_the_second_owner(two: Office) -> None:
    """Proposed by one, landed by the other as their own commit, with what the first one signed in it."""
    before = two.head
    held = policy(two, POLICY, who="olive", code=13)
    assert two.head == before
    for who in ("olive", "otto"):
        assert two.cli("approve", held, who=who).code == 10
    done = two.good("approve", held, "--json", who="wanda").json
    assert two.git("log", "-1", "--format=%H %an %G?") == f"{done['commit']} wanda G"
    assert two.git("log", "-1", "--format=%(trailers:key=Approval,valueonly)").strip().endswith("by olive")
    assert two.git("show", "main:.githarness/policies/main.yaml") == POLICY.rstrip("\n") and two.refs() == []
    assert two.codes(None, "main") == set()


def test_the_last_of_three_owners_lands_it(two: Office) -> None:
    """Who proposes is the first; the second signs, and hears how many are missing."""
    policy(two, TWO.replace("count: 2", "count: 3"), who="rita")
    held = policy(two, POLICY, who="olive", code=13)
    assert "  1 of 3  " in two.cli("proposals", who="olive").out
    said = two.good("approve", held, "--json", who="wanda").json
    assert (said["commit"], said["waits"]) == (None, "it waits for 1 more of role owner or above")
    (item,) = two.good("proposals", "--json", who="olive").json["items"]
    assert (item["approvers"]["count"], sorted(item["approved"])) == (3, ["olive", "wanda"])
    assert two.good("approve", held, "--json", who="rita").json["commit"] == two.head
    assert two.codes(None, "main") == set()


def test_an_old_statement_of_an_owner_comes_to_no_hub(two: Office, tmp_path: Path) -> None:
    """As one about an agent's change: it has a day from its end."""
    two.good("hub", "init", str(tmp_path / "hub.git"))
    two.git("push", "-q", "--no-verify", str(tmp_path / "hub.git"), "main")
    two.good("approve", policy(two, POLICY, who="olive", code=13), who="wanda")
    commit = two.head
    ended = approval.parse(two.statement(commit)[1].encode(), two.statement(commit)[0]).statement.expires
    assert _received(two, tmp_path / "hub.git", commit, ended + LATE - 60) == set()
    assert _received(two, tmp_path / "hub.git", commit, ended + LATE + 60) == {"needs-approval"}


@pytest.mark.parametrize("words", [
    ("agent", "add", "newcomer"), ("agent", "retire", "scribe"),
    ("grant", "scribe", "--allow", "write", "--path", "x/**", "--for", "1h", "--why", "w")])
def test_identities_and_grants_wait_too(two: Office, words: tuple[str, ...]) -> None:
    """Whatever command changes governance."""
    done = two.cli(*words, "--json")
    assert done.code == 13 and done.json["error"]["details"]["rule"] == "governance"
    two.good("approve", done.json["error"]["details"]["held"], who="wanda")
    assert two.codes(None, "main") == set()


def test_a_grant_that_two_owners_gave_is_an_event_as_any_other(two: Office) -> None:
    """So is its end; the one whose signature was the last is told as who did it."""
    words = ("grant", "scribe", "--allow", "write", "--path", "x/**", "--for", "1h", "--why", "w", "--json")
    two.good("approve", two.cli(*words).json["error"]["details"]["held"], who="wanda")
    name = next(file.stem for file in (two.folder / ".githarness/grants").iterdir())
    two.git("config", "user.email", "olive@example.org")
    two.good("revoke", name)
    with two.open().db.read() as conn:
        found = conn.execute("SELECT kind, agent, human, json_extract(safe, '$.grant') FROM events "
                             "WHERE kind IN ('grant', 'revoke') ORDER BY seq").fetchall()
    assert found == [("grant", "scribe", "wanda", name), ("revoke", "scribe", "olive", name)]


def test_stopping_an_agent_never_waits(two: Office) -> None:
    """An operator quarantines and releases as ever."""
    two.good("agent", "quarantine", "scribe", who="otto")
    two.good("agent", "release", "scribe", who="otto")
    assert two.codes(None, "main") == set()


def test_the_recovery_key_does_it_alone_and_says_so(two: Office) -> None:
    """By a trailer and an event."""
    policy(two, POLICY, who="rita")
    assert two.git("log", "-1", "--format=%(trailers:key=Recovery,valueonly)").strip() == "rita"
    with two.open().db.read() as conn:
        assert conn.execute("SELECT human FROM events WHERE kind = 'recovery'").fetchall() == [("rita",)]
    (found,) = [item for item in two.cli("doctor", "--json").json["items"] if item["check"] == "recovery"]
    assert "'rita' changed governance by a recovery key" in found["detail"]
    assert two.codes(None, "main") == set()


def test_past_the_harness_it_fails(two: Office) -> None:
    """The same change as a plain commit that an owner signed, or with the other's statement taken out."""
    held = policy(two, POLICY, who="olive", code=13)
    base = two.head
    two.good("approve", held, who="wanda")
    commit, message = two.head, two.git("log", "-1", "--format=%B")
    two.git("update-ref", "refs/heads/main", base)
    two.git("reset", "-q", "--hard")
    signing = two.signing("wanda")
    for text in ("mine alone", message):
        (two.folder / ".githarness/policies/main.yaml").write_text(POLICY)
        two.git("-c", "core.hooksPath=/dev/null", *signing, "commit", "-q", "-S", "-am", text)
        assert "needs-approval" in two.codes(base, "main")
        two.git("reset", "-q", "--hard", base)
    assert two.codes(base, commit) == set()
