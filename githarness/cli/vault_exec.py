"""`githarness vault exec`: a command that has secrets in its environment or in files, and prints none of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

import typer

from githarness.cli import vault_ask
from githarness.cli.cmd_run import Command
from githarness.cli.options import agent_option, command
from githarness.cli.shell import shell
from githarness.cli.vault_ask import Asks, Who
from githarness.cli.write_options import agent_name
from githarness.errors import Usage
from githarness.runner import lent
from githarness.runner.process import Job

_STDOUT, _STDERR = 1, 2
Env = Annotated[list[str] | None, typer.Option("--env", metavar="VAR=NAME", help="A secret as a variable; repeatable.")]


@dataclass(frozen=True, slots=True)
class Lending:
    env: Env = None
    file: Annotated[list[str] | None, typer.Option(
        metavar="VAR=NAME", help="A secret in a file, in memory; VAR is its path; repeatable.")] = None
    proxy: Annotated[list[str] | None, typer.Option(
        metavar="VAR=NAME", help="VAR is the address of a proxy that adds the secret; repeatable.")] = None
    ssh: Annotated[bool, typer.Option("--ssh", help="SSH_AUTH_SOCK is the vault's, for secrets of mode sign.")] = False


@dataclass(frozen=True, slots=True)
class As:
    agent: Annotated[str | None, agent_option("The agent that acts [GITHARNESS_AGENT].")] = None
    human: Annotated[str | None, typer.Option("--as", metavar="HUMAN", help="Act as a person of the fleet.")] = None
    run: Annotated[str | None, typer.Option(metavar="RUN", help="The run that acts [GITHARNESS_RUN].")] = None


@command
def exec_(ctx: typer.Context, words: Command = None, *, who: As, lending: Lending) -> None:
    """Run a command with secrets that only it has; in what it prints they are replaced by [secret NAME].

    Its exit code is the command's. At a terminal the command has one, too.
    Example: githarness vault exec --agent deployer --env GITHUB_TOKEN=github/deploy-token -- ./release.sh
    """
    sh = shell(ctx)
    if not words:
        raise Usage("no command was given", fix="githarness vault exec --agent NAME --env VAR=NAME -- CMD")
    wanted, routes = lent.wanted(lending.env, lending.file), lent.wanted(lending.proxy, None)
    harness = sh.open()
    if who.human:
        identity = Who(human=who.human)
    else:
        agent = agent_name(sh, who.agent)
        identity = Who(agent, who.run or sh.settings.run_of(agent), token=harness.token())
    with vault_ask.vault(harness, identity) as asks:
        values = vault_ask.values(asks, wanted.names, "exec")
        extra = _doors(asks, routes.env, ssh=lending.ssh)
    job = Job(words, sh.directory, {**sh.settings.environ, **extra})
    ended = lent.run(sh.settings, job, wanted, values, stdout=_STDERR if sh.json else _STDOUT)
    sh.document({"exit": ended.code})
    if ended.left:
        sh.note(f"process {ended.left[0]} could not be ended")
    if ended.code:
        raise typer.Exit(ended.code)


def _doors(asks: Asks, routes: Mapping[str, str], *, ssh: bool) -> dict[str, str]:
    """What tells the child where the daemon's doors are."""
    doors = {variable: str(asks.ask("route", name=name).header["url"]) for variable, name in routes.items()}
    if ssh:
        doors["SSH_AUTH_SOCK"] = str(asks.ask("ssh").header["socket"])
    return doors
