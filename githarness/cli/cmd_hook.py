"""`githarness hook`: the checks behind git's hooks by hand; the hooks themselves call `githarness-hook`."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from githarness.cli.options import command, group
from githarness.cli.shell import shell

app = group("Run the check behind one of git's hooks.")


@app.command("pre-push")
@command
def pre_push(
    ctx: typer.Context,
    remote: Annotated[str, typer.Argument(metavar="REMOTE", help="Name of the remote.")],
    url: Annotated[str, typer.Argument(metavar="[URL]", help="As git passes it on; not looked at.")] = "",  # noqa: ARG001
) -> None:
    """Say when two clones have both written the governed branch; stdin has git's lines for pre-push. Exit 1 if so.

    Example: githarness hook pre-push origin < /dev/null
    """
    sh = shell(ctx)
    verdict = sh.open().judge_push(remote, "" if sys.stdin.isatty() else sys.stdin.read())
    found = verdict.divergence if verdict else None
    sh.document({
        "diverged": found is not None, "blocks": bool(verdict and verdict.blocks),
        "message": found.message if found else None, "fix": found.fix if found else None,
    })
    if verdict and found:
        sh.line(found.message)
        sh.note(f"hint: {found.fix}")
        raise typer.Exit(1 if verdict.blocks else 0)


@app.command("post-checkout")
@command
def post_checkout(ctx: typer.Context) -> None:
    """Bring along, in the checkout of the governed branch, what landed while git made it.

    Example: githarness hook post-checkout
    """
    sh = shell(ctx)
    sh.document({"recovered": sh.open().local.recover()})
