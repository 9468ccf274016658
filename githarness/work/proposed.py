"""A write that the policy lets land with approval only: what its caller hears, and what its held commit says."""

from __future__ import annotations

from collections.abc import Iterable
from functools import reduce

from githarness import canon
from githarness.errors import Denied, HarnessError, NeedsApproval
from githarness.policy import delegation
from githarness.policy.model import Approvers
from githarness.seal.signer import Signer
from githarness.work import held
from githarness.work.admit import Admission
from githarness.work.asks import Withheld
from githarness.work.held import Reason
from githarness.work.parts import Parts

DECISION = "-"  # in place of the trailer's value: there is none as long as nobody has decided
_WAITS = "require_approval"


def of(admission: Admission) -> NeedsApproval | None:
    """None where nothing of it needs approval."""
    wanted = approvers(admission)
    if wanted is None:
        return None
    (action, path), decision = next(item for item in admission.asked.items() if item[1].effect == _WAITS)
    why = f": {decision.why}" if decision.why and decision.rule not in decision.why else ""
    return NeedsApproval(
        f"agent '{admission.agent.name}' may {action} '{path}' with approval only, by rule '{decision.rule}'{why}; "
        f"it takes {wanted.count} of role {wanted.role} or above",
        fix="githarness proposals shows what waits",
        details={"path": path, "action": action, "rule": decision.rule, "why": decision.why,
                 "approvers": {"role": wanted.role, "count": wanted.count},
                 "paths": [change.path for change in admission.changes()]})


def approvers(admission: Admission) -> Approvers | None:
    """The strictest of those that any path needs; None where none is needed."""
    waiting = [decision for decision in admission.asked.values() if decision.effect == _WAITS]
    return (reduce(delegation.strictest, waiting).approvers or Approvers()) if waiting else None


def pairs(admission: Admission, written: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """`written`: the trailers that the write would have had."""
    wanted = approvers(admission) or Approvers()
    asked = [("Asked", canon.dumps([action, path])) for action, path in admission.asked]
    return (*(pair for pair in written if pair[0] != "Decision"), ("Held", NeedsApproval.code),
            ("Rule", next(one.rule for one in admission.asked.values() if one.effect == _WAITS)),
            ("Approvers", f"{wanted.count} {wanted.role}"), *asked)


def keep(parts: Parts, tip: str, waiting: Withheld, reason: Reason, signer: Signer) -> HarnessError:
    """Holds it as one change, once: what is asked for again keeps its id, or hears why people would not have it.

    For who has the lane. Returns what the caller hears; raises where it cannot be held.
    """
    known = held.known(parts, reason.pairs, waiting.changes)
    if known and known.why != NeedsApproval.code:
        return Denied(f"{waiting.message.partition(' with approval only')[0]}, but the change was {known.why}",
                      fix=f"githarness held show {known.id}", details={**waiting.details, "held": known.id})
    name = known.id if known else held.keep(parts, tip, waiting.changes, reason, signer)[0]
    return NeedsApproval(f"{waiting.message}; it is held as {name}", fix=f"githarness proposals {name}",
                         details={**waiting.details, "held": name, "all_held": [name]})
