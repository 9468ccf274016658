"""Run records: who, on whose behalf, with which token, from start to outcome, and what each lets a caller do."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from githarness.errors import Conflict, Denied, NotFound, Usage
from githarness.store import bases, commits
from githarness.store import runs as rows
from githarness.store.rows import RunRow
from githarness.wiring import Harness
from githarness.work import runs
from githarness.work.asks import Ask, Op, ReadAsk
from githarness.work.runs import Cause, Runner

Git = Callable[..., str]
DAY = 86400.0


@pytest.fixture
def start(harness: Harness) -> Callable[..., RunRow]:
    return lambda agent="deployer", **more: runs.start(harness.parts, agent, head=harness.head(), **more)


@pytest.fixture
def append(harness: Harness) -> Callable[..., None]:
    """`append("deployer", run, token)`: a line to a journal."""

    def call(agent: str, run: str, token: str | None = None) -> None:
        harness.local.write(Ask(agent, run, (Op("append", "journal", b"x\n"),), token=token))

    return call


def test_a_token_is_for_its_user_alone(start: Callable[..., RunRow], harness: Harness) -> None:
    """0600 in a folder of the run's own, whatever the umask says; only its hash is in the database."""
    before = os.umask(0)
    try:
        row = start()
    finally:
        os.umask(before)
    file = runs.token_file(harness.repo, row.id)
    modes = [stat.S_IMODE(one.stat().st_mode) for one in (file, file.parent, harness.repo.home)]
    assert modes == [0o600, 0o700, 0o700]
    token = runs.token_of(harness.repo, row.id) or ""
    assert len(token) >= 43 and token.encode() not in (harness.repo.home / "harness.db").read_bytes()
    runs.finish(harness.parts, row.id, "ok")
    assert not file.parent.exists() and runs.token_of(harness.repo, row.id) is None


def test_a_token_proves_the_run(start: Callable[..., RunRow], harness: Harness, append: Callable[..., None], git: Git,
                                fleet: Path) -> None:
    """T1 with it, T0 without, denied with another."""
    row, other = start(), start()
    append("deployer", row.id, runs.token_of(harness.repo, row.id))
    append("deployer", row.id)
    with pytest.raises(Denied, match="token"):
        append("deployer", row.id, runs.token_of(harness.repo, other.id))
    shown = git(fleet, "log", "-2", "--format=%(trailers:key=Tier,valueonly)").split()
    assert shown == ["T0", "T1"]


def test_a_run_that_has_ended_writes_and_reads_no_more(start: Callable[..., RunRow], harness: Harness,
                                                       append: Callable[..., None]) -> None:
    """Nor does it start another, and it ends once."""
    row = start()
    token = runs.token_of(harness.repo, row.id)
    assert runs.finish(harness.parts, row.id, "ok", note="done").note == "done"
    with pytest.raises(Denied, match="has finished"):
        append("deployer", row.id, token)
    with pytest.raises(Denied, match="has finished"):
        harness.local.read(ReadAsk("runbooks/release.md", "deployer", row.id))
    with pytest.raises(Denied, match="has finished"):
        start("scribe", cause=Cause(row.id))
    assert runs.finish(harness.parts, row.id, "ok").note == "done"
    with pytest.raises(Conflict):
        runs.finish(harness.parts, row.id, "failed")
    with pytest.raises(NotFound):
        runs.finish(harness.parts, "r-nope", "ok")


def test_a_run_belongs_to_one_agent(start: Callable[..., RunRow], append: Callable[..., None]) -> None:
    """Another agent is denied."""
    with pytest.raises(Denied, match="belongs to agent 'deployer'"):
        append("scribe", start().id)


def test_an_unknown_run_is_recorded_on_first_use(harness: Harness, append: Callable[..., None]) -> None:
    """As a T0 run of that agent, by a write, a read or a refusal; a name that is no id is refused."""
    append("deployer", "r-nightly")
    harness.local.read(ReadAsk("runbooks/release.md", "scribe", "r-reader"))
    with pytest.raises(Denied, match="may not"):
        harness.local.write(Ask("deployer", "r-refused", (Op("append", ".githarness/x", b"x\n"),)))
    with harness.db.read() as conn:
        found = [runs.get(conn, name) for name in ("r-nightly", "r-reader", "r-refused")]
    assert [(row.agent, row.tier, row.status) for row in found] == [
        ("deployer", "T0", "open"), ("scribe", "T0", "open"), ("deployer", "T0", "open")]
    with pytest.raises(Denied):
        append("scribe", "r-nightly")
    with pytest.raises(Usage):
        append("deployer", "../r")


