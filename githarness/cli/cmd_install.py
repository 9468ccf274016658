"""`githarness install`: the files by which another tool runs our checks."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from githarness import __version__
from githarness.cli import vault_install
from githarness.cli.options import command
from githarness.cli.shell import shell
from githarness.errors import Usage
from githarness.git.repo import discover
from githarness.work import install as work


class Target(StrEnum):
    github = "github"
    gitlab = "gitlab"
    pre_commit = "pre-commit"
    systemd = "systemd"


@command
def install(
    ctx: typer.Context, *,
    target: Annotated[Target, typer.Argument(metavar="TARGET", help="github, gitlab, pre-commit or systemd.")],
    source: Annotated[str | None, typer.Option(
        "--from", metavar="SOURCE", help="What pip installs there [this githarness, by version or commit].")] = None,
    remove: Annotated[bool, typer.Option("--remove", help="Take away what was written, byte for byte.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be done, as a diff.")] = False,
) -> None:
    """Write the files by which GitHub, GitLab or pre-commit run the checks, or systemd the daemons of this user.

    Nobody else's file is touched.
    Example: githarness install github --from git+https://git.example.org/githarness@COMMIT --dry-run
    """
    sh = shell(ctx)
    if source is not None and remove:
        raise Usage("--from says what is written, and --remove takes it away", fix="use one of them")
    if target is Target.systemd:
        if source is not None:
            raise Usage("--from says what pip installs, and systemd starts this githarness", fix="leave it out")
        vault_install.install(sh, remove=remove, dry_run=dry_run)
        return
    repo = discover(sh.directory)
    if repo.worktree is None:
        raise Usage(f"'{repo.git_dir}' has no working tree to write files into", fix="run it in a clone that has one")
    named = work.requirement(target.value, __version__) if source is None else work.source(source)
    change = work.plan(repo.worktree, target.value, named=named, remove=remove)
    if not dry_run:
        change.make()
    path = str(change.path.relative_to(repo.worktree))
    sh.document({"target": target.value, "changed": change.action != "unchanged" and not dry_run,
                 "files": [{"path": path, "action": change.action}]})
    sh.line("would be " if dry_run and change.action != "unchanged" else "", f"{change.action}: {path}")
    for line in change.diff(path) if dry_run else ():
        sh.line(line)
    if change.action in ("written", "changed") and not (dry_run or remove):
        sh.note(f"it installs '{named}'")
        if caveat := work.caveat(target.value, __version__, named):
            sh.note(f"note: {caveat}")
        sh.note(f"next: {work.NEXT[target.value]}")
