"""The four questions about a commit or a line: what was read, what changed, who allowed it, does it roll back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from githarness.errors import NotFound, Usage
from githarness.wiring import Harness
from githarness.work import rollback, runs, why
from githarness.work.asks import Ask, Op, ReadAsk
from githarness.work.rollback_select import Selection
from githarness.work.runs import Cause

RUNBOOK = "runbooks/release.md"


@pytest.fixture
def append(harness: Harness) -> Callable[..., str]:
    def add(path: str, text: str, agent: str = "deployer", run: str = "r-1", **more: Any) -> str:
        return harness.local.write(Ask(agent, run, (Op("append", path, text.encode()),), **more)).commit or ""

    return add


def test_the_four_questions(harness: Harness, append: Callable[..., str]) -> None:
    """Reads of the run before the commit with their scope; lines; rule and event; signature; a plan."""
    doc = harness.local.read(ReadAsk(RUNBOOK, "deployer", "r-1"))
    harness.local.read(ReadAsk(RUNBOOK, "deployer", "r-2"))
    oid = append("notes.md", "one\ntwo\n")
    harness.local.read(ReadAsk("notes.md", "deployer", "r-1"))
    found = why.why(harness, oid[:10])
    assert [(one.path, one.blob, one.revision, one.rule) for one in found.reads] == [
        (RUNBOOK, doc.blob, doc.commit, "role:writer")]
    assert [(one.change.path, one.added, one.removed) for one in found.changed] == [("notes.md", 2, 0)]
    assert (found.allowed.effect, found.allowed.rule, found.trailers["Tier"]) == ("allow", "role:writer", "T0")
    assert found.row.signed and found.verdict.violations == () and found.verdict.governed
    assert found.clean and [one.action for one in found.plan.paths] == ["removed"] and found.gap == ""


def test_on_whose_behalf(harness: Harness, append: Callable[..., str]) -> None:
    """What run records prove, and what was only claimed."""
    outer = runs.start(harness.parts, "deployer", head=harness.head())
    inner = runs.start(harness.parts, "scribe", head=harness.head(),
                       cause=Cause(outer.id, runs.token_of(harness.repo, outer.id)))
    assert why.why(harness, append("a.md", "x\n", "scribe", inner.id)).chain == (("deployer", False),)
    claimed = append("a.md", "y\n", "scribe", "r-2", chain=("deployer",))
    assert why.why(harness, claimed).chain == (("deployer", True),)


def test_a_line_is_of_the_commit_that_inserted_it(harness: Harness, append: Callable[..., str]) -> None:
    """Among many that only appended, and below one that came in between; the line is shown."""
    made = [append("log.md", f"line {number}\n") for number in range(1, 8)]
    entry = harness.reader.entry(harness.head(), "log.md")
    text = b"top\n" + b"".join(b"line %d\n" % number for number in range(1, 8))
    top = harness.local.write(Ask("scribe", "r-2", (Op("write", "log.md", text, if_match=entry.oid if entry else ""),)))
    made += [append("log.md", f"line {number}\n") for number in range(8, 12)]
    found = [why.why(harness, f"log.md:{line}").row.oid for line in range(1, 13)]
    assert found == [top.commit, *made]
    origin = why.why(harness, "log.md:3").origin
    assert origin and (origin.line, origin.text) == (3, "line 2")


def test_a_line_keeps_its_commit_through_rename_and_rollback(harness: Harness, append: Callable[..., str]) -> None:
    """What a rollback brought back is of who first wrote it."""
    first = append("old.md", "one\ntwo\n")
    base = harness.reader.entry(harness.head(), "old.md")
    assert base
    harness.local.write(Ask("scribe", "r-2", (Op("rename", "old.md", to="new.md", if_match=base.oid),)))
    bad = harness.local.write(Ask("scribe", "r-2", (Op("write", "new.md", b"one\n", if_match=base.oid),))).commit
    rollback.rollback(harness, Selection(commits=(bad or "",)))
    assert why.why(harness, "new.md:2").row.oid == first


def test_a_path_is_its_last_commit_also_once_it_is_gone(harness: Harness, append: Callable[..., str]) -> None:
    """And a revision of git is a commit."""
    append("a.md", "x\n")
    last = append("a.md", "y\n")
    assert why.why(harness, "a.md").row.oid == why.why(harness, "HEAD").row.oid == last
    base = harness.reader.entry(harness.head(), "a.md")
    gone = harness.local.write(Ask("scribe", "r-2", (Op("delete", "a.md", if_match=base.oid if base else ""),)))
    assert why.why(harness, "a.md").row.oid == gone.commit


def test_what_is_not_there(harness: Harness, append: Callable[..., str]) -> None:
    """No such commit or path, a line too far, and lines of what is no text."""
    append("a.md", "x\n")
    harness.local.write(Ask("scribe", "r-2", (Op("write", "b.bin", b"\0\n", if_match="absent"),)))
    for wrong in ("nope.md", "abcdef12", "a.md:2", "nope.md:1", "-x"):
        with pytest.raises(NotFound):
            why.why(harness, wrong)
    with pytest.raises(Usage):
        why.why(harness, "b.bin:1")
    assert why.why(harness, "b.bin").changed[0].added is None


def test_others_built_on_it(harness: Harness, append: Callable[..., str]) -> None:
    """The plan says that it does not roll back cleanly, and by whom; what is rolled back already has nothing left."""
    oid = append("a.md", "one\n")
    base = harness.reader.entry(harness.head(), "a.md")
    op = Op("write", "a.md", b"1\n", if_match=base.oid if base else "")
    on_top = harness.local.write(Ask("scribe", "r-2", (op,))).commit
    found = why.why(harness, oid)
    assert not found.clean and found.plan.conflicts[0].commits == (oid, on_top)
    other = append("b.md", "x\n")
    rollback.rollback(harness, Selection(commits=(other,)))
    assert [one.why for one in why.why(harness, other).plan.excluded] == ["rolled back already"]


def test_a_commit_past_the_harness_is_told(harness: Harness, git: Callable[..., str], fleet: Path) -> None:
    """It says to be an agent's and nobody signed it: verify's verdict stands beside it."""
    (fleet / "x.md").write_text("x\n")
    git(fleet, "add", "x.md")
    git(fleet, "commit", "-qm", "forged\n\nAgent: deployer\nRun: r-1")
    found = why.why(harness, "x.md:1")
    assert not found.row.signed and "unsigned" in {one.code for one in found.verdict.violations}
    assert found.gap == "it was not written in this clone, or its event is gone"


def test_a_grant_is_told_with_its_end(cli: Any, fleet: Path) -> None:
    """Also once it was revoked: the state before the commit says what it was."""
    cli("agent", "add", "guest", "--role", "reader", cwd=fleet)
    given = cli("grant", "guest", "--allow", "write", "--path", "notes/**", "--for", "1h", "--why", "a trial", "--json",
                cwd=fleet).json
    assert cli("write", "notes/a.md", "--agent", "guest", cwd=fleet, stdin="x\n").code == 0
    assert cli("revoke", given["grant"], cwd=fleet).code == 0
    shown = cli("why", "notes/a.md", "--json", cwd=fleet).json["allowed"]["grant"]
    assert (shown["id"], shown["why"]) == (given["grant"], "a trial")
    assert "until" in cli("why", "notes/a.md", cwd=fleet).out


def test_one_screen(harness: Harness, append: Callable[..., str], cli: Any, fleet: Path) -> None:
    """The answers in the order of the questions, at most 24 lines; with --json one document."""
    for number in range(20):
        append(f"f{number}.md", "x\n", run="r-2")
        harness.local.read(ReadAsk(f"f{number}.md", "deployer", "r-1"))
    oid = append("a.md", "x\n", chain=("scribe",))
    lines = cli("why", "a.md:1", cwd=fleet).out.splitlines()
    assert lines[0] == "a.md:1 | x" and lines[1].startswith(oid[:12]) and len(lines) <= 24
    heads = [line.split("  ")[0] for line in lines if line[:1] not in (" ", "a") and not line.startswith(oid[:12])]
    assert heads == ["read", "changed", "rolls back"] and "    on behalf of scribe (asserted only)" in lines
    document = cli("why", oid, "--json", cwd=fleet).json
    assert document["chain"] == [{"name": "scribe", "asserted": True}] and len(document["read"]["items"]) == 20
    assert document["rollback"]["clean"] and document["signature"]["good"]
