"""`githarness index`: the commit index, which git can always give again."""

from __future__ import annotations

from collections.abc import Callable

import typer

from githarness.cli.options import command, group
from githarness.cli.shell import Shell, shell
from githarness.work import index
from githarness.work.verify import verifier

app = group("Bring the index of commits up to date, or build it again from git.")


@app.command("update")
@command
def update(ctx: typer.Context) -> None:
    """Add what is new in git.

    Example: githarness index update
    """
    _run(shell(ctx), index.update, "indexed")


@app.command("rebuild")
@command
def rebuild(ctx: typer.Context) -> None:
    """Drop the index and build it again from git, with the same content.

    Example: githarness index rebuild
    """
    _run(shell(ctx), index.rebuild, "rebuilt")


@app.command("status")
@command
def status(ctx: typer.Context) -> None:
    """Show how far the index has come.

    Example: githarness index status
    """
    sh = shell(ctx)
    harness = sh.open()
    found = index.status(harness.db, harness.head())
    sh.document({"indexed": found.indexed, "head": found.head, "commits": found.commits, "current": found.current})
    sh.line(f"{found.commits} commits, {'up to date' if found.current else 'behind the branch'}")


def _run(sh: Shell, work: Callable[..., int], done: str) -> None:
    harness = sh.open()
    head = harness.head()
    with sh.progress("indexing") as progress:
        added = work(harness.db, harness.reader, head, verifier(harness.parts), progress)
    sh.document({"head": head, "commits": added})
    sh.line(f"{done} {added} commits")
