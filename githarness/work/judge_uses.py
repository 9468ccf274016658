"""How often a grant was used: history counts, whatever branch a use came by."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from githarness.git.commits import Commit
from githarness.git.reader import Reader
from githarness.policy import trailers
from githarness.work.judge_policy import Claim
from githarness.work.judge_states import State
from githarness.work.judged import Fault

Use = tuple[str, int]  # a grant's id, and how often it may be used


def of(claim: Claim, state: State) -> tuple[Use, ...]:
    """The grants with counted uses that a commit says it used."""
    grants = [state.governance.grants[name] for name in claim.grants if name in state.governance.grants]
    return tuple((grant.id, grant.uses) for grant in grants if grant.uses is not None)


class Uses:
    def __init__(self, reader: Reader, base: str | None) -> None:
        self._reader = reader
        self._base = base
        self._counts: dict[str, int] = {}

    def judge(self, uses: Sequence[Use]) -> Iterator[Fault]:
        """Takes the uses of one more commit up, after those of its parents."""
        for name, most in uses:
            if name not in self._counts:
                self._counts[name] = self._before(name)
            self._counts[name] += 1
            if self._counts[name] > most:
                yield Fault("denied", f"grant '{name}' may be used {most} time(s), and this is number "
                            f"{self._counts[name]}")

    def _before(self, name: str) -> int:
        before = self._reader.walk(self._base) if self._base else ()
        return sum(_has_used(self._reader.commit(oid), name) for oid in before)


def _has_used(commit: Commit, name: str) -> bool:
    """However the trailers are spelled; a person who writes them uses nothing up."""
    if name.encode() not in commit.raw:
        return False
    claim = Claim.of(commit, trailers.parse(commit.message))
    return name in claim.grants and bool(claim.one("Agent"))
