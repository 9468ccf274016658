"""Reads an artifact; a read of head by a run arms the stale-write guard of that run."""

from __future__ import annotations

from githarness import paths
from githarness.errors import BadPath, Denied, NotFound
from githarness.git import refs
from githarness.git.objects import EXECUTABLE, FILE, FOLDER
from githarness.policy.model import Request
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
        _may_read(parts, ask.agent, head, path)
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
        book = Runbook(conn, parts.clock.now())
        tier(book.run(ask.run or "", ask.agent or ""), ask.token)
        if arm:
            book.learn(ask.run or "", doc.path, doc.blob)
        book.save_runs(conn)
        book.save_bases(conn)
