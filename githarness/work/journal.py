"""What a run did beside reading and writing: calls of tools and whatever else others report, as events of the log."""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass

from githarness import clock
from githarness.canon import Json
from githarness.errors import Denied, RateLimited, Stopped, Usage
from githarness.git import refs
from githarness.policy.model import Agent, Request
from githarness.store import events
from githarness.store.rows import EventRow, RunRow
from githarness.store.stops import Stop
from githarness.work import audit_record, breaker, runs
from githarness.work.parts import Parts
from githarness.work.permit import Permit
from githarness.work.runbook import Runbook, name_of, tier

_KIND = re.compile(r"[a-z][a-z0-9.-]{0,39}")
TRANSCRIPT = "transcript"  # what an agent and its model said to each other; a body that is purged like all others
_LONGEST = 1 << 20  # bytes of one
_CALLS = ("tool", "exec", "api")
_OPEN = ("tool", "host", "method", "path")  # of the details, texts that stand in the safe fields
_OURS = frozenset({"intent", "outcome", "restored", "denial", "refusal", "read", "grant", "revoke", "approval",
                   "recovery", "quarantine", "release", "rollback", "secret", "purge", "hold", "unhold", "run",
                   "write", "state", "lease", "channel", "task", "guard"})  # nobody else says these


@dataclass(frozen=True, slots=True)
class Entry:
    """Who reports what. Of a call `tool` of `details` is its name; `arguments` and `result` stay in the body."""

    agent: str | None  # None: whose run it is
    run: str
    kind: str
    details: dict[str, Json]
    token: str | None = None


def add(parts: Parts, entry: Entry) -> str:
    """The id of the event. Raises Usage, NotFound, Denied for a run that is another agent's or has ended.

    It is on disk when this returns, and an error means that nothing was recorded. A call that goes past a limit has
    been made and is recorded, and stops its agent.
    """
    _check(entry)
    body = _body(entry)
    head, now = refs.head(parts.repo.common_dir, parts.ref), parts.clock.now()
    event = clock.new_id("e", now)
    with parts.db.write() as conn:
        book = Runbook(conn, now)
        agent = entry.agent or runs.get(conn, entry.run).agent
        governance = parts.governed.at(head)
        known = governance.agent(agent)
        run = book.run(entry.run, agent)
        fields: dict[str, Json] = {"tier": tier(run, entry.token), "chain": list[Json](run.chain)}
        fields |= {name: value for name, value in entry.details.items() if name in _OPEN and isinstance(value, str)}
        book.save_runs(conn)
        if entry.kind in _CALLS:
            permit = Permit.of(governance, conn, parts.clock, now)
            breaker.keep(conn, _past_limits(permit, _request(entry, known, run, now)))
        events.add(conn, [EventRow(event, now, entry.kind, agent, None, entry.run,
                                   outcome=_outcome(entry.details), safe=audit_record.shown(fields),
                                   body=body)])
    return event


def _request(entry: Entry, agent: Agent, run: RunRow, now: float) -> Request:
    said = {name: value for name, value in entry.details.items() if isinstance(value, str)}
    named = {name: said[name] for name in ("tool", "arguments", "host", "method", "path") if name in said}
    return Request(agent.name, agent.roles, entry.kind, chain=tuple(map(name_of, run.chain)),
                   tier=tier(run, entry.token), time=now, **named)


def _past_limits(permit: Permit, request: Request) -> list[Stop]:
    with contextlib.suppress(Denied, Stopped):  # whether it was allowed was the caller's to ask
        permit.decide(request)
    with contextlib.suppress(RateLimited):
        permit.keep_limits(request.agent, calls=1)
    return permit.new_stops


def _check(entry: Entry) -> None:
    if not _KIND.fullmatch(entry.kind) or entry.kind in _OURS:
        raise Usage(f"'{entry.kind[:40]}' is not a kind of event that is reported",
                    fix="use 'tool', 'exec', 'api', 'note', or a word of your own")
    if entry.kind in _CALLS and not isinstance(entry.details.get("tool"), str):
        raise Usage(f"an event of the kind '{entry.kind}' does not name its tool",
                    fix='pass {"tool": "NAME", "arguments": ..., "result": ...}')


def _body(entry: Entry) -> str:
    try:
        if entry.kind == TRANSCRIPT:
            return audit_record.body(entry.details, most=_LONGEST)
        return audit_record.body(entry.details)
    except (ValueError, RecursionError) as error:
        raise Usage("what is to be recorded is no JSON, or nested too deeply",
                    fix="pass numbers that are finite, and fewer than 100 levels") from error


def _outcome(details: dict[str, Json]) -> str | None:
    """`status` of a call, where the caller says how it ended."""
    status = details.get("status")
    return audit_record.redacted(status)[:40] if isinstance(status, str) else None
