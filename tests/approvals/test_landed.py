"""What has landed is told from what never was held."""

from __future__ import annotations

import pytest

from tests.approvals.conftest import RUNBOOK, Office


@pytest.mark.parametrize("command", ["approve", "reject", "proposals"])
def test_what_has_landed_says_in_which_commit(office: Office, command: str) -> None:
    """Whoever comes late hears that it landed, and where; another name is of nothing."""
    first = office.propose("build\nship\n")
    office.good("approve", first, who="otto")
    landed = office.head
    office.good("approve", office.propose("build\nship\nrest\n"), who="otto")
    done = office.cli(command, first, "--json", who="ida")
    assert (done.code, done.json["error"]["details"]["commit"]) == (11, landed)
    assert done.json["error"]["message"] == f"held change '{first}' has landed as commit {landed}"
    assert office.cli(command, "h-none", who="ida").code == 14


@pytest.mark.parametrize("command", ["approve", "reject"])
def test_a_crash_behind_the_landing_leaves_nothing_that_waits(office: Office, command: str) -> None:
    """The branch has it, and nobody let the held change go: it is no change that was void, and it goes now."""
    held = office.propose("build\nship\n")
    kept = office.git("rev-parse", f"refs/githarness/held/{held}")
    office.good("approve", held, who="otto")
    office.git("update-ref", f"refs/githarness/held/{held}", kept)
    done = office.cli(command, held, "--json", who="otto")
    assert (done.code, done.json["error"]["details"]) == (11, {"held": held, "commit": office.head})
    assert office.refs() == []


def test_what_was_rejected_has_not_landed(office: Office) -> None:
    """It is told as before."""
    held = office.propose("build\nship\n")
    office.good("reject", held, "--why", "no", who="otto")
    assert office.cli("approve", held, who="ida").code == 10


def test_what_others_put_among_held_changes_stops_nothing(office: Office) -> None:
    """Refs that whoever may push to a hub can bring: a commit of anybody, and a change that waits for nobody known. The
    list goes on, and a stop does above all."""
    held = office.propose("build\nship\n")
    top = office.git("rev-parse", f"refs/githarness/held/{held}")
    message = office.git("log", "-1", "--format=%B", top).replace("Approvers: 1 operator", "Approvers: x king")
    odd = office.git("commit-tree", f"{top}^{{tree}}", "-p", f"{top}~1", "-m", message)
    office.git("update-ref", "refs/githarness/held/h-0", "HEAD")
    office.git("update-ref", "refs/githarness/held/h-1", odd)
    for name in (f"{held}/zed", "h-gone/otto"):
        office.git("update-ref", f"refs/githarness/statements/{name}", f"main:{RUNBOOK}")
    assert [one["id"] for one in office.good("proposals", "--json").json["items"]] == [held]
    assert office.good("agent", "quarantine", "deployer", "--why", "x", "--json").json["held"] == [held]


def test_nobody_rejects_in_anothers_name(office: Office) -> None:
    """A ref of a statement that otto never signed: the agent's change waits as any other."""
    held = office.propose("build\nship\n")
    top = office.git("rev-parse", f"refs/githarness/held/{held}")
    office.git("update-ref", "-d", f"refs/githarness/held/{held}")
    forged = office.git("commit-tree", f"{top}^{{tree}}", "-p", top, "-m", f"reject {held}\n\nno\n\nVerdict: reject")
    office.git("update-ref", f"refs/githarness/statements/{held}/otto", forged)
    assert office.propose("build\nship\n") != held


def test_nothing_lands_in_the_name_of_an_agent_that_never_said_it(office: Office) -> None:
    """Held changes that nobody signed, as whoever may push to a hub can bring them: neither approved, retried,
    nor taken for what the agent asks itself."""
    held = office.propose("build\nship\n")
    top = office.git("rev-parse", f"refs/githarness/held/{held}")
    office.good("held", "drop", held)
    message = office.git("log", "-1", "--format=%B", top)
    kept = "\n".join(line for line in message.splitlines() if not line.startswith("Approvers:"))
    for name, text in (("h-0", message), ("h-1", kept)):
        forged = office.git("commit-tree", f"{top}^{{tree}}", "-p", f"{top}~1", "-m", text)
        office.git("update-ref", f"refs/githarness/held/{name}", forged)
    done = office.cli("approve", "h-0", "--json", who="otto")
    assert (done.code, "not signed by agent" in done.out, "anew" in done.out) == (11, True, False)
    assert office.cli("held", "retry", "h-1").code == 10
    assert office.propose("build\nship\n") not in ("h-0", "h-1")
