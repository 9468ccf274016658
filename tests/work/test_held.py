"""Held changes: kept in git, shown, dropped, tried again and resolved."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from pathlib import Path

import pytest

from githarness import settings, wiring
from githarness.errors import BadPath, Conflict, Integrity, NotFound, StaleWrite, Usage
from githarness.git.objects import Entry, PathChange
from githarness.wiring import Harness
from githarness.work import held
from githarness.work.asks import Ask, Op
from githarness.work.held import Actor, Reason, Resolution
from tests.work.worker import Worker

Git = Callable[..., str]
Other = Callable[..., None]
RUNBOOK = "runbooks/release.md"
NOW = Actor("r-now")


@pytest.fixture
def kept(worker: Worker, other: Other) -> str:
    """The id of a change of the runbook that conflicts with scribe's."""
    other(RUNBOOK, "build\ntheirs\nship\n")
    worker.write(RUNBOOK, "build\nmine\nship\n")
    return worker.capture(message="why I did it\n\nat length").held[0].id


def head_has(git: Git, fleet: Path, path: str) -> str:
    return git(fleet, "cat-file", "blob", f"HEAD:{path}")


def test_it_says_all_about_itself(kept: str, harness: Harness, worker: Worker) -> None:
    """Whose, of which run, why, from which base, with which message; and the same in the list."""
    one = held.show(harness.parts, kept)
    assert (one.agent, one.run, one.why, one.base) == ("deployer", worker.row.id, "conflict", worker.row.start_commit)
    assert one.message == "why I did it\n\nat length" and [change.path for change in one.changes] == [RUNBOOK]
    assert held.listed(harness.parts) == [one]


def test_the_commit_is_the_agents_and_signed(kept: str, git: Git, fleet: Path) -> None:
    """Stock git shows whose it is."""
    shown = git(fleet, "log", "-1", "--format=%an %G? %s", f"refs/githarness/held/{kept}")
    assert shown == f"deployer G held: {RUNBOOK}"


def test_it_survives_garbage_collection(kept: str, harness: Harness, git: Git, fleet: Path) -> None:
    """Refs packed, everything unreachable pruned: it is as it was, and can land."""
    before = held.show(harness.parts, kept)
    git(fleet, "pack-refs", "--all", "--prune")
    git(fleet, "gc", "-q", "--prune=now")
    harness.local.maintain()
    opened = wiring.open(fleet, settings.load())
    assert held.show(opened.parts, kept) == before and held.listed(opened.parts) == [before]
    held.drop(opened.parts, opened.git, kept)
    assert held.listed(opened.parts) == []
    opened.close()


def test_a_retry_that_still_conflicts_keeps_it(kept: str, harness: Harness) -> None:
    """With both sides in the error."""
    with pytest.raises(Conflict):
        held.retry(harness.parts, harness.git, harness.local, kept, NOW)
    assert [one.id for one in held.listed(harness.parts)] == [kept]


def test_a_retry_lands_once_nothing_stands_against_it(kept: str, harness: Harness, other: Other, git: Git,
                                                      fleet: Path) -> None:
    """Merged into what is there by then, as a write of its agent; then it is no longer held."""
    other(RUNBOOK, "first\nbuild\ntest\nship\n")
    done = held.retry(harness.parts, harness.git, harness.local, kept, NOW)
    assert head_has(git, fleet, RUNBOOK) == "first\nbuild\nmine\nship" and done.paths[0].merged
    assert git(fleet, "log", "-1", "--format=%an %s") == "deployer why I did it" and held.listed(harness.parts) == []


def test_a_resolution_takes_its_place(kept: str, harness: Harness, git: Git, fleet: Path) -> None:
    """Bound to what it was made of, where that is said."""
    current = harness.reader.entry(harness.head(), RUNBOOK)
    assert current is not None
    stale = Resolution(b"both\n", "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391")
    with pytest.raises(StaleWrite):
        held.resolve(harness.parts, harness.git, harness.local, kept, actor=NOW, wanted=stale)
    good = Resolution(b"both\n", current.oid)
    held.resolve(harness.parts, harness.git, harness.local, kept, actor=NOW, wanted=good)
    assert head_has(git, fleet, RUNBOOK) == "both" and held.listed(harness.parts) == []


