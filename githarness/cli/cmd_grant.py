"""`githarness grant`: a permission that ends by itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import typer

from githarness import clock
from githarness.cli.grants import line, note_redacted, table
from githarness.cli.identities import desk
from githarness.cli.options import command
from githarness.cli.shell import shell
from githarness.errors import Usage
from githarness.policy.model import Grant
from githarness.work import grants
from githarness.work.grants import Standing


@dataclass(frozen=True, slots=True)
class Scope:
    """What is granted, and where."""

    allow: Annotated[list[str] | None, typer.Option(metavar="ACTION", help="What; repeatable.")] = None
    path: Annotated[list[str] | None, typer.Option(
        metavar="GLOB", help="Where: artifacts; for secret names, for exec and tool tools, for api host and path; "
        "repeatable.")] = None
    uses: Annotated[int | None, typer.Option(
        metavar="N", min=1, help="At most N commits [any number]; reads and calls use none up.")] = None


@command
def grant(
    ctx: typer.Context,
    agent: Annotated[str, typer.Argument(metavar="AGENT", help="Who may do it.")],
    scope: Scope,
    *,
    length: Annotated[str, typer.Option("--for", metavar="2h", help="For how long.")],
    why: Annotated[str, typer.Option(metavar="TEXT", help="What it is needed for.")],
) -> None:
    """Give an agent a permission for a time, as one commit by an owner; no denying rule is lifted by it.

    Example: githarness grant deployer --allow write --path "policies/**" --for 2h --why "rotate the on-call list"
    """
    sh = shell(ctx)
    harness = sh.open()
    now = harness.clock.now()
    end = now + clock.seconds(length)
    if end <= now:
        raise Usage(f"'{length}' is no length of time", fix="write it like 30m or 2h")
    wanted = Grant("", agent, tuple(dict.fromkeys(scope.allow or ())), tuple(dict.fromkeys(scope.path or ())),
                   now, end, scope.uses, why)
    note_redacted(sh, why)
    given, commit = grants.give(desk(harness), wanted)
    shown = Standing(given, "good", 0)
    sh.document({**table(shown), "commit": commit})
    line(sh, shown)
