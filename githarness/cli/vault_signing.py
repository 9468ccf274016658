"""`githarness vault keys`: agents' signing keys behind the vault's ssh-agent, instead of files."""

from __future__ import annotations

from typing import Annotated

import typer

from githarness.cli.options import command, group
from githarness.cli.out import counted
from githarness.cli.shell import Shell, shell
from githarness.errors import Usage
from githarness.policy.model import Agent
from githarness.proxy.door_ops import ssh_socket
from githarness.work import vault_records, vault_signing

app = group("Keep agents' signing keys behind the vault, where no process reads them. "
            "Example: githarness vault keys adopt --all")
Name = Annotated[str | None, typer.Argument(metavar="AGENT", help="Whose keys.")]
All = Annotated[bool, typer.Option("--all", help="Those of every agent on this host.")]


@app.command("adopt")
@command
def adopt(ctx: typer.Context, name: Name = None, *, everybody: All = False) -> None:
    """Move an agent's signing keys into the vault; its daemon then signs, also while the vault is locked.

    Writes take the daemon from then on. Example: githarness vault keys adopt deployer
    """
    sh = shell(ctx)
    harness = sh.open()
    agents = _agents(sh, name, everybody=everybody)
    place = vault_records.vault_of(harness.reader, harness.governance(), harness.settings).place
    socket = ssh_socket(harness.settings, harness.repo.common_dir)
    _done(sh, "adopted", vault_signing.adopt(harness.settings, harness.keyring, place, agents, socket))


@app.command("release")
@command
def release(ctx: typer.Context, name: Name = None, *, everybody: All = False) -> None:
    """Make files of an agent's signing keys again.

    Example: githarness vault keys release deployer
    """
    sh = shell(ctx)
    harness = sh.open()
    agents = _agents(sh, name, everybody=everybody)
    place = vault_records.vault_of(harness.reader, harness.governance(), harness.settings).place
    _done(sh, "released", vault_signing.release(harness.settings, harness.keyring, place, agents))


def _agents(sh: Shell, name: str | None, *, everybody: bool) -> list[Agent]:
    if (name is None) != everybody:
        raise Usage("name an agent, or --all", fix="githarness vault keys adopt AGENT")
    return vault_signing.named(sh.open().governance().registry.agents.values(), name)


def _done(sh: Shell, verb: str, keys: list[str]) -> None:
    sh.document({"items": [{"key": key} for key in keys]})
    sh.line(f"{verb} {counted(len(keys), 'key')}")
    if verb == "adopted" and keys:
        sh.note("note: what was in the file may stay on the disk until it is written over")
        sh.note("next: githarness vault serve")
