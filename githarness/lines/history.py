"""The commits that made one file what it is, as numbers: who follows whom, and whose effect still stands.

Step 0 is the oldest, the last step is head; everything before step 0 is BASE. A rollback takes the effect of the steps
it names away and a rollback of that rollback gives it back, so that what stands is decided from the newest on.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

BASE = -1
Steps = frozenset[int]
_NONE: Steps = frozenset()


@dataclass(frozen=True, slots=True)
class Step:
    parents: tuple[int, ...]  # earlier steps or BASE, as in the commit
    undoes: Steps = _NONE  # what a rollback took away in this file
    like: int | None = None  # the step, or BASE, whose version a person put back as it was


class History:
    def __init__(self, steps: Sequence[Step]) -> None:
        self.steps = tuple(steps)
        self.head = len(steps) - 1
        self.linear = all(step.parents == (number - 1,) for number, step in enumerate(steps))
        self._rollbacks = [number for number, step in enumerate(steps) if step.undoes]
        self.simple = self.linear and not self._rollbacks  # each step leaves what it found, but for its own effect
        self.likes = any(step.like is not None for step in steps)
        self._masks: list[int] = []
        if not self.linear:
            self._mask_all()

    def _mask_all(self) -> None:
        for number, step in enumerate(self.steps):
            mask = 1 << number
            for parent in step.parents:
                mask |= self._masks[parent] if parent != BASE else 0
            self._masks.append(mask)

    def sees(self, step: int, other: int) -> bool:
        """Whether `other` is `step` or comes before it on some way."""
        if other == BASE:
            return True
        return other <= step if self.linear else bool(self._masks[step] >> other & 1) if step != BASE else False

    def off(self, step: int, selected: Collection[int] = _NONE) -> Steps:
        """The steps whose effect does not stand as of `step`, were `selected` undone right after it."""
        if not self._rollbacks:
            return frozenset(selected)
        gone = set(selected)
        for rollback in reversed(self._rollbacks):
            if rollback not in gone and self.sees(step, rollback):
                gone |= self.steps[rollback].undoes
        return frozenset(gone)
