"""An event for other people's tools: names of OCSF (`ai_agent`, `ai_tool`, `authorizations`) and of OpenTelemetry's
`gen_ai.*` where they exist; what has no name there stands under `unmapped` as the log has it."""

from __future__ import annotations

import json
from typing import Any

from githarness.audit.line import Leaf

_OPERATIONS = {"tool": "execute_tool", "intent": "invoke_agent", "read": "invoke_agent"}
_REFUSED = ("denial", "refusal")
_STATUS = {"landed": "Success", "recovered": "Success", None: "Unknown"}


def event(log: str, leaf: Leaf, outcome: str | None) -> dict[str, Any]:
    """A JSON object; times are milliseconds, as OCSF has them."""
    fields: dict[str, Any] = json.loads(leaf.safe)
    table: dict[str, Any] = {
        "time": int(leaf.time * 1000),
        "activity_name": leaf.kind,
        "metadata": {"uid": leaf.id, "sequence": leaf.seq, "log_name": log, "product": {"name": "githarness"}},
        "status": _STATUS.get(outcome, "Failure"),
    }
    if leaf.agent:
        table["ai_agent"] = {"name": leaf.agent} | ({"instance_uid": leaf.run} if leaf.run else {})
        table |= {"gen_ai.agent.name": leaf.agent, "gen_ai.operation.name": _OPERATIONS.get(leaf.kind, leaf.kind)}
    if leaf.run:
        table["gen_ai.conversation.id"] = leaf.run
    if leaf.human:
        table["actor"] = {"user": {"name": leaf.human}}
    if outcome:
        table["status_detail"] = outcome
    if tool := fields.pop("tool", None):
        table |= {"ai_tool": {"name": tool}, "gen_ai.tool.name": tool}
    if rule := fields.pop("rule", None):
        no = leaf.kind in _REFUSED or fields.get("verdict") == "reject"
        table["authorizations"] = [{"decision": "deny" if no else "allow", "policy": {"name": rule}}]
    rest = {"operation": leaf.operation, "commit": leaf.commit, "intent": leaf.intent, "digest": leaf.digest.hex()}
    table["unmapped"] = fields | {name: value for name, value in rest.items() if value}
    return table
