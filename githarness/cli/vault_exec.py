"""`githarness vault exec`: a command that has secrets in its environment or in files, and prints none of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

import typer

from githarness.cli import vault_get
from githarness.cli.options import command
from githarness.cli.shell import shell
from githarness.cli.vault_get import Who
from githarness.errors import Unavailable, Usage
from githarness.proxy import local
from githarness.proxy.local import Local
from githarness.runner import lent
from githarness.runner.lent import Wanted
from githarness.runner.process import Job
from githarness.vault.client import Client

_STDOUT, _STDERR = 1, 2
Command = Annotated[list[str] | None, typer.Argument(metavar="-- CMD...", help="The command and its arguments.")]


@dataclass(frozen=True, slots=True)
class Lending:
    env: Annotated[list[str] | None, typer.Option(
        metavar="VAR=NAME", help="A secret as a variable; repeatable.")] = None
    file: Annotated[list[str] | None, typer.Option(
        metavar="VAR=NAME", help="A secret in a file, in memory; VAR is its path; repeatable.")] = None
    proxy: Annotated[list[str] | None, typer.Option(
        metavar="VAR=NAME", help="VAR is the address of a proxy that adds the secret; repeatable.")] = None
    ssh: Annotated[bool, typer.Option("--ssh", help="SSH_AUTH_SOCK is the vault's, for secrets of mode sign.")] = False


@command
def exec_(ctx: typer.Context, words: Command = None, *, who: Who, lending: Lending) -> None:
    """Run a command with secrets that only it has; in what it prints they are replaced by [secret NAME].

    Its exit code is the command's. At a terminal the command has one, too.
    Example: githarness vault exec --agent deployer --env GITHUB_TOKEN=github/deploy-token -- ./release.sh
    """
    sh = shell(ctx)
    if not words:
        raise Usage("no command was given", fix="githarness vault exec --agent NAME --env VAR=NAME -- CMD")
    wanted, routes = lent.wanted(lending.env, lending.file), lent.wanted(lending.proxy, None)
    if not (wanted.names or routes.env or lending.ssh):
        raise Usage("no secret was named, so that the command would run without any",
                    fix="name one with --env, --file or --proxy VAR=NAME, or use --ssh")
    harness = sh.open()
    with local.reach(sh.settings, harness.parts) as vault:
        if (routes.env or lending.ssh) and not vault.served:
            raise Unavailable("no vault daemon serves this repository: nobody would answer at --proxy and --ssh",
                              fix="githarness vault serve")
        vault_get.introduce(harness, vault, who)
        values = valued(vault, wanted)
        extra = _doors(vault, routes.env, ssh=lending.ssh)
    job = Job(words, sh.directory, {**sh.settings.environ, **extra})
    ended = lent.run(sh.settings, job, wanted, values, stdout=_STDERR if sh.json else _STDOUT)
    sh.document({"exit": ended.code})
    if ended.left:
        sh.note(f"process {ended.left[0]} could not be ended")
    if ended.code:
        raise typer.Exit(ended.code)


def valued(vault: Client | Local, wanted: Wanted) -> dict[str, bytes]:
    """By secret's name, each in one use of its own. Raises what the first refused one is refused with."""
    found = {}
    for name in wanted.names:
        answer = vault.ask("get", name=name, mode="exec")
        found[name] = bytes(answer.body)
        answer.wipe()
    return found


def _doors(vault: Client | Local, routes: Mapping[str, str], *, ssh: bool) -> dict[str, str]:
    """What tells the child where the daemon's doors are."""
    doors = {variable: str(vault.ask("route", name=name).header["url"]) for variable, name in routes.items()}
    if ssh:
        doors["SSH_AUTH_SOCK"] = str(vault.ask("ssh").header["socket"])
    return doors
