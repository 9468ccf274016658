"""Attacks on approvals, by their numbers in docs/attacks.md: at the landing, and in a fresh clone that verifies it."""

from __future__ import annotations

import json
import multiprocessing
import os
import re
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from githarness import clock
from githarness.errors import HarnessError
from githarness.git.reader import Reader
from githarness.git.repo import discover
from githarness.policy import approval
from githarness.seal.commits import signed_commit, split_commit
from githarness.work import approvals, hub_receive
from githarness.work.approvals import Proposal
from githarness.work.hub import load
from githarness.work.hub_receive import Update
from githarness.work.judge_approval import LATE
from githarness.work.judge_range import Bench
from tests.approvals.conftest import POLICY, RUNBOOK, Clone, Office
from tests.conftest import run_git

Change = Callable[[str], str]


def landed(office: Office, content: str = "build\nship\n") -> str:
    office.good("approve", office.propose(content), who="otto")
    return office.head


def forged(office: Office, commit: str, *, message: Change = str, statement: Change | None = str,
           more: dict[str, str] | None = None, parent: str = "", when: int = 0, agent: str = "deployer") -> str:
    """`commit` made anew by whoever has the agent's key: with another message, statement, further files or parent."""
    path, text = office.statement(commit)
    index = {"GIT_INDEX_FILE": str(office.folder / ".git/forged")}
    lines = [f"0 {'0' * 40}\t{path}"] if statement is None or statement(text) != text else []
    for file, content in ({path: statement(text)} if statement and statement(text) != text else {}).items():
        lines = [f"100644 {office.git('hash-object', '-w', '--stdin', stdin=content)}\t{file}"]
    for file, content in (more or {}).items():
        lines.append(f"100644 {office.git('hash-object', '-w', '--stdin', stdin=content)}\t{file}")
    before = os.environ.copy()
    os.environ.update(index)
    try:
        office.git("read-tree", commit)
        office.git("update-index", "--index-info", stdin="".join(line + "\n" for line in lines))
        tree = office.git("write-tree")
    finally:
        os.environ.clear()
        os.environ.update(before)
    raw = office.git("cat-file", "commit", commit)
    text = message(raw.partition("\n\n")[2] + "\n")
    time = when or int(clock.SYSTEM.now())
    lines = [f"tree {tree}", f"parent {parent or office.git('rev-parse', commit + '~1')}",
             f"author {agent} <{agent}@acme.invalid> {time} +0000",
             f"committer githarness <githarness@acme.invalid> {time} +0000", "", text]
    data = "\n".join(lines).encode()
    return office.git("hash-object", "-t", "commit", "-w", "--stdin",
                      stdin=signed_commit(data, office.signer(agent).sign(data, "git")))


def signed_by(office: Office, who: str, commit: str, **changed: object) -> str:
    """The statement of `commit`, signed anew by `who`, with other content where given."""
    said = replace(approval.parse(office.statement(commit)[1].encode(), office.statement(commit)[0]).statement,
                   **changed)  # type: ignore[arg-type]
    return approval.render(said, office.desk(who).signer.sign(said.payload(), approval.NAMESPACE)).decode()


def test_control_what_was_approved_verifies_in_a_fresh_clone(office: Office, clone: Clone) -> None:
    """An ordinary clone has all that it takes; the commit made anew in the same way verifies too."""
    commit = landed(office)
    assert office.codes(None, "main", clone()) == set()
    assert office.codes(f"{commit}~1", forged(office, commit)) == set()


def test_without_the_statement_it_fails(office: Office) -> None:
    """The file, or the trailer, taken out: the same commit lands nowhere."""
    commit = landed(office)
    no_file = forged(office, commit, statement=None)
    no_trailer = forged(office, commit, message=lambda text: "".join(
        line for line in text.splitlines(keepends=True) if not line.startswith("Approval:")))
    for one in (no_file, no_trailer):
        assert "needs-approval" in office.codes(f"{commit}~1", one)


