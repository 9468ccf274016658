"""What a clone says before it pushes: the same judgement as the hub's, of what the governed branch would get.

It is advice: `git push --no-verify` leaves it out, and a clone's configuration is its user's.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from githarness.git import refs
from githarness.work import judge_range
from githarness.work.divergence import Update
from githarness.work.judge_range import Bench, Range
from githarness.work.judged import Violation


def of_push(bench: Bench, ref: str, updates: Sequence[Update]) -> Iterator[Violation]:
    """`ref`: the governed branch. Raises Unavailable where not all of the history is here."""
    for update in updates:
        if update.remote_ref == ref and update.local_oid != refs.ZERO:
            old = update.remote_oid
            known = old != refs.ZERO and bench.reader.has(old)
            yield from judge_range.judge(bench, Range(old if known else None, update.local_oid)).violations
