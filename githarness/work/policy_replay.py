"""`policy simulate`: what a candidate decides about what was written, read, called and refused in this clone.

Asked with the roles and grants of now. Reads, calls and landed writes were allowed; of what was refused only denials
count. Limits, tokens and the chain are not replayed: only the rules are.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from githarness.policy.evaluate import Policy
from githarness.policy.model import Request
from githarness.policy.rules import ALLOW, DENY
from githarness.store import audit, commits
from githarness.store.audit import EventFilter, Told
from githarness.store.db import Connection
from githarness.store.rows import CommitRow
from githarness.work.governance import Governance
from githarness.work.policies import roles_of

_CALLS = ("tool", "exec", "api")
_LANDED = (None, "landed", "recovered")


class Replayed(NamedTuple):
    event: str
    request: Request
    recorded: str  # allow | deny
    effect: str  # the candidate's
    rule: str


class Replay(NamedTuple):
    asked: int
    untold: int  # events that do not say enough, or whose agent is gone
    differing: tuple[Replayed, ...]


def replay(conn: Connection, governance: Governance, candidate: Policy, since: float) -> Replay:
    granted = tuple(governance.grants.values())
    asked = untold = 0
    differing = []
    for one in audit.told(conn, EventFilter(since=since), oldest_first=True):
        recorded = _recorded(one)
        if one.leaf.agent is None or recorded is None:
            continue
        requests = list(_requests(conn, one, roles_of(governance)))
        asked, untold = asked + len(requests), untold + (not requests)
        for request in requests:
            decision = candidate.decide(request, granted)
            if (decision.effect == ALLOW) != (recorded == ALLOW):
                differing.append(Replayed(one.leaf.id, request, recorded, decision.effect, decision.rule))
    return Replay(asked, untold, tuple(differing))


def _recorded(one: Told) -> str | None:
    """None for events that are no decision of a policy."""
    kind = one.leaf.kind
    if kind == "denial":
        return DENY
    return ALLOW if kind in ("read", *_CALLS) or (kind == "intent" and one.outcome in _LANDED) else None


def _requests(conn: Connection, one: Told, agents: Mapping[str, tuple[str, ...]]) -> Iterator[Request]:
    leaf, fields = one.leaf, json.loads(one.leaf.safe)
    if leaf.agent is None or leaf.agent not in agents:
        return
    text = {name: str(fields[name]) for name in ("tier", "tool", "host", "method", "path", "action") if name in fields}
    base = Request(leaf.agent, agents[leaf.agent], text.get("action", leaf.kind), text.get("path", ""), (),
                   text.get("tier", "T0"), text.get("tool", ""), "", text.get("host", ""), text.get("method", ""),
                   leaf.time)
    if leaf.kind == "intent":
        row = commits.get(conn, leaf.commit or "")
        yield from _of_commit(base, row) if row else ()
    elif base.action in _CALLS:
        yield base
    elif base.action != "denial":
        yield from (replace(base, path=path) for path in _paths(fields))


def _paths(fields: Mapping[str, Any]) -> Iterator[str]:
    for path in fields.get("paths", ()):
        yield str(path["path"] if isinstance(path, dict) else path)


def _of_commit(base: Request, row: CommitRow) -> Iterator[Request]:
    """What it did to each path; an append looks like a write."""
    renamed = {path for pair in row.renames for path in pair}
    for change in row.changes:
        action = "rename" if change.path in renamed else "write" if change.new_oid else "delete"
        yield replace(base, action=action, path=change.path)
