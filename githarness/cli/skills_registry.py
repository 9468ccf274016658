"""`githarness skills list|show|history|blame`: the registry of the governed branch and what every version was worth."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from githarness import clock, wiring
from githarness.cli import out
from githarness.cli.options import command
from githarness.cli.out import Painted
from githarness.cli.shell import Shell, shell
from githarness.skills import portability
from githarness.store import artifacts, verdicts
from githarness.store.artifacts import Artifact
from githarness.store.verdicts import Judged
from githarness.work import quality
from githarness.work.prune import STALE, propose


class Status(StrEnum):
    ok = "ok"
    failing = "failing"
    stale = "stale"


def _judged(sh: Shell) -> wiring.Harness:
    """The harness with index, registry and verdicts up to date."""
    harness = sh.open()
    with sh.progress("judging") as progress:
        harness.fresh_registry(progress)
    return harness


@command
def list_skills(
    ctx: typer.Context, *,
    status: Annotated[Status | None, typer.Option(
        help="Only those without errors, only those with, or only those that `skills prune` would propose.")] = None,
) -> None:
    """List the skills of the governed branch with their scores.

    Example: githarness skills list --status failing
    """
    sh = shell(ctx)
    harness = _judged(sh)
    if status is Status.stale:
        before = clock.instant(STALE, clock.SYSTEM.now())
        rows = [one.artifact for one in propose(harness.registry, harness.governance(), before)]
    else:
        with harness.db.read() as conn:
            rows = artifacts.listing(conn, "skill")
        rows = [row for row in rows if status is None or bool(row.errors) == (status is Status.failing)]
    sh.document({"items": [_item(row) for row in rows]})
    wide = min(64, max((len(row.name) for row in rows), default=0))
    for row in rows:
        word = out.counted(row.errors, "error") if row.errors else "ok"
        sh.line(Painted(f"{row.score or 0:>3.0f} ", "red" if row.errors else "green"),
                f"{row.name:{wide}} {word:10} {row.path}")


def _item(row: Artifact) -> dict[str, object]:
    return {"path": row.path, "name": row.name, "description": row.description, "blob": row.blob, "score": row.score,
            "errors": row.errors, "warnings": row.warnings, "status": "failing" if row.errors else "ok"}


@command
def show(ctx: typer.Context, *, name: Annotated[str, typer.Argument(metavar="NAME", help="A name or a path.")]) -> None:
    """Show one skill: what it is for, which clients load it, what the gates find.

    Example: githarness skills show deploy
    """
    sh = shell(ctx)
    with _judged(sh).db.read() as conn:
        found = quality.named(conn, name)
    sh.document({**_item(found.artifact), "findings": found.findings,
                 "clients": {client: verdict._asdict() for client, verdict in found.clients.items()}})
    sh.line(Painted(found.artifact.name, "bold"), f"  {found.artifact.path}")
    sh.line(found.artifact.description)
    sh.line(f"score {found.artifact.score or 0:.0f}; {portability.sentence(found.clients)}")
    for one in found.findings:
        sh.line(f"{one['line']}: {one['gate']} {one['severity']}: {one['message']}\n    hint: {one['fix']}")


@command
def history(
    ctx: typer.Context, *, name: Annotated[str, typer.Argument(metavar="NAME", help="A name or a path.")],
) -> None:
    """Show what every version of a skill was worth, the newest first, and who made it.

    Example: githarness skills history deploy
    """
    sh = shell(ctx)
    with _judged(sh).db.read() as conn:
        found = quality.named(conn, name).artifact
        rows = verdicts.history(conn, found.path)
    trend = quality.trend(rows)
    sh.document({"path": found.path, "trend": trend, "items": [_version(row) for row in reversed(rows)]})
    for row in reversed(rows):
        _line(sh, row)
    sh.note(f"{out.counted(len(rows), 'version')}, trend: {trend}")


def _version(row: Judged) -> dict[str, object]:
    return {"commit": row.commit, "blob": row.blob, "agent": row.agent, "human": row.human, "author": row.author,
            "time": clock.rfc3339(row.time), "score": row.verdict.score, "errors": row.verdict.errors,
            "warnings": row.verdict.warnings}


def _line(sh: Shell, row: Judged) -> None:
    sh.line(Painted(row.commit[:12], "yellow"), f" {clock.rfc3339(row.time)} ",
            Painted(row.agent or row.human or row.author.partition(" <")[0], "cyan"),
            f"  score {row.verdict.score:.0f}, {out.counted(row.verdict.errors, 'error')}, "
            f"{out.counted(row.verdict.warnings, 'warning')}")


@command
def blame(
    ctx: typer.Context, *, name: Annotated[str, typer.Argument(metavar="NAME", help="A name or a path.")],
) -> None:
    """Name the commit since which a skill fails, who made it, and how to take it back. Exit 1 where there is one.

    Example: githarness skills blame deploy
    """
    sh = shell(ctx)
    with _judged(sh).db.read() as conn:
        found = quality.named(conn, name).artifact
        culprit = verdicts.blame(conn, found.path, found.blob)
    undo = f"githarness rollback --commit {culprit.commit} --path '{found.path}'" if culprit else None
    sh.document({"path": found.path, "commit": culprit and _version(culprit), "undo": undo})
    if culprit is None:
        sh.note(f"'{found.path}' does not fail")
        return
    _line(sh, culprit)
    sh.note(f"hint: {undo} --dry-run")
    raise typer.Exit(1)
