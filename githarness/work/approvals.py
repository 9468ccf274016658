"""Proposals, and what people do with them: approve, which lands a change once enough have, or reject.

    statement as an event (durable) → ref refs/githarness/statements/HELD/NAME → landing, with the statements in the
    commit → the held change and its statements are let go

A crash in between leaves a held change with statements: to approve it once more lands it. A proposal is void once a
path of it or the governance changed; then it is proposed anew under another id, and what was signed counts no more.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace

from githarness import clock, flock
from githarness.audit import line
from githarness.canon import Json
from githarness.errors import Conflict, Denied, HarnessError, Integrity, NeedsApproval, NotFound, Refused, Unavailable
from githarness.git import pack, refs
from githarness.git.objects import FILE, Entry, raw
from githarness.git.porcelain import Git
from githarness.git.trees import Trees
from githarness.policy import approval, renames, trailers
from githarness.policy.approval import APPROVE, REJECT, Matter, Signed, Statement
from githarness.policy.model import Approvers, Human
from githarness.seal.signer import Signer
from githarness.store import events
from githarness.store.rows import EventRow, RunRow
from githarness.work import held, judge_approval, people
from githarness.work.approved import Again, Approved
from githarness.work.asks import ApprovedAsk, Written
from githarness.work.governance import Governance
from githarness.work.held import STATEMENTS, HeldChange
from githarness.work.lane import LocalLane
from githarness.work.parts import Parts
from githarness.work.runbook import name_of
from githarness.work.verify import is_signed

_HELD = "refs/githarness/held/"
LASTS = 86400.0  # seconds that a statement counts, unless said otherwise


@dataclass(frozen=True, slots=True)
class Desk:
    """Where it is decided, and by whom."""

    parts: Parts
    git: Git
    lane: LocalLane
    human: Human
    signer: Signer


@dataclass(frozen=True, slots=True)
class Proposal:
    change: HeldChange
    matter: Matter
    approvers: Approvers
    signed: tuple[Signed, ...] = ()  # statements that count now
    people: tuple[Human, ...] = ()  # whose they are
    void: str = ""  # why it cannot land as it is

    @property
    def ready(self) -> bool:
        return not self.void and approval.enough(self.people, self.approvers)


@dataclass(frozen=True, slots=True)
class Outcome:
    statement: Statement
    written: Written | None  # None: it waits for more people, or for the clone that has the agent's key
    why: str = ""


def listed(parts: Parts, governance: Governance) -> list[Proposal]:
    """Oldest first."""
    return [_proposal(parts, governance, change) for change in held.listed(parts) if change.waits]


def get(parts: Parts, governance: Governance, name: str) -> Proposal:
    """Raises NotFound; Denied where it was rejected."""
    change = held.show(parts, name)
    if not change.waits:
        raise NotFound(f"held change '{name}' does not wait for approval", fix=f"githarness held show {name}")
    if change.why != NeedsApproval.code:
        raise Denied(f"held change '{name}' was {change.why}", fix=f"githarness held show {name}")
    return _proposal(parts, governance, change)


def _proposal(parts: Parts, governance: Governance, change: HeldChange) -> Proposal:
    count, _, role = change.value("Approvers").partition(" ")
    chain = tuple(name_of(value) for key, value in change.pairs if key == "On-Behalf-Of")
    matter = Matter(change.agent, governance.config.ref, change.value("Policy"), judge_approval.bounds(change.changes),
                    chain, parts.clock.now())
    found = Proposal(change, matter, Approvers(role, int(count)), void=_void(parts, governance, change))
    standing = [(one, judge_approval.standing(governance, one, matter)) for one in _statements(parts, change.id)]
    good = [(one, human) for one, human in standing if isinstance(human, Human)]
    return replace(found, signed=tuple(one for one, _ in good), people=tuple(human for _, human in good))


def _void(parts: Parts, governance: Governance, change: HeldChange) -> str:
    if not is_signed(parts.reader.commit(change.commit), governance):
        return f"it is not signed by agent '{change.agent}'"
    if changed := held.since(parts, change):
        return f"'{changed[0].path}' changed since it was proposed"
    return "" if change.value("Policy") == governance.digest else "the governance changed since it was proposed"


def _statements(parts: Parts, name: str) -> Iterator[Signed]:
    for oid in refs.under(parts.repo.common_dir, f"{STATEMENTS}{name}/").values():
        for path, entry in parts.reader.files(oid):
            try:
                yield approval.parse(parts.reader.blob(entry.oid), path)
            except Integrity:
                continue  # whoever put it there: it says nothing


def approve(desk: Desk, name: str, why: str = "", *, lasts: float = LASTS) -> Outcome:
    """Raises Denied for who may not, Conflict where it is void (details.held: as what it is proposed anew)."""
    found = _found(desk, name)
    people.require(desk.human, found.approvers.role, f"approving '{name}'")
    if partial := approval.partial(desk.human.name, found.matter.agent, found.matter.chain):
        raise Denied(f"{partial}: somebody else approves it", fix="githarness human list",
                     details={"rule": "separation-of-duties"})
    if found.void:
        raise _anew(desk, found)
    mine = next((one for one in found.signed if one.statement.approver == desk.human.name), None)
    mine = mine or _sign(desk, found, APPROVE, why, lasts)
    found = _found(desk, name)
    if not found.ready:
        return Outcome(mine.statement, None, f"it {_missing(found)}")
    try:
        desk.lane.signer(found.change.agent)
    except Unavailable as error:
        return Outcome(mine.statement, None, f"{error.message}: push {STATEMENTS}* and approve it where the key is")
    return Outcome(mine.statement, land(desk.parts, desk.git, desk.lane, found))


def reject(desk: Desk, name: str, why: str = "") -> Statement:
    """The change is let go, and its agent hears why. Raises Denied, NotFound."""
    found = _found(desk, name)
    people.require(desk.human, "operator", f"rejecting '{name}'")
    said = _sign(desk, found, REJECT, why, LASTS).statement
    desk.git.run("update-ref", "-d", _HELD + name, found.change.commit)
    return said


def _found(desk: Desk, name: str) -> Proposal:
    return get(desk.parts, desk.parts.governed.at(desk.lane.head()), name)


def land(parts: Parts, git: Git, lane: LocalLane, found: Proposal) -> Written:
    """As its agent's write. Raises NeedsApproval where too few have approved, what writes raise, and Conflict where
    somebody else was faster."""
    name = found.change.id
    if not found.ready:
        raise NeedsApproval(f"'{name}' {_missing(found)}", fix=f"githarness proposals {name}", details={"held": name})
    try:
        done = lane.write(_ask(found, tuple((one.statement.file, one.data) for one in found.signed)))
    except Refused as error:
        if refs.read(parts.repo.common_dir, _HELD + name) is None:
            raise Conflict(f"held change '{name}' has landed meanwhile", fix="githarness log -n 5") from error
        raise
    _let_go(parts, git, name)
    return done


def _missing(found: Proposal) -> str:
    if found.void:
        return f"is void: {found.void}"
    least = people.RANKS[found.approvers.role]
    left = found.approvers.count - sum(people.RANKS[human.role] >= least for human in found.people)
    return f"waits for {left} more of role {found.approvers.role} or above"


def _let_go(parts: Parts, git: Git, name: str) -> None:
    """Somebody else may be letting it go at the same time."""
    try:
        held.drop(parts, git, name)
    except (NotFound, Unavailable):
        if refs.read(parts.repo.common_dir, _HELD + name):
            raise


def _ask(found: Proposal, statements: tuple[tuple[str, bytes], ...]) -> ApprovedAsk:
    change = found.change
    values = dict(change.pairs)
    row = RunRow(change.run, change.agent, change.time, tier=change.value("Tier") or "T0",
                 chain=tuple(value for key, value in change.pairs if key == "On-Behalf-Of"))
    return ApprovedAsk(
        change.agent, change.run, (), message=change.message, operation=values.get("Operation"),
        assisted_by=values.get("Assisted-by"), row=row, admission=Approved if statements else Again,
        changes=change.changes, statements=statements,
        asked=tuple((action, path) for key, value in change.pairs if key == "Asked"
                    for action, path in [json.loads(value)]),
        renames=tuple(pair for key, value in change.pairs if key == "Rename" and (pair := renames.parse(value))))


def _anew(desk: Desk, found: Proposal) -> HarnessError:
    """What the approver hears once it is proposed anew; the old one goes. Raises what keeps it from that."""
    name = found.change.id
    try:
        desk.lane.write(_ask(found, ()))
    except NeedsApproval as error:
        _let_go(desk.parts, desk.git, name)
        new = str(error.details["held"])
        return Conflict(f"'{name}' is void: {found.void}; it is proposed anew as {new}",
                        fix=f"githarness proposals {new}", details={"held": new, "void": found.void})
    except HarnessError as error:
        error.message = f"'{name}' is void: {found.void}; it cannot be proposed anew: {error.message}"
        raise
    return Conflict(f"'{name}' is void: {found.void}", fix=f"githarness held show {name}")


def _sign(desk: Desk, found: Proposal, verdict: str, why: str, lasts: float) -> Signed:
    now, matter = float(int(desk.parts.clock.now())), found.matter
    said = Statement(clock.new_id("a", now), found.change.id, matter.agent, desk.human.name, matter.ref, matter.policy,
                     matter.paths, os.urandom(16).hex(), now, now + lasts, verdict, why)
    data = approval.render(said, desk.signer.sign(said.payload(), approval.NAMESPACE))
    signed = approval.parse(data, said.file)
    with flock.exclusive(desk.parts.repo.home / "lane.lock", what="the write path"):
        if refs.read(desk.parts.repo.common_dir, _HELD + found.change.id) != found.change.commit:
            raise Conflict(f"held change '{found.change.id}' has landed, or was let go", fix="githarness proposals")
        with desk.parts.db.write(durable=True) as conn:
            events.add(conn, [_event(found, said)])
        _keep(desk, found.change, signed)
    return signed


def _event(found: Proposal, said: Statement) -> EventRow:
    change = found.change
    fields: dict[str, Json] = {
        "approval": said.id, "held": change.id, "verdict": said.verdict, "rule": change.value("Rule"), "why": said.why,
        "paths": [bound.path for bound in said.paths], "expires": clock.rfc3339(said.expires)}
    return EventRow(clock.new_id("e", said.time), said.time, "approval", change.agent, said.approver, change.run,
                    dict(change.pairs).get("Operation"), safe=line.safe(fields))


def _keep(desk: Desk, change: HeldChange, signed: Signed) -> None:
    """In an envelope that has the held commit below it, so that both travel together; the statement is what is signed.
    For who has the lane."""
    said, repo = signed.statement, desk.parts.repo
    made = [raw("blob", signed.data)]
    tree = Trees(desk.parts.reader.tree).change(None, {f"{said.id}.json": Entry(FILE, made[0].oid)}, made)
    who = f"{desk.human.name} <{desk.human.mail}>"
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