def test_the_chain_comes_from_the_records(start: Callable[..., RunRow], harness: Harness, append: Callable[..., None],
                                          git: Git, fleet: Path) -> None:
    """Outermost first, in every commit of the innermost run; a parent that nobody proved by its token is asserted."""
    outer = start()
    middle = start("scribe", cause=Cause(outer.id, runs.token_of(harness.repo, outer.id)))
    inner = start("scribe", cause=Cause(middle.id))
    assert (inner.parent, inner.chain) == (middle.id, ("deployer", "scribe asserted"))
    append("scribe", inner.id)
    shown = git(fleet, "log", "-1", "--format=%(trailers:key=On-Behalf-Of,valueonly)").splitlines()
    assert shown == ["deployer", "scribe asserted"]
    harness.fresh_index()
    with harness.db.read() as conn:
        assert commits.log(conn, commits.CommitFilter(limit=1))[0].chain == ("deployer", "scribe")
    with pytest.raises(Denied, match="token"):
        start("scribe", cause=Cause(outer.id, "wrong"))
    with pytest.raises(NotFound):
        start("scribe", cause=Cause("r-nope"))


def test_who_cannot_act_starts_nothing(start: Callable[..., RunRow], harness: Harness, cli: Callable[..., object],
                                       fleet: Path) -> None:
    """An agent that is not there, one that is retired; no record, no token is left."""
    cli("agent", "retire", "scribe", cwd=fleet)
    for name, kind in (("nobody", NotFound), ("scribe", Denied)):
        with pytest.raises(kind):
            start(name)
    assert not (harness.repo.home / "runs").exists()


def test_any_command_line_can_be_recorded(start: Callable[..., RunRow], harness: Harness) -> None:
    """Quoted as a shell takes it, cut, and without what is not UTF-8."""
    row = start(runner=Runner(os.getpid(), ["sh", "-c", "echo a b", os.fsdecode(b"\xff"), "x" * 200_000]))
    with harness.db.read() as conn:
        command = runs.get(conn, row.id).command
    assert command.startswith("sh -c 'echo a b' '\\udcff' xxx") and len(command) < 100_100


def test_bases_of_idle_sessions_are_forgotten(harness: Harness) -> None:
    """By the first run of a day, after thirty without a write; not those of a run with a worktree."""
    now = harness.clock.now()
    with harness.db.write() as conn:
        for name, began, worktree in (("r-idle", 31, None), ("r-tree", 31, "/x"), ("r-busy", 31, None),
                                      ("r-fresh", 0, None)):
            rows.add(conn, RunRow(name, "deployer", now - began * DAY, worktree=worktree))
        for name in ("r-idle", "r-tree", "r-busy", "r-fresh"):
            bases.put(conn, name, {"a.md": "b" * 40})
    harness.local.write(Ask("deployer", "r-busy", (Op("append", "journal", b"x\n"),)))
    with harness.db.write() as conn:
        left = []
        for name, later in (("r-next", 0), ("r-tomorrow", 1)):
            rows.add(conn, RunRow(name, "deployer", now + later * DAY))
            left.append([run for run in ("r-idle", "r-tree", "r-busy", "r-fresh") if bases.seen(conn, run)])
    assert left == [["r-idle", "r-tree", "r-busy", "r-fresh"], ["r-tree", "r-busy", "r-fresh"]]


def test_sessions_that_ended_unsaid_are_forgotten(harness: Harness) -> None:
    """Nobody finishes them; started runs stay, and so does a session that has written since."""
    now = harness.clock.now()
    names = ("r-session-fresh", "r-session-idle", "r-session-busy", "r-started")
    with harness.db.write() as conn:
        for name in names:
            rows.add(conn, RunRow(name, "deployer", now - (0 if "fresh" in name else 31) * DAY))
        bases.put(conn, "r-session-idle", {"a.md": "b" * 40})
    harness.local.write(Ask("deployer", "r-session-busy", (Op("append", "journal", b"x\n"),)))
    with harness.db.write() as conn:
        rows.add(conn, RunRow("r-tomorrow", "deployer", now + DAY))
        assert [name for name in names if rows.get(conn, name) is None] == ["r-session-idle"]
