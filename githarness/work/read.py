"""Reads an artifact; a read of head by a run arms the stale-write guard of that run."""

from __future__ import annotations

from collections.abc import Sequence

from githarness import clock, paths
from githarness.canon import Json
from githarness.errors import BadPath, Denied, HarnessError, NeedsApproval, NotFound, Stopped
from githarness.git import refs
from githarness.git.objects import EXECUTABLE, FILE, FOLDER
from githarness.policy.model import Decision, Request
from githarness.store import events, runs
from githarness.store.rows import EventRow, RunRow
from githarness.store.stops import Stop
from githarness.work import audit_record, breaker, ends
from githarness.work.admit import check_size
from githarness.work.asks import Doc, ReadAsk
from githarness.work.parts import Parts
from githarness.work.permit import Permit
from githarness.work.runbook import Runbook, name_of, tier


def read(parts: Parts, ask: ReadAsk, *, largest: int | None = None) -> Doc:
    """Raises NotFound, BadPath, Denied (role or run), Unavailable where an object cannot be had."""
    path = paths.check(ask.path)
    head = refs.head(parts.repo.common_dir, parts.ref)
    commit = parts.reader.resolve(ask.at) if ask.at else head
    decision = _may_read(parts, ask, head, path) if ask.agent is not None else None
    entry = parts.reader.entry(commit, path)
    if entry is None:
        raise NotFound(f"no artifact '{path}' at {commit[:12]}", details={"path": path},
                       fix="git ls-files --full-name shows paths from the top of the repository")
    if entry.mode not in (FILE, EXECUTABLE):
        raise BadPath(f"'{path}' is {'a folder' if entry.mode == FOLDER else 'no plain file'}")
    check_size(parts.reader, entry.oid, largest)
    doc = Doc(path, entry.oid, commit, entry.mode, parts.reader.blob(entry.oid))
    if decision is not None and ask.run is not None:
        _arm(parts, ask, doc, decision)
    return doc


def _may_read(parts: Parts, ask: ReadAsk, head: str, path: str) -> Decision:
    """Raises Denied, NeedsApproval and Quarantined once they are on record."""
    governance = parts.governed.at(head)
    ends.note(parts.db, governance.ends, parts.clock)
    with parts.db.read() as conn:
        permit = Permit.of(governance, conn, parts.clock, parts.clock.now())
        try:
            return permit.allow(_request(permit, ask, path))
        except (Denied, NeedsApproval, Stopped) as error:
            refused = error
            if isinstance(error, Denied):
                permit.count_denials(ask.agent or "", 1)
    _record_refusal(parts, ask, refused, permit.new_stops)
    raise refused


def _request(permit: Permit, ask: ReadAsk, path: str) -> Request:
    agent = permit.agent(ask.agent or "")
    run = runs.get(permit.conn, ask.run) if ask.run else None
    if run is None or run.agent != agent.name:  # recorded on first use, or refused when the read is recorded
        return Request(agent.name, agent.roles, "read", path, time=permit.now)
    return Request(agent.name, agent.roles, "read", path, tuple(map(name_of, run.chain)), tier(run, ask.token),
                   time=permit.now)


def _arm(parts: Parts, ask: ReadAsk, doc: Doc, decision: Decision) -> None:
    with parts.db.write(durable=False) as conn:
        now = parts.clock.now()
        book = Runbook(conn, now)
        run = book.run(ask.run or "", ask.agent or "")
        tier(run, ask.token)
        if ask.at is None:
            book.learn(ask.run or "", doc.path, doc.blob)
        events.add(conn, [_event(ask, doc, run, decision, now)])
        book.save_runs(conn)
        book.save_bases(conn)


def _event(ask: ReadAsk, doc: Doc, run: RunRow, decision: Decision, now: float) -> EventRow:
    """A read is recorded before its content is handed out."""
    safe = audit_record.shown({"paths": [{"path": doc.path, "blob": doc.blob}], "revision": doc.commit,
                               "rule": decision.rule, "grant": decision.grant, "tier": tier(run, ask.token),
                               "chain": list[Json](run.chain)})
    return EventRow(clock.new_id("e", now), now, "read", ask.agent, None, ask.run, safe=safe)


def _record_refusal(parts: Parts, ask: ReadAsk, error: HarnessError, new_stops: Sequence[Stop]) -> None:
    safe = audit_record.shown({"paths": [{"path": ask.path}], "action": "read", "rule": error.details.get("rule", "")})
    now = parts.clock.now()
    kind = "denial" if isinstance(error, Denied) else "refusal"
    with parts.db.write() as conn:
        breaker.keep(conn, new_stops)
        events.add(conn, [EventRow(clock.new_id("e", now), now, kind, ask.agent, None, ask.run, outcome=error.code,
                                   safe=safe, body=audit_record.body({"message": error.message}))])