def test_an_altered_statement_fails(office: Office) -> None:
    """One byte of it, the name in the trailer, a form that says the same: no statement."""
    commit = landed(office)
    longer = forged(office, commit, statement=lambda text: text.replace('"expires":"20', '"expires":"21'))
    spaced = forged(office, commit, statement=lambda text: json.dumps(json.loads(text)) + "\n")
    by_ida = forged(office, commit, message=lambda text: text.replace("by otto", "by ida"))
    for one in (longer, spaced, by_ida):
        assert "needs-approval" in office.codes(f"{commit}~1", one)


def test_g68_a_statement_is_used_once(office: Office) -> None:
    """Rolled back and replayed by whoever has the agent's key: what it says is true again, and it counts no more."""
    commit = landed(office)
    office.good("rollback", "--commit", commit)
    path, _ = office.statement(commit)
    assert office.git("ls-tree", "--name-only", "main", path) == path  # a rollback does not take it away
    again = forged(office, commit, parent=office.head)
    assert "needs-approval" in office.codes("main", again)


def test_g68_a_statement_is_not_freed_by_removing_it(office: Office) -> None:
    """Not even an owner's commit may take it away: then it could be used again."""
    commit = landed(office)
    path, _ = office.statement(commit)
    assert office.cli("delete", path, "--as", "olive").code == 10
    office.git("rm", "-q", path)
    office.git(*office.signing("olive"), "commit", "-q", "-S", "-m", "tidy up")
    assert office.codes(commit, "main") == {"governance"}


def test_g68_a_statement_has_one_place(office: Office) -> None:
    """Brought under another name, it could be brought again under its own."""
    commit = landed(office)
    _, text = office.statement(commit)
    for name in ("x/", "x"):
        path = office.statement(commit)[0].replace("approvals/", f"approvals/{name}")
        made = forged(office, commit, statement=None, more={path: text})
        assert "needs-approval" in office.codes(f"{commit}~1", made)


def test_g68_a_side_branch_does_not_use_it_again(office: Office) -> None:
    """Built on a commit from before its use, it fails where it lands on the branch that has used it."""
    commit = landed(office)
    twin = forged(office, commit, message=lambda text: text.replace("write runbooks", "once more, runbooks"))
    assert "needs-approval" in office.codes(commit, twin)


def _approve(office: Office, who: str, held: str, results: multiprocessing.Queue[str]) -> None:
    try:
        done = approvals.approve(office.desk(who), held)
        results.put(done.written.commit or "" if done.written else "waits")
    except HarnessError as error:
        results.put(error.code)


def test_g68_two_approve_at_once(office: Office) -> None:
    """One landing, whoever wins; the other one is told."""
    held = office.propose("build\nship\n")
    before = int(office.git("rev-list", "--count", "main"))
    results: multiprocessing.Queue[str] = multiprocessing.get_context("fork").Queue()
    workers = [multiprocessing.get_context("fork").Process(target=_approve, args=(office, who, held, results))
               for who in ("otto", "ida")]
    for worker in workers:
        worker.start()
    said = {results.get(timeout=60) for _ in workers}
    for worker in workers:
        worker.join()
    assert office.head in said and said <= {office.head, "conflict", "not-found", "stale-write"}
    assert int(office.git("rev-list", "--count", "main")) == before + 1
    assert office.refs() == [] and office.codes(None, "main") == set()


def test_g69_it_is_about_one_diff(office: Office) -> None:
    """Other content, another path beside it, another mode: not what was approved."""
    commit = landed(office)
    for more in ({RUNBOOK: "build\n"}, {"runbooks/evil.md": "x\n"}, {"notes.md": "x\n"}):
        assert "needs-approval" in office.codes(f"{commit}~1", forged(office, commit, more=more))


