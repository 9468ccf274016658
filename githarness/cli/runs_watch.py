"""`githarness runs tail` and `health`, and what a run worked with: for who looks on."""

from __future__ import annotations

from typing import Annotated

import typer

from githarness import clock
from githarness.cli import audit_options, out, runs_shown
from githarness.cli.options import command
from githarness.cli.out import Painted
from githarness.cli.shell import Shell, shell
from githarness.work import runs_health, runs_tail
from githarness.work.runs_context import Context
from githarness.work.runs_health import Health


@command
def tail(ctx: typer.Context, run: Annotated[str, typer.Argument(metavar="RUN", help="The run.")]) -> None:
    """Show the events of a run, and go on as they come until it ends; with --json one JSON object a line.

    Example: githarness runs tail r-01j2x7k3m9q4v8b2n6t0
    """
    sh = shell(ctx)
    harness = sh.open()
    for one in runs_tail.tail(harness.parts, run, harness.watch):
        out.json_line(audit_options.item(one)) if sh.json else audit_options.line(sh, one)


@command
def health(ctx: typer.Context) -> None:
    """Show the fleet: how each agent's last run ended, failures in a row, open runs, what stops it; exit 1 for trouble.

    Example: githarness runs health
    """
    sh = shell(ctx)
    harness = sh.open()
    harness.watch()
    found = runs_health.health(harness.parts, harness.governance())
    sh.document({"items": [_health(one) for one in found], "trouble": sum(bool(one.trouble) for one in found)})
    for one in found:
        _line(sh, one)
    if any(one.trouble for one in found):
        raise typer.Exit(1)


def _health(one: Health) -> dict[str, object]:
    last, stop = one.last, one.stop
    return {"agent": one.agent, "last_run": last.id if last else None, "status": last.status if last else None,
            "finished": clock.rfc3339(last.finished) if last and last.finished else None,
            "note": last.note if last else "",
            "failures_in_a_row": one.in_a_row, "open": [row.id for row in one.open],
            "beat": runs_shown.heard(one.heard) if one.heard else None,
            "stopped": {"by": stop.by, "since": clock.rfc3339(stop.since), "why": stop.why} if stop else None,
            "trouble": list(one.trouble)}


def _line(sh: Shell, one: Health) -> None:
    state = Painted(f"{', '.join(one.trouble) or 'ok':22}", "red" if one.trouble else "green")
    ended = f"{one.last.status} {clock.rfc3339(one.last.finished or 0.0)}" if one.last else "no run yet"
    more = f", {one.in_a_row} failed in a row" if one.in_a_row else ""
    more += f", {len(one.open)} open" if one.open else ""
    more += f": {one.stop.why}" if one.stop and one.stop.why else ""
    sh.line(f"{one.agent:20} ", state, f" {ended}{more}")


def context_document(seen: Context) -> dict[str, object]:
    return {"read": [{"path": one.path, "blob": one.blob, "time": clock.rfc3339(one.time), "event": one.event}
                     for one in seen.read],
            "drift": [one._asdict() for one in seen.drift]}


def context_lines(sh: Shell, seen: Context) -> None:
    drift = {one.path: one for one in seen.drift}
    for one in seen.read:
        sh.line(f"  read          {one.path} {one.blob[:12]}")
        if gone := drift.get(one.path):
            what = f"is {gone.now[:12]} now" if gone.now else "is gone now"
            by = f", by {gone.agent or 'a person'} in {gone.commit[:12]}" if gone.commit else ""
            sh.line("    ", Painted("drift", "yellow"), f"     {what}{by}")
