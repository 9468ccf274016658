"""How often a grant was used: history counts, whatever branch a use came by."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from githarness.git.reader import Reader
from githarness.work.judge_policy import Claim
from githarness.work.judge_states import State
from githarness.work.judged import Fault

Use = tuple[str, int]  # a grant's id, and how often it may be used
_GRANTS = re.compile(r" grant=(\S+)")


def of(claim: Claim, state: State) -> tuple[Use, ...]:
    """The grants with counted uses that a commit says it used."""
    found = _GRANTS.search(claim.one("Decision"))
    named = found[1].split(",") if found else ()
    grants = [state.governance.grants[name] for name in named if name in state.governance.grants]
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
        pattern = re.compile(rb"^Decision: \S+ rule=\S+ grant=(?:\S+,)?" + re.escape(name.encode()) + rb"[ ,]", re.M)
        before = self._reader.walk(self._base) if self._base else ()
        return sum(pattern.search(self._reader.commit(oid).raw) is not None for oid in before)