def test_g69_the_base_moved(office: Office) -> None:
    """The path changed since: void, what was signed is useless, the change merged is proposed anew and has to be
    approved itself."""
    held = office.propose("build\ntest\nship it\n")
    (office.folder / RUNBOOK).write_text("prepare\nbuild\ntest\nship\n")
    office.git("-c", "core.hooksPath=/dev/null", "commit", "-qam", "by hand")
    done = office.cli("approve", held, "--json", who="otto")
    error = done.json["error"]
    assert "void" in error["details"], error
    assert (done.code, error["details"]["void"]) == (11, f"'{RUNBOOK}' changed since it was proposed")
    new = error["details"]["held"]
    assert new != held and office.refs() == [f"refs/githarness/held/{new}"]
    office.good("approve", new, who="otto")
    assert office.git("show", f"main:{RUNBOOK}") == "prepare\nbuild\ntest\nship it"
    assert office.codes(None, "main") == set()


def test_g69_control_writes_elsewhere_do_not_void_it(office: Office) -> None:
    """Another file by another agent in between: the first of two statements still counts."""
    held = office.propose("k\n", "keys/a.pub")
    office.good("approve", held, who="otto")
    office.good("write", "notes.md", "--agent", "scribe", stdin="n\n")
    office.good("approve", held, who="ida")
    assert office.git("show", "main:keys/a.pub") == "k" and office.codes(None, "main") == set()


def test_g69_the_policy_changed(office: Office) -> None:
    """What was approved under one policy does not land under another."""
    held = office.propose("k\n", "keys/a.pub")
    office.good("approve", held, who="otto")
    office.good("write", ".githarness/policies/main.yaml", "--as", "olive", "--if-match",
                office.git("rev-parse", "main:.githarness/policies/main.yaml"), stdin=POLICY + "# new\n")
    done = office.cli("approve", held, "--json", who="ida")
    new = done.json["error"]["details"]["held"]
    assert done.code == 11 and "the governance changed" in done.json["error"]["details"]["void"]
    assert "1 more" in office.good("approve", new, "--json", who="ida").json["waits"]


def test_g69_a_statement_of_another_time_or_policy_fails(office: Office) -> None:
    """Signed by the right person, but expired when the commit was made, not yet good, or of another policy."""
    commit = landed(office)
    now = float(int(clock.SYSTEM.now()))
    changes: list[dict[str, object]] = [
        {"time": now - 9000, "expires": now - 60}, {"time": now + 90000, "expires": now + 99999},
        {"policy": "sha256:" + "0" * 64}, {"verdict": "reject"}, {"agent": "scribe"}, {"ref": "refs/heads/other"}]
    for changed in changes:
        text = signed_by(office, "otto", commit, **changed)
        assert "needs-approval" in office.codes(f"{commit}~1", forged(office, commit, statement=lambda _, t=text: t))


@pytest.fixture
def hub(office: Office, tmp_path: Path) -> Path:
    """A hub with the governed branch as it is before anything was approved."""
    office.good("hub", "init", str(tmp_path / "hub.git"))
    office.git("push", "-q", "--no-verify", str(tmp_path / "hub.git"), "main")
    return tmp_path / "hub.git"


def _received(office: Office, hub: Path, commit: str, when: float) -> set[str]:
    """What the hub says to `commit` by a clock that shows `when`."""
    office.git("push", "-q", "--no-verify", str(hub), f"{commit}:refs/githarness/held/h-here")
    repo = discover(hub)
    update = Update(run_git(hub, "rev-parse", "main"), commit, "refs/heads/main")
    found = hub_receive.receive(repo, load(repo.home), [update], Bench(Reader(repo), when))
    return {one.code for one in found}


def test_g69_an_old_statement_comes_to_no_hub(office: Office, hub: Path) -> None:
    """Landed in time, it has a day from its end to be pushed; later nobody can tell it from one used only now."""
    commit = landed(office)
    ended = approval.parse(office.statement(commit)[1].encode(), office.statement(commit)[0]).statement.expires
    assert _received(office, hub, commit, ended + LATE - 60) == set()
    assert _received(office, hub, commit, ended + LATE + 60) == {"needs-approval"}


