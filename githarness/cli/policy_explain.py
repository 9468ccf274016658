"""`githarness policy explain`: which rule decides about a request, and what would change it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import typer

from githarness import clock
from githarness.cli.options import agent_option, command
from githarness.cli.out import Painted
from githarness.cli.shell import Shell, shell
from githarness.errors import Usage
from githarness.policy import authzen
from githarness.policy import explain as rules
from githarness.policy.explain import Explanation
from githarness.policy.model import ACTIONS, Request
from githarness.policy.rules import TIERS

_COLOURS = {"allow": "green", "deny": "red", "require_approval": "yellow"}


@dataclass(frozen=True, slots=True)
class Asked:
    """The request, beside agent and action."""

    path: Annotated[str, typer.Option(metavar="P", help="The artifact; the secret's name; the URL's path.")] = ""
    tool: Annotated[str, typer.Option(metavar="T", help="For exec and tool: its name.")] = ""
    arguments: Annotated[str, typer.Option(metavar="TEXT", help="For exec and tool: as one line.")] = ""
    host: Annotated[str, typer.Option(metavar="H", help="For api.")] = ""
    method: Annotated[str, typer.Option(metavar="M", help="For api.")] = "GET"
    tier: Annotated[str, typer.Option(metavar="TIER", help="What the caller's word is worth.")] = TIERS[0]
    time: Annotated[str | None, typer.Option(metavar="T", help="When, RFC 3339 [now].")] = None
    role: Annotated[list[str] | None, typer.Option(
        metavar="ROLE", help="As if the agent had this role; repeatable [those it has].")] = None


@command
def explain(
    ctx: typer.Context, *,
    agent: Annotated[str, agent_option("Who asks.")],
    action: Annotated[str, typer.Option(metavar="X", help="What for.")],
    asked: Asked,
) -> None:
    """Say which rule decides about a request.

    And which others match, and what would change it. As of head, without chain, limits and quarantine; exit 0 whatever
    is decided.
    Example: githarness policy explain --agent deployer --action write --path runbooks/release.md
    """
    sh = shell(ctx)
    if action not in ACTIONS:
        raise Usage(f"'{action}' is no action", fix=f"use one of {', '.join(ACTIONS)}")
    harness = sh.open()
    governance, now = harness.governance(), harness.clock.now()
    roles = tuple(asked.role) if asked.role else governance.agent(agent).roles
    request = Request(agent, roles, action, asked.path, tier=asked.tier, tool=asked.tool, arguments=asked.arguments,
                      host=asked.host, method=asked.method if action == "api" else "",
                      time=clock.instant(asked.time, now) if asked.time else now)
    found = rules.explain(governance.policy, request, tuple(governance.grants.values()))
    decision = found.decision
    document: dict[str, object] = {
        "effect": decision.effect, "rule": decision.rule, "why": decision.why, "grant": decision.grant,
        "request": authzen.document(request), "response": authzen.answer(decision),
        "matched": [{"rule": rule.id, "effect": rule.effect, "line": rule.line} for rule in found.matching],
        "changes": list(found.changes)}
    sh.document(document)
    _text(sh, found)


def _text(sh: Shell, found: Explanation) -> None:
    decision = found.decision
    sh.line(Painted(decision.effect, _COLOURS[decision.effect]), f" by {decision.rule}"
            + (f" {decision.grant}" if decision.grant else "") + (f": {decision.why}" if decision.why else ""))
    if decision.approvers:
        sh.line(f"approvers: {decision.approvers.count}, {decision.approvers.role} or above")
    for limit in decision.limits:
        sh.line(f"limit: {limit.most} {limit.what} in {limit.seconds}s per {'tree' if limit.tree else 'agent'}")
    for rule in found.matching[1:]:
        sh.line(f"also matches: {rule.effect} by {rule.id}")
    for change in found.changes:
        sh.line(Painted("change:", "cyan"), f" {change}")