def test_a_resolution_of_the_agents_own_is_not_captured_again(kept: str, harness: Harness, worker: Worker) -> None:
    """It resolves from its file, which then is what head has."""
    worker.write(RUNBOOK, "build\nboth\nship\n")
    held.resolve(harness.parts, harness.git, harness.local, kept, actor=Actor(worker.row.id),
                 wanted=Resolution(b"build\nboth\nship\n"))
    assert worker.capture().held == ()


def test_a_held_executable_stays_one(worker: Worker, harness: Harness, other: Other, git: Git, fleet: Path) -> None:
    """Resolved where there is no file by now."""
    other("tool", "x\n")
    worker.write("tool", "y\n").chmod(0o755)
    kept = worker.capture().held[0].id
    other("tool", None)
    held.resolve(harness.parts, harness.git, harness.local, kept, actor=NOW, wanted=Resolution(b"z\n"))
    assert git(fleet, "ls-tree", "HEAD", "tool").startswith("100755")


def test_what_can_never_be_an_artifact_stays_held(worker: Worker, harness: Harness) -> None:
    """A link and a bad name refuse by name, in retry and in resolve."""
    (worker.tree / "link").symlink_to("x")
    worker.write("bad\tname", "x\n")
    link, name = sorted(worker.capture().held, key=lambda one: one.path, reverse=True)
    for one, kind in ((link, Usage), (name, BadPath)):
        with pytest.raises(kind):
            held.retry(harness.parts, harness.git, harness.local, one.id, NOW)
    with pytest.raises(BadPath):
        held.resolve(harness.parts, harness.git, harness.local, name.id, actor=NOW, wanted=Resolution(b"x\n"))
    assert len(held.listed(harness.parts)) == 2


def test_what_is_made_on_a_landed_state_goes_by_that(begin: Callable[..., Worker], harness: Harness, other: Other,
                                                     git: Git, fleet: Path) -> None:
    """The run's own earlier capture is not in the diff of what is held later, nor a conflict of its retry."""
    worker = begin()
    worker.write(RUNBOOK, "build\ntest\nship\nmine\n")
    worker.capture()
    other(RUNBOOK, "theirs\ntest\nship\nmine\n")
    worker.write(RUNBOOK, "build mine\ntest\nship\nmine\n")
    kept = worker.capture().held[0].id
    diff = git(fleet, "show", "--format=", "-U0", f"refs/githarness/held/{kept}")
    assert "+build mine" in diff and "+mine" not in diff
    other(RUNBOOK, "build\ntest\nship\nmine\nlast\n")
    held.retry(harness.parts, harness.git, harness.local, kept, NOW)
    assert head_has(git, fleet, RUNBOOK) == "build mine\ntest\nship\nmine\nlast"


def test_a_ref_that_is_no_held_change_is_named(harness: Harness, git: Git, fleet: Path) -> None:
    """Somebody else's ref in that place, and ids that are not there."""
    for name in ("h-nope", "nope", "../heads/main", ""):
        with pytest.raises(NotFound):
            held.show(harness.parts, name)
    git(fleet, "update-ref", "refs/githarness/held/h-x", "HEAD")
    git(fleet, "update-ref", "refs/githarness/held/h-y", "HEAD:" + RUNBOOK)
    with pytest.raises(Integrity, match="h-x"):
        held.show(harness.parts, "h-x")
    assert held.listed(harness.parts) == []


def _hold_some(fleet: Path, number: int) -> None:
    opened = wiring.open(fleet, settings.load())
    base, signer = opened.head(), opened.local.signer("deployer")
    blob = opened.reader.entry(base, RUNBOOK)
    assert blob is not None
    for turn in range(5):
        change = PathChange(f"p{number}-{turn}", None, Entry("100644", blob.oid))
        held.hold(opened.parts, base, [change], Reason("deployer", "r-x", {change.path: "conflict"}, ""), signer)
        op = Op("append", "log", b"x\n")
        opened.local.write(Ask("scribe", f"r-{number}", (op,)))
    opened.close()


def test_holding_and_writing_at_once(harness: Harness, git: Git, fleet: Path) -> None:
    """They share git's ref lock in turns: nothing fails, nothing is lost."""
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_hold_some, args=(fleet, number)) for number in range(3)]
    for one in workers:
        one.start()
    for one in workers:
        one.join()
    assert [one.exitcode for one in workers] == [0, 0, 0]
    assert len(held.listed(harness.parts)) == 15 and head_has(git, fleet, "log").count("x") == 15
    assert git(fleet, "fsck", "--strict", "--no-dangling") == ""