def test_g69_control_what_a_hub_took_in_time_lands_there_later(office: Office, hub: Path) -> None:
    """It came by a side branch, and is merged a month after."""
    commit = landed(office)
    office.git("push", "-q", "--no-verify", str(hub), f"{commit}:refs/heads/side")
    assert _received(office, hub, commit, clock.SYSTEM.now() + 30 * LATE) == set()


def test_g72_an_agent_approves_nothing(office: Office) -> None:
    """Neither in an agent's environment, nor by an agent's key in a person's name."""
    held = office.propose("build\nship\n")
    done = office.cli("approve", held, who="otto", GITHARNESS_AGENT="scribe")
    assert done.code == 10 and "an agent approves nothing" in done.err
    desk = replace(office.desk("otto"), signer=office.signer("scribe"))
    with pytest.raises(HarnessError):
        approvals.land(desk.parts, desk.git, desk.lane, _signed(desk, held))
    assert office.git("log", "--format=%s", "main").count("write runbooks") == 0


def _signed(desk: approvals.Desk, held: str) -> Proposal:
    approvals._sign(desk, approvals._found(desk, held), "approve", "", 60.0)
    return approvals._found(desk, held)


def test_g72_an_agents_key_in_a_commit_fails(office: Office) -> None:
    """A commit with a statement that an agent signed in otto's name, or a stranger in their own."""
    commit = landed(office)
    said = approval.parse(office.statement(commit)[1].encode(), office.statement(commit)[0]).statement
    by_agent = approval.render(said, office.signer("scribe").sign(said.payload(), approval.NAMESPACE)).decode()
    assert "needs-approval" in office.codes(f"{commit}~1", forged(office, commit, statement=lambda _: by_agent))
    wrong_use = approval.render(said, office.desk("otto").signer.sign(said.payload(), "git")).decode()
    assert "needs-approval" in office.codes(f"{commit}~1", forged(office, commit, statement=lambda _: wrong_use))


def test_g72_who_has_a_part_in_it_does_not_approve(office: Office) -> None:
    """A person on whose behalf the agent acts; at the desk, and in the verifier."""
    office.good("read", RUNBOOK, "--agent", "deployer")
    done = office.cli("write", RUNBOOK, "--agent", "deployer", "--on-behalf-of", "human:otto", "--json", stdin="b\n")
    held = done.json["error"]["details"]["held"]
    refused = office.cli("approve", held, "--json", who="otto")
    assert (refused.code, refused.json["error"]["details"]["rule"]) == (10, "separation-of-duties")
    office.good("approve", held, who="ida")
    commit = office.head
    by_otto = signed_by(office, "otto", commit, approver="otto")
    swapped = forged(office, commit, statement=lambda _: by_otto,
                     message=lambda text: text.replace("by ida", "by otto"))
    assert "needs-approval" in office.codes(f"{commit}~1", swapped)


def test_g72_a_retired_or_too_low_person_does_not_count(office: Office) -> None:
    """Retired between the signature and the landing: it takes somebody else; a contributor never could."""
    office.good("human", "add", "carl", "--mail", "carl@example.org", "--role", "contributor")
    held = office.propose("k\n", "keys/a.pub")
    assert office.cli("approve", held, who="carl").code == 10
    office.good("approve", held, who="otto")
    office.good("human", "retire", "otto")
    done = office.cli("approve", held, "--json", who="ida")  # identities are governance: it is proposed anew
    new = done.json["error"]["details"]["held"]
    assert done.code == 11 and "1 more" in office.good("approve", new, "--json", who="ida").json["waits"]
    assert office.cli("approve", new, who="otto").code == 10


def test_g73_time_that_passes_decides_nothing(office: Office) -> None:
    """An expired statement is neither an approval nor a rejection: the change waits on."""
    held = office.propose("k\n", "keys/a.pub")
    assert approvals.approve(office.desk("otto"), held, lasts=-1.0).written is None
    assert approvals.approve(office.desk("ida"), held).written is None
    listed = office.good("proposals", "--json").json["items"]
    assert [(one["id"], one["approved"], one["void"]) for one in listed] == [(held, ["ida"], None)]
    assert office.cli("held", "retry", held).code == 13


