"""Run records: one execution of an agent, on whose behalf, with its token, from start to outcome."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from githarness import canon, clock
from githarness.canon import Json
from githarness.errors import Conflict, Denied, HarnessError, NotFound
from githarness.git import refs
from githarness.git.repo import Repo
from githarness.store import bases, counts, events, leases, runs
from githarness.store.db import Connection
from githarness.store.rows import RunRow
from githarness.store.stops import Stop
from githarness.work import breaker, ends, guard
from githarness.work.changed import book_of
from githarness.work.parts import Parts
from githarness.work.permit import Permit
from githarness.work.runbook import ASSERTED, name_of, tier, token_hash

LONGEST = 100_000  # characters of a command that are kept


@dataclass(frozen=True, slots=True)
class Cause:
    """The run that starts another; `token`: what proves that it is that run, where the caller has one."""

    run: str
    token: str | None = None
    within: str | None = None  # the run that this process is part of, where there is one


@dataclass(frozen=True, slots=True)
class Runner:
    """The process that will end the run."""

    pid: int
    command: Sequence[str]


@dataclass(frozen=True, slots=True)
class Errand:
    """What a run is for. `once`: a key of work that is done once. `after`: the run that it repeats, or `resumes`: then
    it goes on in the other's worktree, with what that has seen."""

    once: str | None = None
    after: RunRow | None = None
    retries: int | None = None
    resumes: bool = False


_NOTHING = Errand()


def start(parts: Parts, agent: str, *, head: str, cause: Cause | None = None, runner: Runner | None = None,
          errand: Errand = _NOTHING) -> RunRow:
    """A new run at `head`, its token in `token_file`.

    Raises NotFound; Denied for an agent that was retired or has expired, an ended cause, one that hides the run that it
    is started in; Quarantined, Paused; Conflict where what is to be done once was begun before.
    """
    governance = parts.governed.at(head)
    ends.note(parts.db, governance.ends, parts.clock)
    now, token = parts.clock.now(), secrets.token_urlsafe(32)
    row = RunRow(clock.new_id("r", now), agent, now, tier="T1", start_commit=head, token_hash=token_hash(token),
                 boot=clock.boot_id(), beat=parts.clock.boot(), retries=errand.retries, once_key=errand.once)
    if runner:
        row = row._replace(pid=runner.pid, pid_start=clock.process_start(runner.pid), command=_shown(runner.command))
    with parts.db.write() as conn:
        permit = Permit.of(governance, conn, parts.clock, now)
        permit.agent(agent)
        if cause:
            row = row._replace(parent=cause.run, chain=_chain(conn, get(conn, cause.run), cause))
        row = _repeated(conn, row, errand)
        permit.chain([name_of(link) for link in row.chain], agent)
        runs.add(conn, row)
        events.add(conn, [guard.event(row, now, "start")])
    _write_token(parts.repo, row.id, token)
    return row


def _repeated(conn: Connection, row: RunRow, errand: Errand) -> RunRow:
    """With what it takes over of the run before it. Raises Conflict."""
    before = errand.after
    if errand.once and (there := runs.doing(conn, errand.once)) and (before is None or there.id != before.id):
        if not guard.is_gone(there) or there.worktree or there.pid is None:
            raise _begun(there)
        runs.free_key(conn, there.id)  # its runner was killed before the command began
    if before is None:
        return row._replace(attempt=1 if errand.retries else None)
    row = row._replace(parent=before.id, chain=before.chain, attempt=(before.attempt or 1) + 1)
    runs.free_key(conn, before.id)
    if errand.resumes:
        row = row._replace(start_commit=before.start_commit, worktree=before.worktree)
        for book in (str, book_of):
            bases.hand_over(conn, book(before.id), book(row.id))
            bases.forget(conn, book(before.id))
        runs.finish(conn, before.id, "interrupted", row.started, f"resumed as {row.id}", before.outcome)
        runs.placed(conn, before.id, None)
        leases.end_of_run(conn, before.id)
    return row


def not_begun(parts: Parts, row: RunRow) -> None:
    """Its command was not there: what is to be done once is still to be done."""
    if row.once_key and (row.attempt or 1) == 1:
        with parts.db.write() as conn:
            runs.free_key(conn, row.id)


def _begun(row: RunRow) -> Conflict:
    """How the first one ended, as far as anybody can know: one that was interrupted may have done it or not."""
    unknown = row.status == "interrupted" or (row.status == "open" and guard.is_gone(row))
    outcome = "unknown" if unknown else row.status
    said = {"unknown": "was interrupted, and nobody knows how far it came", "open": "is doing it"}.get(
        outcome, f"has ended ({outcome})")
    fix = (f"look what it did, then githarness runs finish {row.id} --status ok|failed, as an operator" if unknown
           else f"githarness runs show {row.id}")
    found = {**json.loads(row.outcome or "{}")}
    return Conflict(f"'{row.once_key}' is done once, and run '{row.id}' {said}", fix=fix, details={
        "once": row.once_key, "run": row.id, "outcome": outcome, "exit": found.get("exit"),
        "commit": found.get("commit"), "note": row.note})


