"""`githarness blast`: who read what writes produced and what they wrote afterwards, and what to roll back."""

from __future__ import annotations

from typing import Annotated

import typer

from githarness import clock
from githarness.cli import out
from githarness.cli.options import command
from githarness.cli.out import Painted
from githarness.cli.shell import Shell, shell
from githarness.work import blast as work
from githarness.work.blast import Blast, Node, Reached
from githarness.work.rollback_select import Selection

_SHOWN, _LISTED = 10, 200  # commits that nobody read; commits of a command that people paste


@command
def blast(
    ctx: typer.Context,
    agent: Annotated[str | None, typer.Argument(metavar="AGENT", help="What this agent wrote.")] = None,
    *,
    run: Annotated[str | None, typer.Option(metavar="R", help="What this run wrote.")] = None,
    commit: Annotated[list[str] | None, typer.Option(metavar="C", help="This commit; repeatable.")] = None,
    number: Annotated[int, typer.Option("-n", metavar="N", min=1, help="Follow at most N commits.")] = 500,
) -> None:
    """Show who read what these writes produced, what they wrote afterwards, who read that, and what to roll back.

    Reads of this clone's audit log count, and writes that name their base. Example: githarness blast deployer
    """
    sh = shell(ctx)
    found = work.blast(sh.open(), Selection(agent=agent, run=run, commits=tuple(commit or ())), most=number)
    sh.document({"roots": [_node(node) for node in found.roots], "commits": found.consider, "command": found.command,
                 "unrecorded": [{"run": row.id, "agent": row.agent} for row in found.unseen],
                 "complete": found.complete})
    told = [node for node in found.roots if node.reached]
    for node in told or found.roots[:_SHOWN]:
        _show(sh, node, "")
    if len(found.roots) > len(told):
        sh.line(f"{out.counted(len(found.roots) - len(told), 'commit')} that nobody is known to have read")
    _conclude(sh, found)


def _node(node: Node) -> dict[str, object]:
    row = node.row
    return {"commit": row.oid, "time": clock.rfc3339(row.time), "agent": row.agent, "human": row.human,
            "run": row.run, "subject": row.subject, "paths": [change.path for change in row.changes],
            "rolled_back": node.gone, "reached": [_reached(one) for one in node.reached]}


def _reached(one: Reached) -> dict[str, object]:
    read = one.read
    return {"run": read.run, "agent": read.agent, "how": read.how, "path": read.path,
            "blob": read.blob, "time": clock.rfc3339(read.time), "event": read.event,
            "commits": [_node(node) for node in one.commits]}


def _show(sh: Shell, node: Node, indent: str) -> None:
    row = node.row
    sh.line(indent, Painted(row.oid[:12], "yellow"), f" {clock.rfc3339(row.time)} ",
            Painted(row.agent or row.human or row.author, "cyan"), f"  {row.subject}",
            Painted(" (rolled back)", "dim") if node.gone else "")
    for one in node.reached:
        how = "read by" if one.read.how == "read" else "changed by"
        sh.line(f"{indent}  {how} ", Painted(one.read.agent or "", "cyan"), f" in {one.read.run}: {one.read.path} "
                f"{one.read.blob[:12]}", "" if one.commits else "; it wrote nothing else afterwards")
        for after in one.commits:
            _show(sh, after, indent + "    ")


def _conclude(sh: Shell, found: Blast) -> None:
    if found.unseen:
        names = ", ".join(f"{row.id} ({row.agent})" for row in found.unseen[:10])
        sh.line(f"worked in worktrees that may have had it, where reads are not recorded: {names}"
                + (f" and {len(found.unseen) - 10} more" if len(found.unseen) > 10 else ""))
    if not found.complete:
        sh.note("there is more than was followed: -n N")
    if found.command:
        sh.line(Painted(out.counted(len(found.consider), "commit") + " to consider", "bold"), ":")
        sh.line(f"  {found.command if len(found.consider) <= _LISTED else 'the command is in the output of --json'}")
    else:
        sh.line("nothing is left to roll back")
