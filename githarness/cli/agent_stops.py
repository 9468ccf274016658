"""`githarness agent quarantine` and `release`: an operator stops agents at once, and lets them go on."""

from __future__ import annotations

from typing import Annotated

import typer

from githarness import clock
from githarness.cli import vault_due
from githarness.cli.identities import desk
from githarness.cli.options import command
from githarness.cli.out import Painted
from githarness.cli.shell import Shell, shell
from githarness.errors import Usage
from githarness.store import stops
from githarness.store.stops import Stop
from githarness.wiring import Harness
from githarness.work import breaker
from githarness.work import quarantine as stopping
from githarness.work.quarantine import Changed

Name = Annotated[str | None, typer.Argument(metavar="NAME", help="The agent.")]
Everyone = Annotated[bool, typer.Option("--all", help="Every agent of the fleet.")]
Why = Annotated[str, typer.Option(metavar="TEXT", help="The reason, for the commit and for who is refused.")]


@command
def quarantine(ctx: typer.Context, name: Name = None, *, everyone: Everyone = False, why: Why = "") -> None:
    """Stop an agent at once: every decision is no, its grants and what it asked approval for end.

    Example: githarness agent quarantine deployer --why "rewrote the runbook"
    """
    sh = shell(ctx)
    harness = sh.open()
    done = stopping.quarantine(desk(harness), _names(name, everyone=everyone), why)
    _show(sh, done, "quarantined" if done.commit else "quarantined already:")
    vault_due.remind(sh, harness)


@command
def release(ctx: typer.Context, name: Name = None, *, everyone: Everyone = False, why: Why = "") -> None:
    """Let a quarantined agent act again; its limits count anew, its grants of before stay gone.

    Example: githarness agent release deployer
    """
    sh = shell(ctx)
    done = stopping.release(desk(sh.open()), _names(name, everyone=everyone), why)
    _show(sh, done, "released")


def here(harness: Harness) -> dict[str, Stop]:
    """Who may not act in this clone, also by a limit or the guard, of which git says nothing."""
    with harness.db.read() as conn:
        return stops.in_force(conn)


def document(stop: Stop | None) -> dict[str, object] | None:
    return {"since": clock.rfc3339(stop.since), "by": stop.by, "why": stop.why} if stop else None


def tell(sh: Shell, stop: Stop) -> None:
    word = "paused" if stop.by == breaker.GUARD else "stopped"
    sh.line(f"  {word} {clock.rfc3339(stop.since)} by {stop.by}" + (f": {stop.why}" if stop.why else ""))


def _names(name: str | None, *, everyone: bool) -> list[str] | None:
    if everyone == (name is not None):
        raise Usage("either one agent or all of them", fix="name an agent, or pass --all")
    return [name] if name else None


def _show(sh: Shell, done: Changed, what: str) -> None:
    sh.document({"agents": list(done.agents), "commit": done.commit, "grants": list(done.grants),
                 "held": list(done.held)})
    commit = f" (commit {done.commit[:12]})" if done.commit else ""
    names = ", ".join(done.agents[:10]) + (f" and {len(done.agents) - 10} more" if len(done.agents) > 10 else "")
    sh.line(Painted(what, "green"), f" {names or 'nobody'}{commit}")
    for what, ids in (("ended grant", done.grants), ("let go of", done.held)):
        for name in ids:
            sh.line(f"  {what} {name}")
