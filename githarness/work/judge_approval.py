"""Whether people approved what the policy lets land with approval only: by statements that the commit brings itself."""

from __future__ import annotations

from githarness.policy.model import Decision
from githarness.work.judge_policy import Ask, Judge


def approved(judge: Judge, ask: Ask, decision: Decision) -> bool:
    """Statements are not known yet, so nothing is."""
    del judge, ask, decision
    return False
