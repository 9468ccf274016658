"""A change that people have to approve: held as one, shown with its risks, approved, rejected, landed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from githarness.errors import Unavailable
from githarness.work import approvals, runs
from githarness.work.lane import LocalLane
from githarness.work.runs import Runner
from tests.approvals.conftest import RUNBOOK, Office
from tests.work.worker import Worker


def test_a_write_is_held_and_nothing_else_changes(office: Office) -> None:
    """Exit 13, the rule and who may approve in the message, the branch and the file as they were."""
    before, text = office.head, (office.folder / RUNBOOK).read_text()
    office.good("read", RUNBOOK, "--agent", "deployer")
    done = office.cli("write", RUNBOOK, "--agent", "deployer", "--json", stdin="build\nship\n")
    error = done.json["error"]
    assert (done.code, error["code"], error["details"]["rule"]) == (13, "needs-approval", "main/runbooks")
    assert "two pairs of eyes; it takes 1 of role operator or above; it is held as h-" in error["message"]
    assert office.refs() == [f"refs/githarness/held/{error['details']['held']}"]
    assert (office.head, (office.folder / RUNBOOK).read_text()) == (before, text)


def test_several_paths_are_one_held_change(office: Office) -> None:
    """Also those that need no approval themselves: the change lands whole or not at all."""
    lines = "".join(f'{{"op":"write","path":"{path}","content":"n\\n"}}\n' for path in ("notes.md", "runbooks/b.md"))
    done = office.cli("apply", "--agent", "deployer", "--json", stdin=lines)
    held = done.json["error"]["details"]["held"]
    shown = office.good("held", "show", held, "--json").json
    assert sorted(shown["paths"]) == ["notes.md", "runbooks/b.md"] and len(office.refs()) == 1


def test_the_same_operation_and_the_same_change_keep_their_id(office: Office) -> None:
    """Whoever asks again does not flood the people who decide."""
    first = office.propose("build\nship\n", operation="op-1")
    assert office.propose("build\nship\n", operation="op-1") == first
    assert office.propose("build\nship\n") == first
    assert office.propose("build\nshipped\n") != first


def test_it_lands_as_the_agents_own_write(office: Office) -> None:
    """Author, signature and trailers are those of a write; the statement is in the commit; the refs are gone."""
    held = office.propose("build\nship\n", operation="op-1")
    done = office.good("approve", held, "--why", "looked at it", "--json", who="otto").json
    assert office.git("log", "-1", "--format=%H %an %G?") == f"{done['commit']} deployer G"
    pairs = office.git("log", "-1", "--format=%(trailers:only)").splitlines()
    assert f"Approval: {done['approval']} by otto" in pairs and "Operation: op-1" in pairs
    assert any(pair.startswith("Decision: require_approval rule=main/runbooks grant=- event=e-") for pair in pairs)
    assert office.statement()[0] == f".githarness/approvals/{done['approval']}.json"
    assert office.refs() == [] and (office.folder / RUNBOOK).read_text() == "build\nship\n"
    assert office.codes(None, "main") == set()


def test_repeating_the_operation_gives_the_landed_write(office: Office) -> None:
    """The agent that asks again after the approval is told the commit, and nothing lands twice."""
    held = office.propose("build\nship\n", operation="op-1")
    commit = office.good("approve", held, "--json", who="otto").json["commit"]
    again = office.good("write", RUNBOOK, "--agent", "deployer", "--operation", "op-1", "--json", stdin="build\nship\n")
    assert again.json["commit"] == commit == office.head


def test_two_have_to_approve(office: Office) -> None:
    """One is not enough, the same one twice is one; the second person lands it."""
    held = office.propose("k\n", "keys/a.pub")
    first = office.good("approve", held, "--json", who="otto").json
    again = office.good("approve", held, "--json", who="otto").json
    assert first["commit"] is None and again["commit"] is None and first["approval"] == again["approval"]
    assert "1 more of role operator" in again["waits"]
    assert office.good("approve", held, "--json", who="ida").json["commit"] == office.head
    assert len(office.git("log", "-1", "--format=%(trailers:key=Approval,valueonly)").split("\n")) >= 2
    assert office.codes(None, "main") == set()


def test_a_rejected_change_says_why(office: Office) -> None:
    """It waits no longer; its agent hears why when it asks again, and sees it by its id."""
    held = office.propose("build\nship\n", operation="op-1")
    office.good("reject", held, "--why", "who tests it?", who="otto")
    assert office.good("proposals", "--json").json == {"items": []}
    again = office.cli("write", RUNBOOK, "--agent", "deployer", "--operation", "op-1", stdin="build\nship\n")
    assert again.code == 10 and "rejected by otto: who tests it?" in again.err
    assert "rejected by otto: who tests it?" in office.good("held", "show", held).out
    assert office.cli("approve", held, who="ida").code == 10


def test_a_delete_and_a_rename_wait_too(office: Office) -> None:
    """Both land as what they were, with the trailer of the rename."""
    office.good("approve", office.propose("b\n", "runbooks/b.md"), who="otto")
    office.good("read", RUNBOOK, "--agent", "deployer")
    moved = office.cli("rename", RUNBOOK, "runbooks/r.md", "--agent", "deployer", "--json")
    office.good("approve", moved.json["error"]["details"]["held"], who="otto")
    assert office.git("log", "-1", "--format=%(trailers:key=Rename,valueonly)").strip() == f"{RUNBOOK} => runbooks/r.md"
    office.good("approve", office.propose(None, "runbooks/b.md"), who="otto")
    assert office.git("ls-tree", "--name-only", "main", "runbooks/") == "runbooks/r.md"
    assert office.codes(None, "main") == set()


def test_a_capture_waits_as_one(office: Office) -> None:
    """What the worktree changed is one proposal; another capture finds nothing new; approved, it lands."""
    worker = _begin(office)
    worker.write(RUNBOOK, "build\nship\n")
    worker.write("notes.md", "n\n")
    done = worker.capture()
    assert done.written is None and {one.path for one in done.held} == {RUNBOOK, "notes.md"}
    assert len({one.id for one in done.held}) == 1 and worker.capture().held == ()
    assert approvals.approve(office.desk(), done.held[0].id).written
    assert office.git("show", "main:notes.md") == "n"


def test_an_approval_is_an_event(office: Office) -> None:
    """Who, of what, by which rule; made before anything else happens."""
    held = office.propose("k\n", "keys/a.pub")
    said = office.good("approve", held, "--json", who="otto").json["approval"]
    with office.open().db.read() as conn:
        found = conn.execute("SELECT agent, human, safe FROM events WHERE kind = 'approval'").fetchall()
    assert len(found) == 1 and found[0][:2] == ("deployer", "otto")
    assert all(text in found[0][2] for text in (held, said, '"rule":"main/keys"'))


def test_what_is_pending_comes_with_a_refspec(
    office: Office, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Approved in a clone without the agent's key, pushed, landed where the key is."""
    held = office.propose("build\nship\n")
    other = tmp_path / "other"
    office.git("clone", "-q", ".", str(other))
    there = Office(other)
    there.git("fetch", "-q", "origin", "refs/githarness/held/*:refs/githarness/held/*")
    there.good("init")
    with monkeypatch.context() as patch:  # a host that has the person's key, and not the agent's
        patch.setattr(LocalLane, "signer", _no_key)
        outcome = approvals.approve(there.desk(), held)
    assert outcome.written is None and "push refs/githarness/statements/*" in outcome.why
    there.git("push", "-q", "--no-verify", "origin", "refs/githarness/statements/*:refs/githarness/statements/*")
    office.good("held", "retry", held)
    assert office.statement()[0].endswith(f"{outcome.statement.id}.json") and office.codes(None, "main") == set()


