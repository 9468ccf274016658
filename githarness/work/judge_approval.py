"""Whether people approved what the policy lets land with approval only: by statements that the commit brings itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from githarness import clock
from githarness.errors import Integrity
from githarness.git.objects import FILE, PathChange
from githarness.policy import approval
from githarness.policy.approval import Bound, Matter, Signed
from githarness.policy.model import Approvers, Decision, Human
from githarness.work import judge_changes, judge_signature
from githarness.work.governance import Governance
from githarness.work.judge_policy import Ask, Judge
from githarness.work.judge_signature import GRACE
from githarness.work.judged import Fault

# Seconds from the end of a statement within which what it let land comes to a hub. A commit dates itself, and on a
# branch that nobody writes to nothing contradicts it: without an end, an old statement would be good for ever. A day is
# how long a statement counts unless said otherwise, so that a push at the end of the next day is in time.
LATE = 86400.0


def bounds(changes: Sequence[PathChange]) -> tuple[Bound, ...]:
    """What a statement has to say of these changes; its own file is none of them."""
    found = [change for change in changes if not change.path.startswith(approval.FOLDER)]
    return tuple(_bound(change) for change in sorted(found, key=lambda change: change.path))


def _bound(change: PathChange) -> Bound:
    old, new = change.old, change.new
    return Bound(change.path, old.oid if old else None, new.oid if new else None, new.mode if new else None)


def standing(governance: Governance, signed: Signed, matter: Matter) -> Human | str:
    """The person whose statement lets `matter` land, or why it does not; by who there is in that state."""
    statement = signed.statement
    if why := approval.fault(statement, matter, GRACE):
        return why
    if statement.id in governance.approvals:
        return "it was used already"
    human = governance.registry.humans.get(statement.approver)
    if human is None:
        return f"there is no human '{statement.approver}'"
    return next((one.message for one in judge_signature.ends(human, signed.key, int(matter.time))), human)


def approved(judge: Judge, ask: Ask, decision: Decision) -> bool:
    """Enough people for `decision`; or, of the statements' own files, which no policy lets an agent write, this one."""
    claim, governance = judge.claim, judge.governance
    changes = judge_changes.own(judge.reader, claim.commit)
    matter = Matter(judge.agent.name, governance.config.ref, claim.one("Policy"), bounds(changes), claim.chain,
                    float(claim.commit.time))
    people = signed_for(governance, matter, Brought(changes, claim.values("Approval"), judge.reader.blob))
    if decision.effect == "require_approval":
        return approval.enough(people.values(), decision.approvers or Approvers())
    return ask.path in people


@dataclass(frozen=True, slots=True)
class Brought:
    """What a commit changes, and how it names the statements that it brings. `blob`: the content of what is new."""

    changes: Sequence[PathChange]
    named: Sequence[str]
    blob: Callable[[str], bytes]


def signed_for(governance: Governance, matter: Matter, brought: Brought) -> dict[str, Human]:
    """By the files of their statements; nobody where the trailers do not name exactly those."""
    read = [(change.path, signed) for change in brought.changes if (signed := _read(change, brought.blob))]
    named = [f"{signed.statement.id} by {signed.statement.approver}" for _, signed in read]
    if not matter.paths or sorted(brought.named) != sorted(named):
        return {}
    found = {path: standing(governance, signed, matter) for path, signed in read}
    return {path: human for path, human in found.items() if isinstance(human, Human)}


def _read(change: PathChange, blob: Callable[[str], bytes]) -> Signed | None:
    if not change.path.startswith(approval.FOLDER) or change.old or change.new is None or change.new.mode != FILE:
        return None
    try:
        return approval.parse(blob(change.new.oid), change.path)
    except Integrity:
        return None


def late(changes: Sequence[PathChange], blob: Callable[[str], bytes], pushed: float | None) -> Iterator[Fault]:
    """The statements that a commit brings to a hub at `pushed`, long after they ended: they may be used only now."""
    for change in changes if pushed is not None else ():
        signed = _read(change, blob)
        if signed and pushed is not None and signed.statement.expires < pushed - LATE:
            yield Fault("needs-approval", f"approval '{signed.statement.id}' counted until "
                        f"{clock.rfc3339(signed.statement.expires)}, more than a day before it was pushed", change.path)
