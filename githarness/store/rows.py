"""The rows of the database as values; their columns have the same names (the tables are in `schema.py`)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


class EventRow(NamedTuple):
    id: str  # e-…
    time: float
    kind: str  # intent | outcome | denial | read | run | …
    agent: str | None = None
    human: str | None = None
    run: str | None = None
    operation: str | None = None
    commit_oid: str | None = None
    intent: str | None = None  # of an outcome: the id of its intent
    outcome: str | None = None  # landed | failed | recovered | retried | an error code
    body: str = "{}"  # canonical JSON; "" once it was purged
    safe: str = "{}"  # what the log shows of it: made by audit.line.safe
    seq: int = 0  # given by the database


@dataclass(frozen=True, slots=True)
class ChangeRow:
    """What a commit did to a path, against its first parent; a mode and an id are both None where nothing is there."""

    path: str
    old_mode: str | None
    old_oid: str | None
    new_mode: str | None
    new_oid: str | None


@dataclass(frozen=True, slots=True)
class CommitRow:
    oid: str
    parents: tuple[str, ...]
    main: bool  # on the first-parent chain of the governed branch
    time: int  # committer time, Unix seconds
    author: str  # "NAME <MAIL>"
    subject: str
    agent: str | None = None  # as the trailer says; `signed` tells what that is worth
    human: str | None = None
    run: str | None = None
    chain: tuple[str, ...] = ()
    operation: str | None = None
    decision: str | None = None
    signed: bool = False  # a good signature by a key of that agent or human
    rolls_back: tuple[str, ...] = ()
    renames: tuple[tuple[str, str], ...] = ()
    changes: tuple[ChangeRow, ...] = ()
    seq: int = 0  # position in the index, oldest first; a commit comes after its parents


class Touch(NamedTuple):
    """What a commit did to one path; histories hold many, so it is what they need of both and no more."""

    seq: int
    oid: str
    parents: tuple[str, ...]
    main: bool
    agent: str | None
    rolls_back: tuple[str, ...]
    renames: tuple[tuple[str, str], ...]
    old_mode: str | None
    old_oid: str | None
    new_mode: str | None
    new_oid: str | None


class RunRow(NamedTuple):
    id: str
    agent: str
    started: float
    parent: str | None = None
    chain: tuple[str, ...] = ()  # outermost first, without the run's own agent
    status: str = "open"  # open | ok | failed | cancelled | timeout | interrupted
    finished: float | None = None
    tier: str = "T0"
    start_commit: str | None = None
    worktree: str | None = None
    pid: int | None = None
    pid_start: int | None = None  # clock.process_start of pid
    command: str = ""
    note: str = ""
    token_hash: str | None = None  # SHA-256 of the bearer token, hex
    boot: str | None = None  # of the machine that it was last heard of on; None for a session, which does not beat
    beat: float | None = None  # when that was, by the clock of that boot
    attempt: int | None = None  # 1 for the first of several
    retries: int | None = None  # how many more were to follow at most
    once_key: str | None = None  # work that is to be done once, in whichever run
    outcome: str | None = None  # canonical JSON: exit, commit, held