def test_g74_what_somebody_else_puts_over_a_statement_counts_for_nothing(office: Office) -> None:
    """Statements are signed one by one: overwritten, or under another's name, they say what they say."""
    held = office.propose("k\n", "keys/a.pub")
    office.good("approve", held, who="otto")
    ref = f"refs/githarness/statements/{held}"
    office.git("update-ref", f"{ref}/ida", f"{ref}/otto")
    assert office.good("proposals", "--json").json["items"][0]["approved"] == ["otto", "otto"]
    assert office.cli("held", "retry", held).code == 13
    office.git("update-ref", f"{ref}/otto", "main")
    office.git("update-ref", "-d", f"{ref}/ida")
    assert office.good("proposals", "--json").json["items"][0]["approved"] == []


def test_g75_one_approval_is_for_one_change(office: Office) -> None:
    """Of two proposals the other one still waits, and what was signed for one is not moved to the other."""
    one, other = office.propose("build\nship\n"), office.propose("b\n", "runbooks/b.md")
    office.good("approve", one, who="otto")
    assert [item["id"] for item in office.good("proposals", "--json").json["items"]] == [other]
    assert office.cli("approve", one, other, who="otto").code == 2
    assert "needs-approval" in office.codes("main~1", forged(office, office.head, more={"runbooks/b.md": "b\n"}))


def test_the_statement_is_all_that_an_agent_may_put_there(office: Office) -> None:
    """Another file beside it, or an old one with new content, is governance as ever."""
    commit = landed(office)
    more = forged(office, commit, more={".githarness/approvals/a-1.json": "{}\n"})
    assert "denied" in office.codes(f"{commit}~1", more)
    path, text = office.statement(commit)
    office.good("read", RUNBOOK, "--agent", "deployer")
    refused = office.cli("write", path, "--agent", "deployer", "--if-match", office.git("rev-parse", f"main:{path}"),
                         stdin=text.replace("otto", "ida"))
    assert refused.code == 10




def test_g69_what_was_asked_is_what_was_done(office: Office) -> None:
    """A held deletion that whoever has the agent's key relabels: people may approve an append here, and nobody may
    let a runbook go."""
    rules = POLICY.replace("actions: [write, append, delete, rename]\n    paths", "actions: [append]\n    paths")
    office.good("write", ".githarness/policies/main.yaml", "--as", "olive", stdin=rules + (
        "  - {id: keep, effect: deny, actions: [write, delete, rename], paths: ['runbooks/**']}\n"))
    office.good("read", RUNBOOK, "--agent", "deployer")
    done = office.cli("append", RUNBOOK, "--agent", "deployer", "--json", stdin="more\n")
    held = done.json["error"]["details"]["held"]
    ref = f"refs/githarness/held/{held}"
    base = office.git("rev-parse", f"{ref}~1")
    payload = split_commit((office.git("cat-file", "commit", ref) + "\n").encode())[0]
    index = os.environ | {"GIT_INDEX_FILE": str(office.folder / ".git/forged")}
    for words in (["read-tree", base], ["update-index", "--force-remove", RUNBOOK]):
        subprocess.run(["git", *words], cwd=office.folder, env=index, check=True)
    tree = subprocess.run(["git", "write-tree"], cwd=office.folder, env=index, check=True, capture_output=True,
                          text=True).stdout.strip()
    data = re.sub(rb"^tree \w+", f"tree {tree}".encode(), payload)
    made = office.git("hash-object", "-t", "commit", "-w", "--stdin",
                      stdin=signed_commit(data, office.signer().sign(data, "git")))
    office.git("update-ref", ref, made)
    assert office.cli("approve", held, who="otto").code == 10
    assert office.git("ls-tree", "--name-only", "main", RUNBOOK) == RUNBOOK
