"""`githarness restore`: the known-safe version of paths, as a new write by the operator."""

from __future__ import annotations

from typing import Annotated

import typer

from githarness.cli.options import command
from githarness.cli.shell import Shell, shell
from githarness.work import restore as work
from githarness.work.restore import Restored


@command
def restore(
    ctx: typer.Context,
    paths: Annotated[list[str], typer.Argument(metavar="PATH...", help="Files, folders or globs.")],
    *,
    to: Annotated[str, typer.Option("--to", metavar="REV", help="The revision whose versions are good.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the diff, change nothing.")] = False,
    message: Annotated[str | None, typer.Option("-m", "--message", metavar="MSG", help="The commit's message.")] = None,
) -> None:
    """Put paths back to what they were at a revision, as one new commit; what was not there then is removed.

    Example: githarness restore --to v1.4 runbooks 'skills/*/SKILL.md'
    """
    sh = shell(ctx)
    done = work.restore(sh.open(), to, paths, dry_run=dry_run, message=message)
    sh.document({"commit": done.commit, "revision": done.revision, "worktree": done.worktree,
                 "paths": [{"path": path, "action": action} for path, action in done.paths]})
    _show(sh, done, dry_run=dry_run)


def _show(sh: Shell, done: Restored, *, dry_run: bool) -> None:
    for path, action in done.paths:
        sh.line(f"  {action:10} {path}")
    if done.diff:
        sh.line(done.diff)
    if done.commit:
        sh.line(f"restored as {done.commit}")
        sh.note(f"to undo this: githarness rollback --commit {done.commit[:12]}")
    else:
        sh.note("a dry run: nothing was changed" if dry_run and done.paths else "nothing differs")
