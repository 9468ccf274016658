"""`githarness uninstall`: this clone as it was before `init`, but for the commits."""

from __future__ import annotations

from typing import Annotated

import typer

from githarness.cli.options import command
from githarness.cli.shell import shell
from githarness.git.porcelain import Git
from githarness.git.repo import discover
from githarness.work.clone_setup import Site
from githarness.work.uninstall import uninstall as take_away


@command
def uninstall(ctx: typer.Context, *,
              dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be done.")] = False) -> None:
    """Remove the hooks and the configuration that init added and restore what it found; the history stays.

    Example: githarness uninstall --dry-run
    """
    sh = shell(ctx)
    repo = discover(sh.directory)
    site = Site(repo, Git(sh.settings, repo.worktree or repo.git_dir), sh.settings)
    done = take_away(site, dry_run=dry_run)
    sh.document({"changed": bool(done.steps) and not dry_run, "steps": list(done.steps)})
    for step in done.steps:
        sh.line("would be: " if dry_run else "done: ", step)
    if not done.steps:
        sh.line("nothing to do: githarness init did not set up this clone")
    elif not dry_run:
        sh.note(f"note: commits, .githarness/ and the records in '{repo.home}' stay; private keys are in "
                f"'{sh.settings.data_dir}'")
