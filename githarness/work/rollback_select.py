"""Which commits a rollback is asked to undo, and which of their paths stay out of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass

from githarness import paths
from githarness.errors import Integrity, NotFound, Usage
from githarness.git.reader import Reader
from githarness.store import commits, runs
from githarness.store.commits import CommitFilter
from githarness.store.db import Connection
from githarness.store.rows import CommitRow
from githarness.work.governance import FOLDER_NAME

_KEPT = {
    "grants": "a grant that was removed is not brought back",
    "agents": "identities and retired keys stay as they are",
    "humans": "identities and retired keys stay as they are",
    "allowed_signers": "identities and retired keys stay as they are",
    "vault": "a vault record is not brought back",
    "approvals": "an approval is used once",
}


@dataclass(frozen=True, slots=True)
class Selection:
    """All that is given must hold; `paths` are globs, of which one must match a name of the file."""

    agent: str | None = None
    run: str | None = None
    commits: tuple[str, ...] = ()  # ids, unique prefixes, or what else names a commit to git
    since: float | None = None
    until: float | None = None
    paths: tuple[str, ...] = ()
    with_delegates: bool = False


@dataclass(frozen=True, slots=True)
class Excluded:
    why: str
    commit: str | None = None
    path: str | None = None


def select(conn: Connection, reader: Reader, wanted: Selection) -> tuple[list[CommitRow], list[Excluded]]:
    """The commits, oldest first. Raises NotFound for an unknown commit, agent or run, Usage for an empty selection."""
    if wanted == Selection(with_delegates=wanted.with_delegates):
        raise Usage("nothing is selected", fix="githarness rollback AGENT, or --run, --commit, --since, --path")
    for glob in wanted.paths:
        paths.valid_glob(glob)
    oids = tuple(_must_be(conn, reader, name).oid for name in wanted.commits) or None
    agent, run = wanted.agent, wanted.run
    if run and wanted.with_delegates and agent is None:
        agent, run = agent_of(conn, run), None
    found = commits.log(conn, CommitFilter(agent=agent, run=run, since=wanted.since, until=wanted.until, oids=oids,
                                           chain=wanted.with_delegates and agent is not None))
    rows = [row for row in reversed(found) if run == wanted.run or caused(conn, row.run, wanted.run)]
    if not rows:
        _must_exist(conn, wanted)
    if wanted.agent or wanted.run or oids:
        return rows, []
    return [row for row in rows if row.agent], [
        Excluded("a person's commit is undone by its id only: --commit", commit=row.oid)
        for row in rows if not row.agent and in_scope(wanted.paths, [change.path for change in row.changes])]


def named(conn: Connection, reader: Reader, name: str) -> CommitRow | None:
    """The commit of the governed branch that has this id, a unique beginning of it, or that git calls so."""
    row = commits.get(conn, name.lower())
    with suppress(NotFound, Integrity):
        row = row or commits.get(conn, reader.resolve(name))
    return row


def _must_be(conn: Connection, reader: Reader, name: str) -> CommitRow:
    row = named(conn, reader, name)
    if row is None:
        raise NotFound(f"no commit '{name}' on the governed branch", fix="githarness log")
    return row


def agent_of(conn: Connection, run: str) -> str:
    known = runs.get(conn, run)
    row = next(iter(commits.log(conn, CommitFilter(run=run, limit=1))), None)
    agent = known.agent if known else row.agent if row else None
    if agent is None:
        raise NotFound(f"no run '{run}'", fix="githarness runs list")
    return agent


def caused(conn: Connection, run: str | None, by: str | None) -> bool:
    """Whether a run is `by` or was caused by it, over any number of runs."""
    seen: set[str] = set()
    while run is not None and run != by and run not in seen:
        seen.add(run)
        row = runs.get(conn, run)
        run = row.parent if row else None
    return run is not None and run == by


def _must_exist(conn: Connection, wanted: Selection) -> None:
    if wanted.run and not runs.get(conn, wanted.run) and not commits.log(conn, CommitFilter(run=wanted.run, limit=1)):
        raise NotFound(f"no run '{wanted.run}'", fix="githarness runs list")


def items(rows: Iterable[CommitRow]) -> Iterator[tuple[CommitRow, str]]:
    for row in rows:
        for change in row.changes:
            yield row, change.path


def in_scope(globs: tuple[str, ...], names: Iterable[str]) -> bool:
    return not globs or any(paths.matches(glob, name) for name in names for glob in globs)


def kept_out(path: str) -> str | None:
    """Why a rollback leaves this path alone; None where it does not."""
    return never_back(path) or ("governance changes by its own commands only" if is_governance(path) else None)


def never_back(path: str) -> str | None:
    """Why an earlier version of this path must not come back by whatever way; None where it may."""
    names = paths.twin_key(path).split("/")
    return _KEPT.get(names[1]) if is_governance(path) and len(names) > 1 else None


def is_governance(path: str) -> bool:
    """Letter case does not open a way around."""
    return paths.twin_key(path).split("/")[0] == FOLDER_NAME
