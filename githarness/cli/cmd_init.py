"""`githarness init`: create or adopt a repository, or set up one clone of a governed one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import typer

from githarness import clock, wiring
from githarness.cli.options import command
from githarness.cli.out import Painted
from githarness.cli.passphrase import asking
from githarness.cli.shell import Shell, shell
from githarness.work.adopt import Outcome, Request, Tools, adopt


@dataclass(frozen=True, slots=True)
class InitOptions:
    fleet: Annotated[str | None, typer.Option(metavar="NAME", help="The fleet [the folder's name].")] = None
    owner: Annotated[str | None, typer.Option(metavar="PERSON", help="NAME <MAIL> [as git config says].")] = None
    signing_key: Annotated[str | None, typer.Option(metavar="FILE", help="The owner's SSH key.")] = None
    skills: Annotated[list[str] | None, typer.Option(metavar="GLOB", help="Where skills are; repeatable.")] = None
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be done.")] = False


@command
def init(
    ctx: typer.Context,
    directory: Annotated[str | None, typer.Argument(metavar="[DIR]", help="The repository, or a new folder.")] = None,
    *,
    options: InitOptions,
) -> None:
    """Create or adopt a repository by one commit that its owner signs; a second run changes nothing.

    Example: githarness init --owner "Ada Lovelace <ada@example.org>"
    """
    sh = shell(ctx)
    request = Request(
        sh.directory / (directory or "."), options.fleet, options.owner,
        sh.directory / options.signing_key if options.signing_key else None,
        tuple(options.skills or ()), options.dry_run,
    )
    tools = Tools(sh.settings, clock.SYSTEM, asking(sh),
                  lambda repo, ref: wiring.Harness(sh.settings, repo, ref=ref).parts)
    _show(sh, adopt(request, tools), dry=options.dry_run)


def _show(sh: Shell, done: Outcome, *, dry: bool) -> None:
    sh.document({
        "root": str(done.root), "fleet": done.fleet, "branch": done.branch, "commit": done.commit,
        "owner": done.owner.name if done.owner else None, "changed": bool(done.steps) and not dry,
        "steps": list(done.steps), "notes": list(done.notes),
    })
    for step in done.steps:
        sh.line(Painted("would be: " if dry else "done: ", "green"), step)
    for note in done.notes:
        sh.note(f"note: {note}")
    if not done.steps:
        sh.line(f"nothing to do: '{done.root}' is governed (fleet {done.fleet}, branch {done.branch}) and set up")
    elif done.commit:
        sh.note("next: githarness agent add NAME")
