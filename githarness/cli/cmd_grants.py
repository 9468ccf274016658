"""`githarness grants`: the time-boxed permissions that there are."""

from __future__ import annotations

from typing import Annotated

import typer

from githarness import clock
from githarness.cli.grants import line, table
from githarness.cli.identities import desk
from githarness.cli.options import agent_option, command, group
from githarness.cli.out import Painted
from githarness.cli.shell import shell
from githarness.work import grants

app = group("Grants: permissions that end by themselves; grant gives one, revoke takes it away.\n\n"
            "Without a subcommand they are listed.", lists=True)


@app.command("list")
@command
def show_all(
    ctx: typer.Context, *, agent: Annotated[str | None, agent_option("Grants of this agent.")] = None,
) -> None:
    """List grants with what is left of them: good, early, expired, spent, or stopped with their agent.

    Example: githarness grants list --agent deployer
    """
    sh = shell(ctx)
    harness = sh.open()
    harness.fresh_index()
    governance = harness.governance()
    with harness.db.read() as conn:
        found = grants.listed(conn, harness.parts, governance)
    found = [one for one in found if agent in (None, one.grant.agent)]
    if agent and not found:
        governance.agent(agent)
    sh.document({"items": [table(one) for one in found]})
    for one in found:
        line(sh, one)
    if not found:
        sh.note("no grants")


@app.command("sweep")
@command
def sweep(ctx: typer.Context) -> None:
    """Remove grants whose time is over, as one commit by an owner; for cron.

    Example: githarness grants sweep
    """
    sh = shell(ctx)
    swept, commit = grants.sweep(desk(sh.open()))
    sh.document({"grants": [grant.id for grant in swept], "commit": commit})
    sh.line(Painted("swept", "green"), f" {len(swept)} grant(s)" + (f" (commit {commit[:12]})" if commit else ""))
    for grant in swept:
        sh.line(f"  {grant.id} of {grant.agent}, over since {clock.rfc3339(grant.expires)}")
