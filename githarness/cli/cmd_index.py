"""`githarness index`: commits, and artifacts with their words, which git can always give again."""

from __future__ import annotations

import typer

from githarness.cli.options import command, group
from githarness.cli.shell import Shell, opened, shell
from githarness.work import index
from githarness.work.verify import verifier

app = group("Bring the index of commits and artifacts up to date, or build it again from git.")


@app.command("update")
@command
def update(ctx: typer.Context) -> None:
    """Add what is new in git.

    Example: githarness index update
    """
    _run(shell(ctx), rebuild=False)


@app.command("rebuild")
@command
def rebuild(ctx: typer.Context) -> None:
    """Drop the index and build it again from git, with the same content.

    Example: githarness index rebuild
    """
    _run(shell(ctx), rebuild=True)


@app.command("status")
@command
def status(ctx: typer.Context) -> None:
    """Show how far the index has come.

    Example: githarness index status
    """
    sh, harness = opened(ctx)
    head = harness.head()
    found, known = index.status(harness.db, head), harness.registry.status(head)
    current = found.current and known.current
    sh.document({"indexed": found.indexed, "head": head, "commits": found.commits, "artifacts": known.artifacts,
                 "current": current})
    sh.line(f"{found.commits} commits, {known.artifacts} artifacts, {'up to date' if current else 'behind the branch'}")


def _run(sh: Shell, *, rebuild: bool) -> None:
    harness = sh.open()
    head = harness.head()
    with sh.progress("indexing commits") as progress:
        work = index.rebuild if rebuild else index.update
        added = work(harness.db, harness.reader, head, verifier(harness.parts), progress)
    with sh.progress("indexing artifacts") as progress:
        read = harness.registry.rebuild(head, progress) if rebuild else harness.registry.update(head, progress)
    sh.document({"head": head, "commits": added, "artifacts": read})
    sh.line(f"{'rebuilt' if rebuild else 'indexed'} {added} commits, {read} artifacts")
