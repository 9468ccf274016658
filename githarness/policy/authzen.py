"""Requests and decisions in the shape of AuthZEN 1.0: {subject, action, resource, context} and {decision, context}.

    subject   {"type": "agent", "id", "properties": {"roles": [...]}}
    action    {"name"}
    resource  {"type": "artifact"|"secret"|"tool"|"api"|"approval"|"agent", "id", "properties": {...}}
    context   {"time": RFC 3339 or Unix seconds, "tier", "chain": [...]}

`id` is the path or name; of a tool the tool, of an api `host/path`. `properties` has `arguments` of a tool and `host`,
`method`, `path` of an api.
"""

from __future__ import annotations

from githarness.canon import Json
from githarness.errors import Usage
from githarness.policy.model import Decision, Limit, Request
from githarness.policy.rules import ALLOW
from githarness.policy.tables import instant

_TYPES = {"secret": "secret", "exec": "tool", "tool": "tool", "api": "api", "approve": "approval", "delegate": "agent"}


def document(request: Request) -> dict[str, Json]:
    what: dict[str, Json] = {"type": _TYPES.get(request.action, "artifact"), "id": request.path}
    if request.action in ("exec", "tool"):
        what |= {"id": request.tool, "properties": {"arguments": request.arguments, "path": request.path}}
    elif request.action == "api":
        what |= {"id": request.host + request.path,
                 "properties": {"host": request.host, "method": request.method, "path": request.path}}
    context: dict[str, Json] = {"time": request.time, "tier": request.tier}
    if request.chain:
        context["chain"] = list(request.chain)
    return {"subject": {"type": "agent", "id": request.agent, "properties": {"roles": list(request.roles)}},
            "action": {"name": request.action}, "resource": what, "context": context}


def answer(decision: Decision) -> dict[str, Json]:
    context: dict[str, Json] = {"effect": decision.effect, "rule": decision.rule}
    if decision.why:
        context["reason"] = decision.why
    if decision.grant:
        context["grant"] = decision.grant
    if decision.limits:
        context["limits"] = [_limit(limit) for limit in decision.limits]
    if decision.approvers:
        context["approvers"] = {"role": decision.approvers.role, "count": decision.approvers.count}
    return {"decision": decision.effect == ALLOW, "context": context}


def _limit(limit: Limit) -> dict[str, Json]:
    return {"what": limit.what, "most": limit.most, "seconds": limit.seconds, "per": "tree" if limit.tree else "agent",
            "then": "quarantine" if limit.quarantine else "refuse"}


def request(document: dict[str, Json]) -> Request:
    """Raises Usage where the document is not of the shape."""
    who, what, properties = (_part(document, key) for key in ("subject", "resource", "action"))
    context = _part(document, "context") if "context" in document else {}
    details = _part(what, "properties") if "properties" in what else {}
    action = _text(properties, "name")
    roles = _part(who, "properties")["roles"] if "properties" in who else []
    calls = action in ("exec", "tool")
    path = _text(details, "path", "") if calls or action == "api" else _text(what, "id")
    return Request(
        _text(who, "id"), _texts(roles), action, path, _texts(context.get("chain") or []),
        _text(context, "tier", "T0"), _text(what, "id") if calls else "", _text(details, "arguments", ""),
        _text(details, "host", ""), _text(details, "method", ""), _time(context))


def _part(document: dict[str, Json], key: str) -> dict[str, Json]:
    found = document.get(key)
    if not isinstance(found, dict):
        raise Usage(f"'{key}' of the request is missing or no object", fix="see docs/policy.md")
    return found


def _text(document: dict[str, Json], key: str, default: str | None = None) -> str:
    found = document.get(key, default)
    if not isinstance(found, str):
        raise Usage(f"'{key}' of the request is missing or no text", fix="see docs/policy.md")
    return found


def _texts(value: Json) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise Usage("roles and chain are lists of text", fix="see docs/policy.md")
    return tuple(str(item) for item in value)


def _time(context: dict[str, Json]) -> float:
    found = context.get("time", 0.0)
    if isinstance(found, str):
        return instant(found)
    if isinstance(found, bool) or not isinstance(found, int | float):
        raise Usage("'time' of the request is no time", fix="write RFC 3339 or Unix seconds")
    return float(found)
