"""Governance that takes several owners: what one of them changes waits until the others have signed for it.

Whoever proposes signs a statement at once; whoever is the last one lands the change as a commit of their own, with the
statements of the others in it. An operator's acts that only stop somebody never wait, and a recovery key does not.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

from githarness.audit import line
from githarness.errors import HarnessError, NeedsApproval
from githarness.git.objects import FILE, PathChange
from githarness.policy import approval, disguise, registry
from githarness.policy.approval import Matter
from githarness.policy.model import Approvers, Human
from githarness.store.rows import EventRow
from githarness.work import held, judge_approval, statements
from githarness.work.asks import Plan
from githarness.work.governance import APPROVALS, FOLDER_NAME, Governance
from githarness.work.held import Reason
from githarness.work.judge_approval import Brought
from githarness.work.parts import Parts

PEOPLE = "human:"  # in place of an agent's name: whoever of them lands it
_AGENT_FILE = re.compile(rf"{re.escape(FOLDER_NAME)}/agents/[^/]+\.yaml")
_GRANT_FILE = re.compile(rf"{re.escape(FOLDER_NAME)}/grants/[^/]+\.yaml")


@dataclass(frozen=True, slots=True)
class Decree:
    """What a person changes: signed with `key`, under the governance with digest `policy`; Unix seconds."""

    human: Human
    key: str
    policy: str
    time: float
    brought: Brought


def signed_for(governance: Governance, decree: Decree) -> dict[str, Human]:
    """Who else signed for it, by the files of their statements."""
    matter = Matter(PEOPLE, governance.config.ref, decree.policy, judge_approval.bounds(decree.brought.changes),
                    (decree.human.name,), decree.time)
    return judge_approval.signed_for(governance, matter, decree.brought)


def lacking(governance: Governance, decree: Decree) -> Approvers | None:
    """Of whom it needs how many besides; None where it may land."""
    wanted = governance.policy.owners
    if wanted is None or decree.key in wanted.recovery or not any(
            _weighs(change, decree.brought.blob) for change in decree.brought.changes):
        return None
    others = replace(wanted.approvers, count=wanted.approvers.count - 1)
    return None if approval.enough(signed_for(governance, decree).values(), others) else others


def _weighs(change: PathChange, blob: Callable[[str], bytes]) -> bool:
    return (disguise.governs(change.path) and not change.path.startswith(APPROVALS)
            and not is_an_operators(change, blob))


def is_an_operators(change: PathChange, blob: Callable[[str], bytes]) -> bool:
    """A grant that goes, and an agent that is quarantined or released, with nothing else about it changed."""
    if change.new is None:
        return _GRANT_FILE.fullmatch(change.path) is not None
    modes = (change.old and change.old.mode, change.new.mode)
    if not _AGENT_FILE.fullmatch(change.path) or change.old is None or modes != (FILE, FILE):
        return False
    try:
        before, after = (registry.parse_agent(blob(entry.oid), change.path) for entry in (change.old, change.new))
    except HarnessError:
        return False
    return replace(after, quarantined=None) == replace(before, quarantined=None)


def check(parts: Parts, head: str, plan: Plan) -> Plan:
    """The plan as it may land: by a recovery key it says so. For who has the lane.

    Raises NeedsApproval where others have to sign first: it is held then.
    """
    governance = parts.governed.salvaged(head)
    contents = {one.new.oid: one.data for one in plan.changes if one.new and one.data is not None}

    def blob(oid: str) -> bytes:
        known = contents.get(oid)
        return parts.reader.blob(oid) if known is None else known

    named = [value for key, value in plan.trailers if key == "Approval"]
    decree = Decree(plan.human, plan.signer.public, governance.digest, float(int(parts.clock.now())),
                    Brought(plan.changes, named, blob))
    if left := lacking(governance, decree):
        raise _waits(_hold(parts, head, governance, plan, left), plan, left)
    if not lacking(governance, replace(decree, key="")):
        return plan
    name = plan.human.name
    event = EventRow("", 0.0, "recovery", None, name, plan.run,
                     safe=line.safe({"paths": [one.path for one in plan.changes]}))
    return replace(plan, trailers=(*plan.trailers, ("Recovery", name)), events=(*plan.events, event))


def _waits(held_as: str, plan: Plan, left: Approvers) -> NeedsApproval:
    return NeedsApproval(f"changing governance takes {left.count} more of role {left.role}; it is held as {held_as}",
                         fix=f"another owner: githarness approve {held_as}",
                         details={"held": held_as, "rule": "governance", "paths": [one.path for one in plan.changes],
                                  "approvers": {"role": left.role, "count": left.count}})


def _hold(parts: Parts, head: str, governance: Governance, plan: Plan, left: Approvers) -> str:
    agent, message = PEOPLE + plan.human.name, f"{plan.subject}\n\n{plan.body}".strip()
    pairs = (("Agent", agent), ("Run", plan.run or "-"), ("Policy", governance.digest), ("Held", NeedsApproval.code),
             ("Rule", "governance"), ("Approvers", f"{left.count} {left.role}"))
    known = held.known(parts, pairs, plan.changes)
    if known and known.why == NeedsApproval.code:
        return known.id
    reason = Reason(agent, plan.run or "", {}, message, pairs)
    change = held.show(parts, held.keep(parts, head, plan.changes, reason, plan.signer)[0])
    matter = Matter(PEOPLE, governance.config.ref, governance.digest, judge_approval.bounds(plan.changes), (), 0.0)
    statements.make(parts, statements.Speaker(plan.human, plan.signer), change, matter)
    return change.id
