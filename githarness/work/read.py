"""Reads an artifact; a read of head by a run arms the stale-write guard of that run."""

from __future__ import annotations

from githarness import clock, paths
from githarness.canon import Json
from githarness.errors import BadPath, Denied, NotFound
from githarness.git import refs
from githarness.git.objects import EXECUTABLE, FILE, FOLDER
from githarness.policy.model import Request
from githarness.store import events
from githarness.store.rows import EventRow, RunRow
from githarness.work import audit_record
from githarness.work.admit import check_size
from githarness.work.asks import Doc, ReadAsk
from githarness.work.parts import Parts
from githarness.work.runbook import Runbook, tier


def read(parts: Parts, ask: ReadAsk, *, largest: int | None = None) -> Doc:
    """Raises NotFound, BadPath, Denied (role or run), Unavailable where an object cannot be had."""
    path = paths.check(ask.path)
    head = refs.head(parts.repo.common_dir, parts.ref)
    commit = parts.reader.resolve(ask.at) if ask.at else head
    if ask.agent is not None:
        try:
            _may_read(parts, ask.agent, head, path)
        except Denied as error:
            _record_denial(parts, ask, error)
            raise
    entry = parts.reader.entry(commit, path)
    if entry is None:
        raise NotFound(f"no artifact '{path}' at {commit[:12]}", details={"path": path},
                       fix="git ls-files --full-name shows paths from the top of the repository")
    if entry.mode not in (FILE, EXECUTABLE):
        raise BadPath(f"'{path}' is {'a folder' if entry.mode == FOLDER else 'no plain file'}")
    check_size(parts.reader, entry.oid, largest)
    doc = Doc(path, entry.oid, commit, entry.mode, parts.reader.blob(entry.oid))
    if ask.agent is not None and ask.run is not None:
        _arm(parts, ask, doc, arm=ask.at is None)
    return doc


def _may_read(parts: Parts, name: str, head: str, path: str) -> None:
    governance = parts.governed.at(head)
    agent = governance.agent(name)
    if agent.retired:
        raise Denied(f"agent '{name}' was retired at {agent.retired}", fix="githarness agent list")
    request = Request(name, agent.roles, "read", path, time=parts.clock.now())
    decision = governance.policy.decide(request, tuple(governance.grants.values()))
    if decision.effect != "allow":
        raise Denied(f"agent '{name}' may not read '{path}'",
                     details={"path": path, "rule": decision.rule, "why": decision.why})


def _arm(parts: Parts, ask: ReadAsk, doc: Doc, *, arm: bool) -> None:
    with parts.db.write(durable=False) as conn:
        now = parts.clock.now()
        book = Runbook(conn, now)
        run = book.run(ask.run or "", ask.agent or "")
        tier(run, ask.token)
        if arm:
            book.learn(ask.run or "", doc.path, doc.blob)
        events.add(conn, [_event(ask, doc, run, now)])
        book.save_runs(conn)
        book.save_bases(conn)


def _event(ask: ReadAsk, doc: Doc, run: RunRow, now: float) -> EventRow:
    """A read is recorded before its content is handed out."""
    safe = audit_record.shown({"paths": [{"path": doc.path, "blob": doc.blob}], "revision": doc.commit,
                               "tier": tier(run, ask.token), "chain": list[Json](run.chain)})
    return EventRow(clock.new_id("e", now), now, "read", ask.agent, None, ask.run, safe=safe)


def _record_denial(parts: Parts, ask: ReadAsk, error: Denied) -> None:
    safe = audit_record.shown({"paths": [{"path": ask.path}], "action": "read", "rule": error.details.get("rule", "")})
    now = parts.clock.now()
    with parts.db.write() as conn:
        events.add(conn, [EventRow(clock.new_id("e", now), now, "denial", ask.agent, None, ask.run, outcome=error.code,
                                   safe=safe, body=audit_record.body({"message": error.message}))])
