"""What the commands of `githarness audit` share: the filters, and how an event is shown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import typer

from githarness import clock, paths
from githarness.cli.options import agent_option
from githarness.cli.out import Painted
from githarness.cli.shell import Shell
from githarness.store.audit import EventFilter, Told
from githarness.work import audit_story
from githarness.work.audit_log import Wanted, fields_of

_KINDS = {"write": "intent"}  # what people call them
_COLOURS = {"denial": "red", "refusal": "yellow", "intent": "green"}


@dataclass(frozen=True, slots=True)
class EventOptions:
    agent: Annotated[str | None, agent_option("Events of this agent.")] = None
    run: Annotated[str | None, typer.Option(metavar="RUN", help="Events of this run.")] = None
    kind: Annotated[str | None, typer.Option(metavar="K", help="write, read, denial, refusal, tool, ...")] = None
    path: Annotated[str | None, typer.Option(metavar="GLOB", help="Events about a matching path.")] = None
    tool: Annotated[str | None, typer.Option(metavar="T", help="Calls of this tool.")] = None
    rule: Annotated[str | None, typer.Option(metavar="R", help="Decided by this rule.")] = None
    outcome: Annotated[str | None, typer.Option(metavar="O", help="landed, failed, or an error's code.")] = None
    since: Annotated[str | None, typer.Option(metavar="T", help="From T on: RFC 3339, 2h, 3d, yesterday.")] = None
    until: Annotated[str | None, typer.Option(metavar="T", help="Up to T.")] = None


def wanted(options: EventOptions) -> Wanted:
    """Raises Usage."""
    now = clock.SYSTEM.now()
    kind = _KINDS.get(options.kind, options.kind) if options.kind else None
    columns = EventFilter(
        options.agent, options.run, kind, options.outcome,
        clock.instant(options.since, now) if options.since is not None else None,
        clock.instant(options.until, now) if options.until is not None else None)
    return Wanted(columns, paths.valid_glob(options.path) if options.path else None, options.tool, options.rule)


def item(one: Told) -> dict[str, object]:
    leaf = one.leaf
    return {"seq": leaf.seq, "event": leaf.id, "time": clock.rfc3339(leaf.time), "kind": leaf.kind,
            "agent": leaf.agent, "human": leaf.human, "run": leaf.run, "operation": leaf.operation,
            "commit": leaf.commit, "outcome": one.outcome, **fields_of(one)}


def line(sh: Shell, one: Told) -> None:
    outcome = f" ({one.outcome})" if one.outcome and one.leaf.kind == "intent" else ""
    sh.line(Painted(one.leaf.id, _COLOURS.get(one.leaf.kind, "cyan")), f" {clock.rfc3339(one.leaf.time)} ",
            audit_story.sentence(one.leaf), outcome)