def test_too_few_do_not_land_by_a_retry(office: Office) -> None:
    """`held retry` counts what was signed, no more."""
    held = office.propose("build\nship\n")
    done = office.cli("held", "retry", held)
    assert done.code == 13 and "waits for 1 more" in done.err


def test_hostile_text_does_not_drive_the_terminal(office: Office) -> None:
    """A message and content with escape sequences are shown escaped."""
    office.good("read", RUNBOOK, "--agent", "deployer")
    done = office.cli("write", RUNBOOK, "--agent", "deployer", "-m", "fine\x1b[2K", "--json", stdin="\x1b]0;x\x07\n")
    held = done.json["error"]["details"]["held"]
    shown = office.good("proposals", held)
    listed = office.good("proposals")
    assert "\x1b" not in shown.out + listed.out and "\x07" not in shown.out


def _begin(office: Office) -> Worker:
    harness = office.open()
    row = runs.start(harness.parts, "deployer", head=harness.head(), runner=Runner(os.getpid(), ["test"]))
    tree = (office.folder.parent / "trees" / row.id).resolve()
    harness.git.worktree_add(tree, harness.head())
    return Worker(harness, runs.place(harness.parts, row, tree), tree)


def _no_key(lane: LocalLane, agent: str) -> None:
    raise Unavailable(f"this host holds no key of agent '{agent}'")
