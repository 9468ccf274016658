"""`githarness audit` for keeping: export, bundle, archive, and what becomes of old bodies."""

from __future__ import annotations

from typing import Annotated

import typer

from githarness import clock
from githarness.cli import out
from githarness.cli.audit_options import EventOptions, wanted
from githarness.cli.options import command
from githarness.cli.out import counted
from githarness.cli.shell import Shell, shell
from githarness.errors import Usage
from githarness.policy.model import Human
from githarness.store import audit_bodies
from githarness.wiring import Harness
from githarness.work import audit_keep, people
from githarness.work.audit_keep import Kept

Why = Annotated[str, typer.Option("--why", metavar="TEXT", help="The reason; it is recorded.")]


@command
def export(
    ctx: typer.Context,
    *,
    options: EventOptions,
    form: Annotated[str, typer.Option("--format", metavar="jsonl", help="JSON Lines.")] = "jsonl",
) -> None:
    """Print events as JSON Lines, oldest first, in the names of OCSF and of OpenTelemetry's gen_ai.

    Example: githarness audit export --format jsonl --since 1d > events.jsonl
    """
    if form != "jsonl":
        raise Usage(f"'{form[:40]}' is not a format of export", fix="use --format jsonl")
    sh = shell(ctx)
    chosen = wanted(options)
    for line in audit_keep.export(sh.open().parts, chosen):
        out.data(line.encode() + b"\n")


@command
def bundle(ctx: typer.Context, file: Annotated[str, typer.Argument(metavar="FILE", help="A new file.")]) -> None:
    """Write the log with its checkpoint into an archive that anybody can check without githarness.

    docs/audit.md has the format and a program that checks it. Example: githarness audit bundle audit.tar
    """
    sh = shell(ctx)
    _say(sh, audit_keep.bundle(sh.open().parts, sh.directory / file))


@command
def archive(ctx: typer.Context, folder: Annotated[str, typer.Argument(metavar="DIR", help="Where to.")]) -> None:
    """Write a bundle with all bodies, before audit purge lets go of them.

    Example: githarness audit archive ../audit-archive
    """
    sh = shell(ctx)
    _say(sh, audit_keep.archive(sh.open().parts, sh.directory / folder))


def _say(sh: Shell, kept: Kept) -> None:
    sh.document({"file": str(kept.file), "log": kept.log, "events": kept.size, "bodies": kept.bodies})
    sh.line(f"{kept.file}: {counted(kept.size, 'event')}" + (f", {kept.bodies} with bodies" if kept.bodies else ""))


@command
def purge(
    ctx: typer.Context,
    *,
    older: Annotated[str | None, typer.Option(
        "--older-than", metavar="T", help="30d, or a time; without it what policy files say.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Count and change nothing.")] = False,
) -> None:
    """Let go of the bodies of old events: arguments, results, texts. Lines and proofs stay; it takes an operator.

    Example: githarness audit purge --older-than 90d
    """
    sh = shell(ctx)
    harness = sh.open()
    before = clock.instant(older, clock.SYSTEM.now()) if older else audit_keep.by_policy(harness.parts)
    if before is None:
        raise Usage("no policy file says for how long bodies are kept",
                    fix="--older-than 90d, or audit: {bodies: 90d} in a policy file")
    done = audit_keep.purge(harness.parts, _operator(harness), before=before, dry=dry_run)
    sh.document({"bodies": done.bodies, "held": done.held, "before": clock.rfc3339(before), "dry_run": dry_run,
                 "lingers": done.lingers})
    sh.line(f"{'would purge' if dry_run else 'purged'} the bodies of {counted(done.bodies, 'event')} from before "
            f"{clock.rfc3339(before)}")
    if done.held:
        sh.note(f"note: {done.held} are held")
    if done.lingers:
        sh.note("note: somebody reads, which keeps the old bodies in the file: repeat this once they are done")


@command
def hold(
    ctx: typer.Context,
    what: Annotated[str | None, typer.Argument(metavar="ID", help="An event or a run.")] = None,
    *,
    why: Why = "",
    release: Annotated[bool, typer.Option("--release", help="Hold it no longer.")] = False,
    show: Annotated[bool, typer.Option("--list", help="Show what is held.")] = False,
) -> None:
    """Keep the bodies of an event, or of all of a run, from being purged; it takes an operator.

    Example: githarness audit hold r-01j2x7k3m9q4v8b2n6t0 --why "case 17"
    """
    sh = shell(ctx)
    harness = sh.open()
    if show or what is None:
        _show(sh, harness)
        return
    act = audit_keep.release if release else audit_keep.hold
    act(harness.parts, _operator(harness), what, why)
    sh.document({"id": what, "held": not release})
    sh.line(f"{what} is {'no longer ' if release else ''}held")


def _show(sh: Shell, harness: Harness) -> None:
    with harness.db.read() as conn:
        held = audit_bodies.holds(conn)
    sh.document({"items": [{"id": one.id, "time": clock.rfc3339(one.time), "why": one.why} for one in held]})
    for one in held:
        sh.line(f"{one.id} {clock.rfc3339(one.time)} {one.why}")


def _operator(harness: Harness) -> Human:
    human, _ = harness.human()
    people.require(human, "operator", "letting go of what was recorded")
    return human
