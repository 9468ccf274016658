"""Run records: one execution of an agent, on whose behalf, with its token, from start to outcome."""

from __future__ import annotations

import os
import secrets
from collections.abc import Sequence
from pathlib import Path

from githarness import clock
from githarness.errors import Conflict, Denied, NotFound
from githarness.git.repo import Repo
from githarness.store import bases, runs
from githarness.store.db import Connection
from githarness.store.rows import RunRow
from githarness.work.capture import book_of
from githarness.work.parts import Parts
from githarness.work.runbook import token_hash

OUTCOMES = ("ok", "failed", "cancelled", "timeout")


def start(parts: Parts, agent: str, *, head: str, parent: str | None = None, command: Sequence[str] = ()) -> RunRow:
    """A new run at `head`, its token in `token_file`. Raises NotFound; Denied for a retired agent, an ended parent."""
    known = parts.governed.at(head).agent(agent)
    if known.retired:
        raise Denied(f"agent '{agent}' was retired at {known.retired}", fix="githarness agent list")
    now = parts.clock.now()
    run, token = clock.new_id("r", now), secrets.token_urlsafe(32)
    with parts.db.write() as conn:
        chain = _chain(get(conn, parent)) if parent else ()
        row = RunRow(run, agent, now, parent, chain, tier="T1", start_commit=head, command=" ".join(command)[:1000],
                     token_hash=token_hash(token))
        runs.add(conn, row)
    _write_token(parts.repo, run, token)
    return row


def _chain(parent: RunRow) -> tuple[str, ...]:
    if parent.status != "open":
        raise Denied(f"run '{parent.id}' has finished ({parent.status}) and can start no other",
                     fix="githarness runs list")
    return (*parent.chain, parent.agent)


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
        runs.finish(conn, run, status, parts.clock.now(), note)
        bases.forget(conn, book_of(run))
        row = get(conn, run)
    token_file(parts.repo, run).unlink(missing_ok=True)
    return row


def folder(repo: Repo, run: str) -> Path:
    return repo.home / "runs" / run


def token_file(repo: Repo, run: str) -> Path:
    return folder(repo, run) / "token"


def _write_token(repo: Repo, run: str, token: str) -> None:
    folder(repo, run).mkdir(mode=0o700, parents=True)
    descriptor = os.open(token_file(repo, run), os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(token + "\n")
