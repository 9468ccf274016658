"""`githarness why`: the four questions about a commit or a line on one screen."""

from __future__ import annotations

from typing import Annotated

import typer

from githarness import clock
from githarness.cli import out
from githarness.cli.options import command
from githarness.cli.out import Painted
from githarness.cli.shell import Shell, shell
from githarness.work import why as work
from githarness.work.why import Changed, Why

_SHOWN = 8  # reads and paths before "and N more"


@command
def why(
    ctx: typer.Context,
    target: Annotated[str, typer.Argument(metavar="COMMIT|PATH[:LINE]", help="Of a path: its last commit, or the "
                                          "one that inserted the line.")],
) -> None:
    """Say what was read before a commit, what it changed, who allowed it on whose behalf, and whether it rolls back.

    Example: githarness why runbooks/release.md:12
    """
    sh = shell(ctx)
    found = work.why(sh.open(), target)
    sh.document(_document(found))
    _head(sh, found)
    _read(sh, found)
    _changed(sh, found)
    _allowed(sh, found)
    _undo(sh, found)


def _document(found: Why) -> dict[str, object]:
    row, allowed, origin = found.row, found.allowed, found.origin
    grant = allowed.grant
    return {
        "commit": row.oid, "time": clock.rfc3339(row.time), "agent": row.agent, "human": row.human, "run": row.run,
        "subject": row.subject,
        "line": {"path": origin.path, "line": origin.line, "text": origin.text} if origin else None,
        "read": {"items": [{"path": one.path, "blob": one.blob, "revision": one.revision, "rule": one.rule,
                            "grant": one.grant, "tier": one.tier, "time": clock.rfc3339(one.time),
                            "event": one.event} for one in found.reads], "gap": found.gap or None},
        "secrets": [{"secret": one.secret, "version": one.version, "mode": one.mode} for one in found.secrets],
        "changed": [{"path": one.change.path, "old": one.change.old_oid, "new": one.change.new_oid,
                     "action": _action(one), "added": one.added, "removed": one.removed} for one in found.changed],
        "allowed": {
            "effect": allowed.effect, "rule": allowed.rule, "event": allowed.event,
            "policy": found.trailers.get("Policy"),
            "grant": {"id": grant.id, "why": grant.why, "expires": clock.rfc3339(grant.expires)} if grant else None,
            "approvals": [{"approval": text, "good": one is not None, "approver": one.approver if one else None,
                           "time": clock.rfc3339(one.time) if one else None, "why": one.why if one else None}
                          for text, one in allowed.approvals]},
        "chain": [{"name": name, "asserted": asserted} for name, asserted in found.chain],
        "tier": found.trailers.get("Tier"),
        "signature": {"good": row.signed, "governed": found.verdict.governed, "unjudged": found.verdict.judged or None,
                      "violations": [{"path": one.path, "code": one.code, "message": one.message}
                                     for one in found.verdict.violations]},
        "rollback": {"clean": found.clean, "command": f"githarness rollback --commit {row.oid[:12]}",
                     "paths": [{"path": one.path, "action": one.action}
                               for one in found.plan.paths],
                     "conflicts": [{"path": one.path, "commits": list(one.commits)} for one in found.plan.conflicts],
                     "excluded": [{"commit": one.commit, "path": one.path, "why": one.why}
                                  for one in found.plan.excluded]},
    }


def _action(one: Changed) -> str:
    change = one.change
    if change.old_oid is None:
        return "created"
    if change.new_oid is None:
        return "deleted"
    return "edited" if change.old_oid != change.new_oid else "mode"


def _head(sh: Shell, found: Why) -> None:
    row = found.row
    if found.origin:
        sh.line(f"{found.origin.path}:{found.origin.line} | {found.origin.text}")
    sh.line(Painted(row.oid[:12], "yellow"), f" {clock.rfc3339(row.time)} ",
            Painted(row.agent or row.human or row.author, "cyan"), f"  {row.subject}")


def _title(sh: Shell, question: str, answer: str) -> None:
    sh.line(Painted(f"{question:12}", "bold"), answer)


def _some(sh: Shell, lines: list[str]) -> None:
    for line in lines[:_SHOWN]:
        sh.line(f"    {line}")
    if len(lines) > _SHOWN:
        sh.line(f"    and {len(lines) - _SHOWN} more (all of them with --json)")


def _read(sh: Shell, found: Why) -> None:
    counted = out.counted(len(found.reads), "artifact")
    _title(sh, "read", f"{counted} in run {found.row.run}" if found.row.run else "no run is named")
    _some(sh, [f"{one.path} {one.blob[:12]} at {(one.revision or '')[:12]}, by {one.rule or 'a rule not recorded'}"
               + (f" with grant {one.grant}" if one.grant else "") for one in found.reads[::-1]])
    _some(sh, [f"secret {one.secret} version {one.version}, by {one.mode}" for one in found.secrets])
    if found.gap and found.row.run:
        sh.line(f"    there may be more: {found.gap}")


def _changed(sh: Shell, found: Why) -> None:
    _title(sh, "changed", out.counted(len(found.changed), "path"))
    _some(sh, [f"{_action(one):8} {one.change.path}" + (
        f"  +{one.added} -{one.removed}" if one.added is not None else "  binary") for one in found.changed])


def _allowed(sh: Shell, found: Why) -> None:
    allowed, tier = found.allowed, found.trailers.get("Tier")
    by = f"{allowed.effect} by {allowed.rule}" if allowed.rule else "no decision is recorded: a person's commit"
    _title(sh, "allowed", by + (f", tier {tier}" if tier else "") + (
        f", event {allowed.event}" if allowed.event else ""))
    if allowed.grant:
        sh.line(f"    grant {allowed.grant.id} until {clock.rfc3339(allowed.grant.expires)}: {allowed.grant.why}")
    for text, one in allowed.approvals:
        sh.line(f"    approved: {text}" + (f", {clock.rfc3339(one.time)} {one.why}" if one else " (not good)"))
    for name, asserted in found.chain:
        sh.line(f"    on behalf of {name}" + (" (asserted only)" if asserted else ""))
    _verdict(sh, found)


def _verdict(sh: Shell, found: Why) -> None:
    verdict = found.verdict
    said = "signature good" if found.row.signed else "not signed"
    if verdict.judged:
        sh.line(f"    {said}; not judged: {verdict.judged}")
    elif not verdict.governed:
        sh.line(f"    {said}; before governance began")
    elif not verdict.violations:
        sh.line(f"    {said}; verify finds no violation")
    for one in verdict.violations:
        sh.line("    ", Painted(one.code, "red"), f": {one.message}")


def _undo(sh: Shell, found: Why) -> None:
    plan = found.plan
    if found.clean:
        _title(sh, "rolls back", f"cleanly: githarness rollback --commit {found.row.oid[:12]}")
    else:
        _title(sh, "rolls back", "with conflicts" if plan.conflicts else "nothing is left to undo")
    _some(sh, [f"{one.action:10} {one.path}" for one in plan.paths])
    for one in plan.conflicts:
        others = ", ".join(oid[:12] for oid in one.commits if oid != found.row.oid)
        sh.line(f"    {one.path}: its lines were changed by {others or 'others'}")
    _some(sh, [f"left out: {one.path or one.commit}: {one.why}" for one in plan.excluded])