def place(parts: Parts, row: RunRow, worktree: Path) -> RunRow:
    """From here on what is in the worktree is the agent's."""
    with parts.db.write() as conn:
        runs.placed(conn, row.id, str(worktree))
    return row._replace(worktree=str(worktree))


def _shown(command: Sequence[str]) -> str:
    return shlex.join(command)[:LONGEST].encode("utf-8", "backslashreplace").decode()


def _chain(conn: Connection, parent: RunRow, cause: Cause) -> tuple[str, ...]:
    if cause.within and not _is_within(conn, parent, cause.within):
        raise Denied(f"run '{parent.id}' is not from run '{cause.within}', in which this one is started",
                     fix="leave --parent out: the run that it is started in is its cause")
    proven = tier(parent, cause.token) != "T0"
    if parent.status != "open":
        raise Denied(f"run '{parent.id}' has finished ({parent.status}) and can start no other",
                     fix="githarness runs list")
    return (*parent.chain, parent.agent if proven else f"{parent.agent} {ASSERTED}")


def _is_within(conn: Connection, row: RunRow | None, run: str) -> bool:
    while row and row.id != run:
        row = runs.get(conn, row.parent) if row.parent else None
    return row is not None


def get(conn: Connection, run: str) -> RunRow:
    row = runs.get(conn, run)
    if row is None:
        raise NotFound(f"no run '{run}'", fix="githarness runs list")
    return row


def finish(parts: Parts, run: str, status: str, *, note: str = "", outcome: Mapping[str, Json] | None = None) -> RunRow:
    """Ends a run that is open or was interrupted, once. Raises NotFound, Conflict where it ended otherwise before."""
    guard_of, now = guard.guards(parts), parts.clock.now()
    with parts.db.write() as conn:
        row = get(conn, run)
        if row.status not in ("open", "interrupted", status):
            raise Conflict(f"run '{run}' has finished already ({row.status})", fix=f"githarness runs show {run}")
        if runs.finish(conn, run, status, now, note, canon.dumps(dict(outcome)) if outcome else None):
            bases.forget(conn, book_of(run))
            leases.end_of_run(conn, run)
            events.add(conn, [guard.event(row, now, status, None if status == "ok" else status)])
            stopped = _tripped(parts, conn, row.agent) if status in guard.FAILURES else []
            breaker.keep(conn, stopped or guard.failing(conn, row.agent, guard_of(row.agent), now))
        row = get(conn, run)
    forget_token(parts.repo, run)
    return row


def forget_token(repo: Repo, run: str) -> None:
    token_file(repo, run).unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        token_file(repo, run).parent.rmdir()


def adopt(parts: Parts, row: RunRow) -> RunRow:
    """A run whose runner is gone is ours to end, and nobody else's. Raises Conflict where it is not."""
    ours = os.getpid(), clock.process_start(os.getpid())
    with parts.db.write() as conn:
        if not guard.is_gone(row) or not runs.adopt(conn, row, ours, clock.boot_id(), parts.clock.boot()):
            raise Conflict(f"run '{row.id}' was not interrupted, or somebody else ends it",
                           fix=f"githarness runs show {row.id}")
        return get(conn, row.id)


def left(parts: Parts, row: RunRow) -> None:
    """An adopted run that did not come to its end is interrupted again; the token of one that did is gone."""
    with parts.db.write() as conn:
        there = get(conn, row.id)
        if there.status == "open" and there.pid == os.getpid():
            runs.interrupt(conn, row.id, parts.clock.now(), there.note or "could not be resumed")
    if there.worktree is None:
        forget_token(parts.repo, row.id)


def _tripped(parts: Parts, conn: Connection, agent: str) -> list[Stop]:
    """Failed runs that pile up stop their agent; where governance does not load it is stopped anyway."""
    with contextlib.suppress(HarnessError):
        rates = parts.governed.at(refs.head(parts.repo.common_dir, parts.ref)).policy.breaker.failures
        found = breaker.tripped(conn, agent, parts.clock.now(), what="failed runs", rates=rates,
                                count=lambda span, most: counts.failures(conn, span, most))
        return [found] if found else []
    return []


def token_file(repo: Repo, run: str) -> Path:
    return repo.home / "runs" / run / "token"


def token_of(repo: Repo, run: str) -> str | None:
    try:
        return token_file(repo, run).read_text(encoding="ascii").strip()
    except FileNotFoundError:
        return None


def _write_token(repo: Repo, run: str, token: str) -> None:
    file = token_file(repo, run)
    file.parent.mkdir(mode=0o700, parents=True)
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w") as stream:
        stream.write(token + "\n")
