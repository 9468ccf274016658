"""`githarness revoke`: takes a grant away before its time."""

from __future__ import annotations

from typing import Annotated

import typer

from githarness.cli.grants import note_redacted
from githarness.cli.identities import desk
from githarness.cli.options import command
from githarness.cli.out import Painted
from githarness.cli.shell import shell
from githarness.work import grants


@command
def revoke(
    ctx: typer.Context,
    grant: Annotated[str, typer.Argument(metavar="GRANT", help="Its id, as grants list prints it.")],
    *,
    why: Annotated[str, typer.Option(metavar="TEXT", help="The reason; it is recorded.")] = "",
) -> None:
    """Take a grant away, as one commit by an owner; it counts from the next decision on.

    Example: githarness revoke g-01j2x7k3m9q4v8b2n6t0 --why "the migration is done"
    """
    sh = shell(ctx)
    note_redacted(sh, why)
    commit = grants.revoke(desk(sh.open()), grant, why)
    sh.document({"grant": grant, "commit": commit})
    sh.line(Painted("revoked grant", "green"), f" '{grant}' (commit {commit[:12]})")
