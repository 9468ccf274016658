"""What people sign about held changes: as an event first, then as a ref below `refs/githarness/statements/HELD/`."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass

from githarness import clock
from githarness.canon import Json
from githarness.errors import Integrity
from githarness.git import pack, refs
from githarness.git.objects import FILE, Entry, raw
from githarness.git.trees import Trees
from githarness.policy import approval, trailers
from githarness.policy.approval import APPROVE, Matter, Signed, Statement
from githarness.policy.model import Human
from githarness.seal.signer import Signer
from githarness.store import events
from githarness.store.rows import EventRow
from githarness.work import audit_record
from githarness.work.held import STATEMENTS, HeldChange
from githarness.work.parts import Parts

LASTS = 86400.0  # seconds that a statement counts, unless said otherwise


@dataclass(frozen=True, slots=True)
class Speaker:
    """Who says it, what, why, and for how many seconds it counts."""

    human: Human
    signer: Signer
    verdict: str = APPROVE
    why: str = ""
    lasts: float = LASTS


def make(parts: Parts, speaker: Speaker, change: HeldChange, matter: Matter) -> Signed:
    """For who has the lane. Nothing is signed that could not be recorded."""
    now = float(int(parts.clock.now()))
    said = Statement(clock.new_id("a", now), change.id, matter.agent, speaker.human.name, matter.ref, matter.policy,
                     matter.paths, os.urandom(16).hex(), now, now + speaker.lasts, speaker.verdict, speaker.why)
    signature = speaker.signer.sign(said.payload(), approval.NAMESPACE)
    signed = approval.parse(approval.render(said, signature), said.file)
    with parts.db.write(durable=True) as conn:
        events.add(conn, [_event(change, said)])
    _keep(parts, f"{speaker.human.name} <{speaker.human.mail}>", change, signed)
    return signed


def _event(change: HeldChange, said: Statement) -> EventRow:
    fields: dict[str, Json] = {
        "approval": said.id, "held": change.id, "verdict": said.verdict, "rule": change.value("Rule"), "why": said.why,
        "paths": [bound.path for bound in said.paths], "expires": clock.rfc3339(said.expires)}
    agent = None if change.agent.startswith("human:") else change.agent
    return EventRow(clock.new_id("e", said.time), said.time, "approval", agent, said.approver, change.run,
                    dict(change.pairs).get("Operation"), safe=audit_record.shown(fields))


def _keep(parts: Parts, who: str, change: HeldChange, signed: Signed) -> None:
    """In an envelope with the held commit below it, so that both travel together; the statement is what is signed."""
    said, repo = signed.statement, parts.repo
    made = [raw("blob", signed.data)]
    tree = Trees(parts.reader.tree).change(None, {f"{said.id}.json": Entry(FILE, made[0].oid)}, made)
    when = f"{int(said.time)} +0000"
    text = trailers.render(f"{said.verdict} {change.id}", said.why, [("Verdict", said.verdict)])
    made.append(raw("commit", f"tree {tree}\nparent {change.commit}\nauthor {who} {when}\ncommitter {who} {when}\n\n"
                    f"{text}".encode()))
    ref = f"{STATEMENTS}{change.id}/{said.approver}"
    stem = pack.write(repo.common_dir / "objects" / "pack", made)
    refs.update(repo, ref, made[-1].oid, old=refs.read(repo.common_dir, ref),
                note=refs.Note(who, int(said.time), f"githarness: {said.verdict}"))
    if stem:
        pack.release(stem)


def of(parts: Parts, name: str) -> Iterator[Signed]:
    """What was signed about a held change, by whomever; whether it counts is another question."""
    for oid in refs.under(parts.repo.common_dir, f"{STATEMENTS}{name}/").values():
        with contextlib.suppress(Integrity):  # whoever put it there: it says nothing
            for path, entry in parts.reader.files(oid):
                yield approval.parse(parts.reader.blob(entry.oid), path)
