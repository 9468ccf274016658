"""Dates that a commit gives itself: bounded from below by what it is built on, from above by now.

Only commits that the harness dated count as bounds: a person's clock may say anything, and does in old history. Nor
does a date that lies ahead: whoever may push would stop every agent by it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from githarness import clock
from githarness.git.reader import Reader
from githarness.policy import trailers
from githarness.work import judge_signature
from githarness.work.judge_signature import GRACE
from githarness.work.judged import Fault

_FURTHEST = 2000  # commits of people behind which a bound is looked for


class Times:
    def __init__(self, reader: Reader, now: float, base: str | None) -> None:
        self._now = now
        self._bound: dict[str, float] = {}
        if base:
            self._bound[base] = _last_dated(reader, base, now + GRACE)

    def note(self, oid: str, parents: Sequence[str], when: int, *, dated: bool) -> None:
        """Takes a commit up, after its parents. `dated`: it is signed by whom it names."""
        bound = self._before(parents)
        self._bound[oid] = max(bound, float(when)) if dated and when <= self._now + GRACE else bound

    def judge(self, parents: Sequence[str], when: int) -> Iterator[Fault]:
        bound = self._before(parents)
        if when < bound - GRACE:
            yield Fault("backdated", f"it is dated {clock.rfc3339(when)}, and built on what is dated "
                        f"{clock.rfc3339(bound)}")
        if when > self._now + GRACE:
            yield Fault("future", f"it is dated {clock.rfc3339(when)}, later than now")

    def _before(self, parents: Sequence[str]) -> float:
        return max((self._bound.get(parent, 0.0) for parent in parents), default=0.0)


def _last_dated(reader: Reader, oid: str, latest: float) -> float:
    """The date of the last commit along first parents that says it was made by the harness, and is signed."""
    for _ in range(_FURTHEST):
        commit = reader.commit(oid)
        if commit.time <= latest and any(key in ("Agent", "Human") for key, _ in trailers.parse(commit.message)) and (
                not isinstance(judge_signature.signer(commit), Fault)):
            return float(commit.time)
        if not commit.parents:
            break
        oid = commit.parents[0]
    return 0.0
