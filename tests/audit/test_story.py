"""What a sentence of the log says: who acted, what they did, and to whom, also where it is told in git."""

from __future__ import annotations

import pytest

from githarness.audit import line
from githarness.audit.line import Leaf
from githarness.work import audit_story

GRANT = {"grant": "g-1", "allow": ["write"], "paths": ["docs/**"], "why": "the list moved"}
GIVEN = "write on docs/**, grant g-1: the list moved"


def leaf(kind: str, agent: str | None, human: str | None, **fields: object) -> Leaf:
    return Leaf(1, "e-1", 0.0, kind, agent, human, None, None, None, None, None, line.safe(fields), b"")


DEEDS = {
    "grant": (GRANT, f"olive granted deployer {GIVEN}"),
    "revoke": (GRANT, f"olive took from deployer {GIVEN}"),
    "quarantine": ({"why": "wrote nonsense"}, "olive quarantined deployer: wrote nonsense"),
    "release": ({"why": "mended"}, "olive released deployer: mended"),
}


@pytest.mark.parametrize("kind", DEEDS)
def test_a_deed_names_the_person_before_the_agent(kind: str) -> None:
    """Who did it, what, to which agent, in this order."""
    fields, told = DEEDS[kind]
    assert audit_story.sentence(leaf(kind, "deployer", "olive", **fields)) == told


@pytest.mark.parametrize(("verdict", "deed"), [("approve", "approved"), ("reject", "rejected")])
def test_a_verdict_names_who_gave_it_and_who_asked(verdict: str, deed: str) -> None:
    """The person first; what people propose themselves names no agent."""
    said = {"verdict": verdict, "rule": "books", "paths": ["a.md"], "why": "seen"}
    told = audit_story.sentence(leaf("approval", "deployer", "otto", **said))
    assert told == f"otto {deed} what deployer asked for: a.md, by books: seen"
    told = audit_story.sentence(leaf("approval", None, "otto", **said))
    assert told == f"otto {deed} what a person asked for: a.md, by books: seen"


@pytest.mark.parametrize("kind", ["quarantine", "revoke"])
def test_without_a_person_it_was_githarness(kind: str) -> None:
    """A stop by a limit is nobody's deed, and never the agent's own."""
    told = audit_story.sentence(leaf(kind, "deployer", None, why="too many writes"))
    assert told.startswith("githarness ") and told.endswith(" deployer: too many writes")


def test_a_grant_without_its_agent_is_its_owners_deed() -> None:
    """Revoked while it did not load: who did it is known all the same."""
    assert audit_story.sentence(leaf("revoke", None, "olive", grant="g-1")) == "olive revoke, grant g-1"


def test_git_tells_the_same_story() -> None:
    """The message of a seal has actor and deed of each line, as `audit log` has."""
    told = list(audit_story.told_of(leaf("release", "deployer", "olive", why="mended")))
    assert told == ["1970-01-01T00:00:00Z olive released deployer: mended"]


USES = {
    "get": ({}, "bot read secret ci/token version 3, by book/ci"),
    "exec": ({}, "bot ran a program with secret ci/token version 3, by book/ci"),
    "sign": ({}, "bot signed with secret ci/token version 3, by book/ci"),
    "proxy": ({"host": "api.example.org", "method": "GET", "path": "/v1/me"},
              "bot used secret ci/token version 3 for GET api.example.org/v1/me, by book/ci"),
}


@pytest.mark.parametrize("mode", USES)
def test_a_use_of_a_secret_says_what_was_done_with_it(mode: str) -> None:
    """By mode: whether the value was handed out, or used on the agent's behalf."""
    more, told = USES[mode]
    fields = {"secret": "ci/token", "version": 3, "mode": mode, "rule": "book/ci", **more}
    assert audit_story.sentence(leaf("secret", "bot", None, **fields)) == told


def test_what_an_upstream_answered_is_no_second_use() -> None:
    """The type of its refusal, and for which secret."""
    said = {"secret": "ci/token", "version": 3, "mode": "proxy", "host": "api.example.org", "status": 401}
    told = audit_story.sentence(leaf("secret", "bot", None, **said)._replace(outcome="credential-rejected"))
    assert told == "bot was answered 'credential-rejected' with secret ci/token version 3 for api.example.org"


def test_ended_leases_of_secrets_are_told() -> None:
    """By whom, and whose they were."""
    told = audit_story.sentence(leaf("revoke", None, "olive", what="vault", leases=2, secret="ci/token"))
    assert told == "olive ended 2 leases of secrets: secret ci/token"


@pytest.mark.parametrize(("what", "deed"), [("set", "set"), ("rotate", "changed"), ("rm", "removed")])
def test_who_keeps_secrets_is_told_too(what: str, deed: str) -> None:
    """A record that a person wrote, with its version."""
    told = audit_story.sentence(leaf("secret", None, "olive", secret="ci/token", version=3, what=what))
    assert told == f"olive {deed} secret ci/token version 3"


def test_a_crowd_of_uses_is_counted() -> None:
    """One event for many alike says how many they were."""
    told = audit_story.sentence(leaf("secret", "bot", None, secret="ci/token", version=3, mode="get", uses=40))
    assert told == "bot read secret ci/token version 3, 40 times"


def test_a_denied_secret_is_named() -> None:
    """Not the path of the request that it was for."""
    said = {"secret": "ci/token", "mode": "get", "rule": "default-deny"}
    told = audit_story.sentence(leaf("denial", "bot", None, **said))
    assert told == "bot was denied secret ci/token, by default-deny"


def test_a_rollback_of_many_files_keeps_its_commit() -> None:
    """It is told as one, and paths give way to what stands behind them."""
    paths = [{"path": f"content/runbooks/node/NodeFilesystem{number:04}.md"} for number in range(40)]
    one = leaf("intent", None, "olive", what="rollback", paths=paths, rule="human:owner")._replace(commit="ab" * 20)
    (told,) = audit_story.told_of(one._replace(outcome="landed"))
    assert "olive rolled back content/" in told
    assert told.endswith("0005.md and 34 more, by human:owner, commit " + "ab" * 6)
