"""`githarness serve`: the ledger's daemon, in the foreground; service managers and shells put it in the background."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from githarness.cli import out
from githarness.cli.options import command
from githarness.cli.shell import Shell, shell
from githarness.daemon import serve as daemon
from githarness.daemon.desk import Served
from githarness.errors import Locked, Usage


@command
def serve(
    ctx: typer.Context,
    *,
    status: Annotated[bool, typer.Option("--status", help="Show the daemon of this repository.")] = False,
    stop: Annotated[bool, typer.Option("--stop", help="End the daemon of this repository.")] = False,
) -> None:
    """Serve this repository's writes to many clients; the other commands find the daemon by themselves.

    It ends on ctrl-c or SIGTERM after answering what it has in hand. Example: githarness serve
    """
    sh = shell(ctx)
    if status and stop:
        raise Usage("--status and --stop exclude each other", fix="githarness serve --status")
    if status:
        _status(sh)
    elif stop:
        _stop(sh)
    else:
        _serve(sh)


def _serve(sh: Shell) -> None:
    harness = sh.open()

    def say(kind: str, text: str) -> None:
        if sh.json:
            out.json_line({"event": kind, "pid": os.getpid(), "socket" if kind == "ready" else "text": text})
        else:
            sh.note(f"serving {harness.repo.common_dir} on {text}" if kind == "ready" else text)

    served = Served(harness.served, harness.combined)
    harness.close()  # the daemon forks before it begins, and nothing of SQLite may be carried across
    try:
        counts = daemon.serve(sh.settings, harness.repo, served, say=say, clock=harness.clock)
    except Locked as error:
        error.fix = "githarness serve --status, or githarness serve --stop"
        raise
    harness.close()
    if sh.json:
        out.json_line({"event": "stopped", **counts})
    else:
        sh.note(f"stopped after {counts['writes']} writes in {counts['groups']} groups")


def _status(sh: Shell) -> None:
    repo = sh.open().repo
    found = daemon.status(sh.settings, repo)
    sh.document(found)
    sh.line(f"process {found['pid']} serves {repo.common_dir}: {found['writes']} writes, "
            f"{found['connections']} connections")


def _stop(sh: Shell) -> None:
    pid = daemon.stop(sh.settings, sh.open().repo)
    sh.document({"pid": pid, "stopped": True})
    sh.line(f"process {pid} has ended")
