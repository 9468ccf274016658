"""Run records: one execution of an agent, on whose behalf, with its token, from start to outcome."""

from __future__ import annotations

import contextlib
import os
import secrets
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from githarness import clock
from githarness.errors import Conflict, Denied, HarnessError, NotFound
from githarness.git import refs
from githarness.git.repo import Repo
from githarness.store import bases, counts, runs
from githarness.store.db import Connection
from githarness.store.rows import RunRow
from githarness.store.stops import Stop
from githarness.work import breaker, ends
from githarness.work.changed import book_of
from githarness.work.parts import Parts
from githarness.work.permit import Permit
from githarness.work.runbook import ASSERTED, name_of, tier, token_hash


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


def start(parts: Parts, agent: str, *, head: str, cause: Cause | None = None, runner: Runner | None = None) -> RunRow:
    """A new run at `head`, its token in `token_file`.

    Raises NotFound; Denied for an agent that was retired or has expired, an ended cause, one that hides the run that it
    is started in; Quarantined.
    """
    governance = parts.governed.at(head)
    ends.note(parts.db, governance.ends, parts.clock)
    now, token = parts.clock.now(), secrets.token_urlsafe(32)
    row = RunRow(clock.new_id("r", now), agent, now, tier="T1", start_commit=head, token_hash=token_hash(token))
    if runner:
        row = replace(row, pid=runner.pid, pid_start=clock.process_start(runner.pid), command=_shown(runner.command))
    with parts.db.write() as conn:
        permit = Permit.of(governance, conn, parts.clock, now)
        permit.agent(agent)
        if cause:
            row = replace(row, parent=cause.run, chain=_chain(conn, get(conn, cause.run), cause))
            permit.chain([name_of(link) for link in row.chain], agent)
        runs.add(conn, row)
    _write_token(parts.repo, row.id, token)
    return row


def place(parts: Parts, row: RunRow, worktree: Path) -> RunRow:
    """From here on what is in the worktree is the agent's."""
    with parts.db.write() as conn:
        runs.placed(conn, row.id, str(worktree))
    return replace(row, worktree=str(worktree))


def _shown(command: Sequence[str]) -> str:
    return shlex.join(command)[:1000].encode("utf-8", "backslashreplace").decode()


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


def finish(parts: Parts, run: str, status: str, *, note: str = "") -> RunRow:
    """Ends an open run, once. Raises NotFound, Conflict where it ended otherwise before."""
    with parts.db.write() as conn:
        row = get(conn, run)
        if row.status not in ("open", status):
            raise Conflict(f"run '{run}' has finished already ({row.status})", fix=f"githarness runs show {run}")
        if runs.finish(conn, run, status, parts.clock.now(), note):
            bases.forget(conn, book_of(run))
            breaker.keep(conn, _tripped(parts, conn, row.agent))
        row = get(conn, run)
    token_file(parts.repo, run).unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        token_file(parts.repo, run).parent.rmdir()
    return row


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
