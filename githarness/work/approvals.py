"""Proposals, and what people do with them: approve, which lands a change once enough have, or reject.

    statement as an event (durable) → ref refs/githarness/statements/HELD/NAME → landing, with the statements in the
    commit → the held change and its statements are let go

A crash in between leaves a held change with statements: to approve it once more lands it, or lets it go. A proposal is
void once a path of it or the governance changed; then it is proposed anew under another id, and what was signed counts
no more.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace

from githarness import canon, flock
from githarness.errors import Conflict, Denied, HarnessError, NeedsApproval, NotFound, Refused, Unavailable
from githarness.git import refs
from githarness.git.objects import FILE, Entry, PathChange, oid_of
from githarness.git.porcelain import Git
from githarness.policy import approval, renames
from githarness.policy.approval import APPROVE, REJECT, Matter, Signed, Statement
from githarness.policy.model import Approvers, Human
from githarness.seal.signer import Signer
from githarness.store import commits
from githarness.store.rows import RunRow
from githarness.work import govern, held, index, judge_approval, owners, people, statements
from githarness.work.approved import Again, Approved
from githarness.work.asks import ApprovedAsk, Plan, Written
from githarness.work.governance import APPROVALS, Governance
from githarness.work.held import STATEMENTS, HeldChange
from githarness.work.lane import LocalLane
from githarness.work.parts import Parts
from githarness.work.runbook import name_of
from githarness.work.statements import LASTS, Speaker
from githarness.work.verify import verifier

_HELD = "refs/githarness/held/"


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
    """Raises NotFound; Denied where it was rejected, Conflict where it has landed."""
    try:
        change = held.show(parts, name)
    except NotFound as error:
        raise _landed(parts, name) or error from None
    if not change.waits:
        raise NotFound(f"held change '{name}' does not wait for approval", fix=f"githarness held show {name}")
    if change.why != NeedsApproval.code:
        raise Denied(f"held change '{name}' was {change.why}", fix=f"githarness held show {name}")
    return _proposal(parts, governance, change)


def _landed(parts: Parts, name: str) -> Conflict | None:
    """By the statements that a change brought, which stay for good."""
    head = refs.head(parts.repo.common_dir, parts.ref)
    for path, entry in parts.reader.files(head, APPROVALS):
        if f'"held":{canon.dumps(name)}'.encode() in parts.reader.blob(entry.oid):
            index.update(parts.db, parts.reader, head, verifier(parts))
            with parts.db.read() as conn:
                found = commits.history(conn, path)[0].oid
            return Conflict(f"held change '{name}' has landed as commit {found}", fix=f"git show {found}",
                            details={"held": name, "commit": found})
    return None


def _proposal(parts: Parts, governance: Governance, change: HeldChange) -> Proposal:
    count, _, role = change.value("Approvers").partition(" ")
    chain = tuple(name_of(value) for key, value in change.pairs if key == "On-Behalf-Of")
    agent = owners.PEOPLE if change.by_people else change.agent
    matter = Matter(agent, governance.config.ref, change.value("Policy"), judge_approval.bounds(change.changes),
                    chain, parts.clock.now())
    # What is held by people names how many it takes beside the one that lands it.
    wanted = Approvers(role, int(count) + change.by_people)
    found = Proposal(change, matter, wanted, void=_void(parts, governance, change))
    standing = [(one, judge_approval.standing(governance, one, matter)) for one in statements.of(parts, change.id)]
    good = [(one, human) for one, human in standing if isinstance(human, Human)]
    return replace(found, signed=tuple(one for one, _ in good), people=tuple(human for _, human in good))


def _void(parts: Parts, governance: Governance, change: HeldChange) -> str:
    if not held.is_own(parts, change):
        return f"it is not signed by agent '{change.agent}'"
    if changed := held.since(parts, change):
        return f"'{changed[0].path}' changed since it was proposed"
    return "" if change.value("Policy") == governance.digest else "the governance changed since it was proposed"


def approve(desk: Desk, name: str, why: str = "", *, lasts: float = LASTS) -> Outcome:
    """Raises Denied for who may not, Conflict where it is void (details.held: as what it is proposed anew)."""
    found = _found(desk, name)
    people.require(desk.human, found.approvers.role, f"approving '{name}'")
    if partial := approval.partial(desk.human.name, found.matter.agent, found.matter.chain):
        raise Denied(f"{partial}: somebody else approves it", fix="githarness human list",
                     details={"rule": "separation-of-duties"})
    if found.void and (found.change.by_people or not held.is_own(desk.parts, found.change)):
        raise Conflict(f"'{name}' is void: {found.void}", fix=f"repeat the change, and githarness held drop {name}")
    if found.void:
        raise _anew(desk, found)
    if found.change.by_people and desk.human.name == found.change.agent.removeprefix(owners.PEOPLE):
        raise Denied(f"'{desk.human.name}' proposed it: another owner approves it", fix="githarness human list",
                     details={"rule": "separation-of-duties"})
    if found.change.by_people and (written := _land_as_own(desk, found, why, lasts)):
        return written
    mine = next((one for one in found.signed if one.statement.approver == desk.human.name), None)
    mine = mine or _sign(desk, found, APPROVE, why, lasts)
    found = _found(desk, name)
    if found.void:  # somebody else's approval landed it meanwhile, or a write went by
        raise Conflict(f"'{name}' is void: {found.void}", fix="githarness proposals")
    if not found.ready:
        return Outcome(mine.statement, None, f"it {_missing(found)}")
    try:
        desk.lane.signer(found.change.agent)
    except Unavailable as error:
        return Outcome(mine.statement, None, f"{error.message}: push {STATEMENTS}* and approve it where the key is")
    return Outcome(mine.statement, land(desk.parts, desk.git, desk.lane, found))


def _land_as_own(desk: Desk, found: Proposal, why: str, lasts: float) -> Outcome | None:
    """A change of governance lands as a commit of the last person that it takes, with what the others signed in it."""
    signed = zip(found.signed, found.people, strict=True)
    others = [(one, human) for one, human in signed if human.name != desk.human.name]
    if not approval.enough([human for _, human in others], replace(found.approvers, count=found.approvers.count - 1)):
        return None
    mine = _sign(desk, found, APPROVE, why, lasts).statement
    changes = [*found.change.changes, *(_file(one) for one, _ in others)]
    subject, _, body = found.change.message.partition("\n")
    named = tuple(("Approval", f"{one.statement.id} by {one.statement.approver}") for one, _ in others)
    told = govern.told(desk.parts, desk.parts.governed.at(desk.lane.head()), found.change.changes, desk.human)
    try:
        written = desk.lane.land(Plan("govern", tuple(changes), subject, desk.human, desk.signer, body.strip(), named,
                                      events=told))
    except refs.Moved as error:
        raise Conflict(f"'{found.change.id}' no longer fits what is there", fix="githarness proposals") from error
    _let_go(desk.parts, desk.git, found.change.id)
    return Outcome(mine, written)


def _file(signed: Signed) -> PathChange:
    return PathChange(signed.statement.file, None, Entry(FILE, oid_of("blob", signed.data)), signed.data)


def reject(desk: Desk, name: str, why: str = "") -> Statement:
    """The change is let go, and its agent hears why. Raises Denied, NotFound."""
    found = _found(desk, name)
    people.require(desk.human, "operator", f"rejecting '{name}'")
    said = _sign(desk, found, REJECT, why, LASTS).statement
    desk.git.run("update-ref", "-d", _HELD + name, found.change.commit)
    return said


def _found(desk: Desk, name: str) -> Proposal:
    found = get(desk.parts, desk.parts.governed.at(desk.lane.head()), name)
    if found.void and (landed := _landed(desk.parts, name)):  # a crash kept it from being let go
        _let_go(desk.parts, desk.git, name)
        raise landed
    return found


def land(parts: Parts, git: Git, lane: LocalLane, found: Proposal) -> Written:
    """As its agent's write. Raises NeedsApproval where too few have approved, what writes raise, and Conflict where
    somebody else was faster."""
    name = found.change.id
    if not found.ready or found.change.by_people:
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
    parts, change = desk.parts, found.change
    with flock.exclusive(parts.repo.home / "lane.lock", what="the write path"):
        if refs.read(parts.repo.common_dir, _HELD + change.id) != change.commit:
            raise Conflict(f"held change '{change.id}' has landed, or was let go", fix="githarness proposals")
        return statements.make(parts, Speaker(desk.human, desk.signer, verdict, why, lasts), change, found.matter)
