"""`githarness vault exposures` and `rotate-due`: who has seen which secret, and which have to be changed for it."""

from __future__ import annotations

from typing import Annotated

import typer

from githarness import clock
from githarness.cli.options import agent_option, command
from githarness.cli.out import Painted, counted
from githarness.cli.shell import Shell, shell
from githarness.store import exposures as ledger
from githarness.wiring import Harness
from githarness.work import vault_due


@command
def exposures(
    ctx: typer.Context,
    *,
    secret: Annotated[str | None, typer.Option(metavar="NAME", help="Of this secret.")] = None,
    agent: Annotated[str | None, agent_option("By this agent.")] = None,
    run: Annotated[str | None, typer.Option(metavar="RUN", help="By this run.")] = None,
) -> None:
    """List which run has used which version of a secret, and how; get and exec are in the clear.

    Example: githarness vault exposures --agent deployer
    """
    sh = shell(ctx)
    with sh.open().db.read() as conn:
        found = ledger.listed(conn, secret, agent, run)
    sh.document({"items": [{
        **row._asdict(), "agent": row.agent or None, "human": row.human or None, "run": row.run or None,
        "clear": row.mode in ledger.CLEAR, "first": clock.rfc3339(row.first),
        "last": clock.rfc3339(row.last)} for row in found]})
    for row in found:
        sh.line(Painted(row.secret, "yellow" if row.mode in ledger.CLEAR else "cyan"),
                f" version {row.version}  {row.mode:5} {row.agent or f'human {row.human}'}  {row.run or '-'}  "
                f"{counted(row.uses, 'use')}, last {clock.rfc3339(row.last)}")
    if not found:
        sh.note("no use is like that")


@command
def rotate_due(
    ctx: typer.Context,
    *,
    since: Annotated[str | None, typer.Option(metavar="T", help="For what happened from T on: 2h, RFC 3339.")] = None,
) -> None:
    """List the secrets to change after an incident, each with the reason; exit 1 if there are any.

    Example: githarness vault rotate-due --since yesterday
    """
    sh = shell(ctx)
    harness = sh.open()
    harness.fresh_index()
    begin = clock.instant(since, harness.clock.now()) if since is not None else 0.0
    found = vault_due.due(harness.parts, harness.governance(), since=begin)
    sh.document({"items": [{"secret": one.secret, "version": one.version, "why": one.why, "agent": one.agent or None,
                            "run": one.run or None} for one in found]})
    for one in found:
        who = f"{one.agent} saw it in {one.run}, and " if one.agent else ""
        sh.line(Painted(one.secret, "red"), f" version {one.version}: {who}{one.why}")
    if found:
        sh.note(f"hint: githarness vault rotate {found[0].secret}")
        raise typer.Exit(1)
    sh.note("no secret is due")


def remind(sh: Shell, harness: Harness) -> None:
    """After a rollback or a stop: how many secrets are to be changed for it."""
    harness.fresh_index()
    if number := vault_due.count(harness.parts, harness.governance()):
        sh.note(f"note: {counted(number, 'secret')} to change, seen by who was stopped or rolled back: "
                "githarness vault rotate-due")
