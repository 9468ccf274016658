"""`githarness proposals`, `approve`, `reject`: changes of agents that wait for people."""

from __future__ import annotations

from typing import Annotated

import typer

from githarness import clock
from githarness.cli.options import command
from githarness.cli.out import Painted, counted
from githarness.cli.shell import Shell, shell
from githarness.cli.write_options import landed
from githarness.errors import Denied, Usage
from githarness.git.objects import Entry
from githarness.wiring import Harness
from githarness.work import approvals, operator, risks
from githarness.work.approvals import Desk, Proposal
from githarness.work.risks import Risk, Seen
from githarness.work.statements import LASTS

Id = Annotated[str, typer.Argument(metavar="ID", help="The held change.")]
Why = Annotated[str, typer.Option(metavar="TEXT", help="Your reason; it is signed with the rest.")]


@command
def proposals(
    ctx: typer.Context,
    change: Annotated[str | None, typer.Argument(metavar="[ID]", help="One of them, with its diff.")] = None,
) -> None:
    """List what waits for approval, oldest first; with an ID what it changes, what is risky about it and what lands.

    Example: githarness proposals h-01j2x7k3m9q4v8b2n6t0
    """
    sh = shell(ctx)
    harness = sh.open()
    governance = harness.governance()
    if change is not None:
        _show(sh, harness, approvals.get(harness.parts, governance, change))
        return
    found = [(one, _risks(harness, one)) for one in approvals.listed(harness.parts, governance)]
    sh.document({"items": [_item(*one) for one in found]})
    for one, risky in found:
        flags = ", ".join(dict.fromkeys(risk.flag for risk in risky))
        sh.line(Painted(one.change.id, "yellow"), f" {clock.rfc3339(one.change.time)} {one.change.agent} ",
                f" {len({each.statement.approver for each in one.signed})} of {one.approvers.count}  {_subject(one)}",
                Painted(f"  [{flags}]" if flags else "", "red"), "  void" if one.void else "")
    if not found:
        sh.note("nothing waits for approval")


@command
def approve(
    ctx: typer.Context,
    change: Id,
    *,
    why: Why = "",
    lasts: Annotated[str, typer.Option("--for", metavar="24h", help="How long your word counts.")] = "24h",
) -> None:
    """Sign that a held change may land; it does once enough people have, as a commit of its agent.

    Example: githarness approve h-01j2x7k3m9q4v8b2n6t0 --why "checked with the on-call team"
    """
    sh = shell(ctx)
    seconds = clock.seconds(lasts)
    if not 0 < seconds <= 30 * LASTS:
        raise Usage(f"'{lasts}' is no length for an approval", fix="write up to 30d")
    done = approvals.approve(_desk(sh), change, why, lasts=seconds)
    said, written = done.statement, done.written
    sh.document({"approval": said.id, "held": change, "approver": said.approver, "expires": clock.rfc3339(said.expires),
                 "commit": written.commit if written else None, "waits": done.why,
                 "paths": [landed(one) for one in written.paths] if written else []})
    sh.line(f"approval {said.id} by {said.approver}, until {clock.rfc3339(said.expires)}")
    sh.line(f"landed as {written.commit}" if written else f"it does not land yet: {done.why}")


@command
def reject(ctx: typer.Context, change: Id, *, why: Why = "") -> None:
    """Let a held change go; its agent is told why.

    Example: githarness reject h-01j2x7k3m9q4v8b2n6t0 --why "the steps for a rollback are gone"
    """
    sh = shell(ctx)
    said = approvals.reject(_desk(sh), change, why)
    sh.document({"rejection": said.id, "held": change, "by": said.approver, "why": said.why})
    sh.line(f"rejected {change}")


def _desk(sh: Shell) -> Desk:
    """An agent's environment says so, and no agent stands in for a person."""
    settings = sh.settings
    if settings.agent or settings.run or settings.token_file:
        raise Denied("an agent approves nothing", fix="run it in a shell of your own, without GITHARNESS_AGENT",
                     details={"rule": "separation-of-duties"})
    harness = sh.open()
    human, signer = harness.human()
    return Desk(harness.parts, harness.git, harness.local, human, signer)


def _show(sh: Shell, harness: Harness, one: Proposal) -> None:
    risky, diff = _risks(harness, one), operator.diff(one.change.changes, harness.reader)
    sh.document({**_item(one, risky), "diff": diff})
    change = one.change
    sh.line(Painted(change.id, "yellow"), f" {clock.rfc3339(change.time)} {change.agent}, run {change.run}")
    sh.line(f"message: {change.message}")
    sh.line(f"by rule '{change.value('Rule')}': {one.approvers.count} of role {one.approvers.role} or above")
    for risk in risky:
        sh.line(Painted(f"{risk.flag}: ", "red"), f"{risk.path}: {risk.text}")
    sh.line(diff.rstrip("\n"))
    _lands(sh, one)
    for said in one.signed:
        sh.line(f"approved by {said.statement.approver} until {clock.rfc3339(said.statement.expires)}")
    sh.note(f"void: {one.void}; to propose it anew: githarness approve {change.id}" if one.void else
            f"hint: githarness approve {change.id}, or githarness reject {change.id} --why TEXT")


def _lands(sh: Shell, one: Proposal) -> None:
    behalf = f", on behalf of {', '.join(one.matter.chain)}" if one.matter.chain else ""
    author = "the owner who approves last" if one.change.by_people else one.change.agent
    sh.line(f"what lands: one commit by {author}{behalf}")
    for path, old, new, mode in one.matter.paths:
        sh.line(f"  {mode or 'deleted'} {path} {(old or 'new')[:12]}..{(new or '')[:12]}")


def _risks(harness: Harness, one: Proposal) -> list[Risk]:
    def data(entry: Entry | None) -> bytes | None:
        return harness.reader.blob(entry.oid) if entry else None

    return risks.of([Seen(each.path, data(each.old), data(each.new), each.old.mode if each.old else None,
                          each.new.mode if each.new else None) for each in one.change.changes])


def _subject(one: Proposal) -> str:
    paths = [bound.path for bound in one.matter.paths]
    said, more = one.change.message.partition("\n")[0], f" and {counted(len(paths) - 1, 'more path')}"
    return said + ("" if paths[0] in said.split() else f": {paths[0]}") + (more if len(paths) > 1 else "")


def _item(one: Proposal, risky: list[Risk]) -> dict[str, object]:
    change = one.change
    return {"id": change.id, "agent": change.agent, "run": change.run, "time": clock.rfc3339(change.time),
            "message": change.message, "rule": change.value("Rule"), "chain": list(one.matter.chain),
            "approvers": {"role": one.approvers.role, "count": one.approvers.count},
            "approved": [said.statement.approver for said in one.signed], "void": one.void or None,
            "paths": [dict(bound._asdict()) for bound in one.matter.paths],
            "risks": [dict(risk._asdict()) for risk in risky]}
