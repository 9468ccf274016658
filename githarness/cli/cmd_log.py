"""`githarness log`: who changed what; answered from the commit index, without opening the repository's objects."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import typer

from githarness import clock, paths
from githarness.cli.options import agent_option, command
from githarness.cli.out import Painted
from githarness.cli.shell import shell
from githarness.store import commits
from githarness.store.rows import CommitRow


@dataclass(frozen=True, slots=True)
class LogOptions:
    agent: Annotated[str | None, agent_option("Commits of this agent.")] = None
    run: Annotated[str | None, typer.Option(metavar="RUN", help="Commits of this run.")] = None
    since: Annotated[str | None, typer.Option(metavar="T", help="From T on: RFC 3339, 2h, 3d, yesterday.")] = None
    until: Annotated[str | None, typer.Option(metavar="T", help="Up to T.")] = None
    path: Annotated[str | None, typer.Option(metavar="GLOB", help="Commits that changed a matching path.")] = None
    chain: Annotated[bool, typer.Option("--chain", help="With --agent: also what others did on its behalf.")] = False
    number: Annotated[int | None, typer.Option("-n", metavar="N", min=0, help="At most N commits.")] = None


@command
def log(ctx: typer.Context, *, options: LogOptions) -> None:
    """List the commits of the governed branch, newest first.

    Example: githarness log --agent deployer --since 2h
    """
    sh = shell(ctx)
    wanted = _filter(options)
    harness = sh.open()
    harness.fresh_index()
    with harness.db.read() as conn:
        rows = commits.log(conn, wanted)
        known = rows or commits.log(conn, commits.CommitFilter(agent=options.agent, chain=options.chain, limit=1))
    if options.agent and not known:
        harness.governance().agent(options.agent)  # NotFound, unless it has only not written yet
    sh.document({"items": [_item(row) for row in rows]})
    for row in rows:
        sh.line(*shown(row))


def _filter(options: LogOptions) -> commits.CommitFilter:
    now = clock.SYSTEM.now()
    return commits.CommitFilter(
        agent=options.agent,
        run=options.run,
        since=clock.instant(options.since, now) if options.since is not None else None,
        until=clock.instant(options.until, now) if options.until is not None else None,
        path=paths.valid_glob(options.path) if options.path else None,
        chain=options.chain,
        limit=options.number,
    )


def _item(row: CommitRow) -> dict[str, object]:
    return {"commit": row.oid, "time": clock.rfc3339(row.time), "agent": row.agent, "human": row.human, "run": row.run,
            "chain": list(row.chain), "paths": [change.path for change in row.changes], "subject": row.subject,
            "signed": row.signed, "decision": row.decision}


def shown(row: CommitRow) -> list[str | Painted]:
    who = row.agent or row.human or row.author.partition(" <")[0]
    return [Painted(row.oid[:12], "yellow"), f" {clock.rfc3339(row.time)} ", Painted(who, "cyan"),
            "" if row.signed else " (unsigned)", f"  {row.subject}"]
