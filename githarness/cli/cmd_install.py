"""`githarness install`: the files by which another tool runs our checks."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from githarness import __version__
from githarness.cli.options import command
from githarness.cli.shell import shell
from githarness.errors import Usage
from githarness.git.repo import discover
from githarness.work import install as work


class Target(StrEnum):
    github = "github"
    gitlab = "gitlab"
    pre_commit = "pre-commit"


@command
def install(
    ctx: typer.Context, *,
    target: Annotated[Target, typer.Argument(metavar="TARGET", help="github, gitlab or pre-commit.")],
    remove: Annotated[bool, typer.Option("--remove", help="Take away what was written, byte for byte.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be done.")] = False,
) -> None:
    """Write the files by which GitHub, GitLab or pre-commit run the checks; nobody else's file is touched.

    Example: githarness install pre-commit --dry-run
    """
    sh = shell(ctx)
    repo = discover(sh.directory)
    if repo.worktree is None:
        raise Usage(f"'{repo.git_dir}' has no working tree to write files into", fix="run it in a clone that has one")
    change = work.plan(repo.worktree, target.value, version=__version__, remove=remove)
    if not dry_run:
        change.make()
    path = str(change.path.relative_to(repo.worktree))
    sh.document({"target": target.value, "changed": change.action != "unchanged" and not dry_run,
                 "files": [{"path": path, "action": change.action}]})
    sh.line("would be " if dry_run and change.action != "unchanged" else "", f"{change.action}: {path}")
    if change.action in ("written", "changed") and not (dry_run or remove):
        if caveat := work.caveat(target.value, __version__):
            sh.note(f"note: {caveat}")
        sh.note(f"next: {work.NEXT[target.value]}")
