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
    """Judge what is pushed, and say when two clones have both written; stdin has git's lines for pre-push.

    Exit 1 if the push should not go on. Example: githarness hook pre-push origin < /dev/null
    """
    sh = shell(ctx)
    harness, lines = sh.open(), "" if sys.stdin.isatty() else sys.stdin.read()
    verdict, broken = harness.judge_push(remote, lines), harness.judge_pushed(lines)
    found = verdict.divergence if verdict else None
    blocks = bool(broken or (verdict and verdict.blocks))
    sh.document({
        "diverged": found is not None, "blocks": blocks, "message": found.message if found else None,
        "fix": found.fix if found else None, "violations": broken,
    })
    if found:
        sh.line(found.message)
        sh.note(f"hint: {found.fix}")
    for line in broken:
        sh.line(line)
    if blocks:
        raise typer.Exit(1)


@app.command("post-checkout")
@command
def post_checkout(ctx: typer.Context) -> None:
    """Bring along, in the checkout of the governed branch, what landed while git made it.

    Example: githarness hook post-checkout
    """
    sh = shell(ctx)
    sh.document({"recovered": sh.open().local.recover()})
