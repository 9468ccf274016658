"""`githarness vault serve|status|unlock|lock`: the credential proxy of a repository, and what it stands at."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Annotated

import typer

import githarness
from githarness import flock
from githarness.cli import vault_get, vault_shown
from githarness.cli.options import command
from githarness.cli.out import Painted, counted
from githarness.cli.shell import Shell, shell
from githarness.errors import VaultLocked
from githarness.proxy import local, spool
from githarness.proxy.local import Local
from githarness.vault import opening
from githarness.vault.client import Client
from githarness.wiring import Harness

_STOP_WAIT = 30.0
# Isolated: nothing of the surroundings is imported into the process that holds secrets; but it is of this very tree.
_START = ("import sys, runpy; root = sys.argv.pop(1); root in sys.path or sys.path.insert(0, root); "
          "runpy.run_module('githarness.proxy', run_name='__main__', alter_sys=True)")


@command
def serve_(ctx: typer.Context, *,
           stop: Annotated[bool, typer.Option("--stop", help="End the daemon of this repository.")] = False) -> None:
    """Serve this repository's secrets to agents, from memory that nobody else reads.

    It ends on ctrl-c or SIGTERM after answering what it has in hand. Example: githarness vault serve
    """
    sh = shell(ctx)
    harness = sh.open()
    if stop:
        _stop(sh, harness)
        return
    root = str(Path(githarness.__file__).resolve().parent.parent)
    words = [sys.executable, "-I", "-c", _START, root, str(harness.repo.worktree or harness.repo.git_dir), harness.ref,
             *(["--json"] if sh.json else []), *(["--quiet"] if sh.flags.quiet else [])]
    harness.close()
    sys.stdout.flush()
    os.execve(sys.executable, words, dict(sh.settings.environ))


def _stop(sh: Shell, harness: Harness) -> None:
    with local.served(harness.settings, harness.parts, "there is nothing to stop") as client:
        pid = int(client.ask("stop").header["pid"])
    os.kill(pid, signal.SIGTERM)
    with flock.exclusive(harness.repo.home / spool.LOCK, wait=_STOP_WAIT, what="the vault daemon"):
        pass
    sh.document({"pid": pid, "stopped": True})
    sh.line(f"process {pid} has ended")


@command
def status(ctx: typer.Context) -> None:
    """Say whether the vault is unlocked and by what, how its memory is protected, who has leases, and what is not safe.

    Example: githarness vault status
    """
    sh = shell(ctx)
    harness = sh.open()
    with local.reach(harness.settings, harness.parts) as vault:
        found = vault.ask("status").header
    found.pop("id")
    found["served"] = vault.served
    sh.document(found)
    where = f"served by process {found['pid']}" if vault.served else "no daemon serves it: each command opens it itself"
    opened = f" by a slot of kind {found['unlocked_by']}" if found["unlocked_by"] else ""
    sh.line(Painted(found["state"], "green" if found["state"] == "unlocked" else "red"), opened, f", {where}",
            f": {found['why']}" if found["why"] else "")
    sh.line(f"memory: {found['memory']}, swap {'on' if found['swap'] else 'off'}")
    secrets = "" if found["state"] == "locked" else f"{counted(found['secrets'], 'secret')}, "  # locked, none is read
    sh.line(f"{secrets}{counted(found['clients'], 'client')}, "
            f"{counted(found['leases'], 'lease')}, {counted(found['exposures'], 'exposure')}")
    for one in found["refused"] if isinstance(found["refused"], list) else ():
        sh.line(Painted("refused", "red"), f" '{one['name']}': {one['why']}")
    if vault.served:
        sh.line(f"{counted(found['routes'], 'route')} for HTTP, ssh-agent at '{found['ssh_agent']}'")
    for one in found["rejected"] if vault.served and isinstance(found["rejected"], list) else ():
        told = ", ".join(f"{count} x {code}" for code, count in one["answers"].items())
        sh.line(Painted("rejected", "red"), f" '{one['secret']}' version {one['version']} by {one['by']}: {told}, "
                f"last {one['last']}", "; nothing is sent for it now" if one["paused"] else "")
    for text in found["not_protected"]:
        sh.line(Painted("not protected from", "yellow"), f" {text}")


@command
def unlock(ctx: typer.Context, *, passphrase_file: Annotated[str | None, typer.Option(
        metavar="F", help="The passphrase is in this file.")] = None) -> None:
    """Open the vault of the daemon that serves it, by what needs no person or by a passphrase.

    Example: githarness vault unlock
    """
    sh = shell(ctx)
    harness = sh.open()
    given = opening.from_file(harness.settings, "passphrase", sh.directory / passphrase_file).secret \
        if passphrase_file else b""
    with local.reach(harness.settings, harness.parts) as vault:
        vault_get.person(harness, vault)
        by = str(_unlocked(vault, bytes(given))["unlocked_by"])
    if not vault.served:
        sh.note("note: no daemon keeps it open: each command opens it anew; githarness vault serve")
    sh.document({"state": "unlocked", "unlocked_by": by})
    sh.line(Painted("unlocked", "green"), f" by a slot of kind {by}")


def _unlocked(vault: Client | Local, given: bytes) -> dict[str, object]:
    try:
        return vault.ask("unlock", given).header
    except VaultLocked:
        if given or not sys.stdin.isatty():
            raise
        return vault.ask("unlock", vault_shown.hidden("passphrase of the vault")).header


@command
def lock(ctx: typer.Context) -> None:
    """Wipe every secret from the daemon's memory; nothing opens the vault by itself until it is unlocked.

    Example: githarness vault lock
    """
    sh = shell(ctx)
    harness = sh.open()
    with local.reach(harness.settings, harness.parts) as vault:
        vault_get.person(harness, vault)
        vault.ask("lock")
    sh.document({"state": "locked"})
    sh.line("locked")


