"""All worktrees that have the governed branch checked out, brought along together.

Git makes a second one only by force; were it left behind, a person's `git commit -a` there would take back what agents
wrote.
"""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from githarness.errors import Dirty
from githarness.git.checkout import CheckedOut, Held
from githarness.git.objects import PathChange


@dataclass(frozen=True, slots=True)
class AllHeld:
    """The locks are ours. What is dirty or pending in one of them is so for the change."""

    each: tuple[Held, ...]

    def dirty(self, changes: Sequence[PathChange]) -> list[str]:
        return _union(held.dirty(changes) for held in self.each)

    def must_be_clean(self, changes: Sequence[PathChange]) -> None:
        """Raises Dirty."""
        if dirty := self.dirty(changes):
            place = shlex.quote(f":/{dirty[0]}")  # from the top of the working tree, wherever it is typed
            raise Dirty(f"'{dirty[0]}' has an uncommitted edit in the working tree", details={"paths": list(dirty)},
                        fix=f"git stash push --include-untracked -- {place}, or commit the edit")

    def bring(self, changes: Sequence[PathChange]) -> list[str]:
        return _union([held.bring(changes) for held in self.each])

    def keep(self) -> None:
        for held in self.each:
            held.keep()

    @property
    def unfinished(self) -> bool:
        return any(held.unfinished for held in self.each)

    @property
    def logs(self) -> tuple[Path, ...]:
        """The reflogs of HEAD."""
        return tuple(held.checkout.git_dir / "logs" / "HEAD" for held in self.each)


@dataclass(frozen=True, slots=True)
class Worktrees:
    each: tuple[CheckedOut, ...] = ()

    def left_behind(self) -> bool:
        return any(one.left_behind() for one in self.each)

    def unfinished(self) -> bool:
        return any(one.unfinished() for one in self.each)

    def recover(self, changes: Sequence[PathChange]) -> None:
        for one in self.each:
            one.recover(changes)

    @contextlib.contextmanager
    def look(self) -> Iterator[AllHeld | None]:
        """Without the locks, for a first judgement by `dirty`."""
        with contextlib.ExitStack() as stack:
            yield AllHeld(tuple(stack.enter_context(one.look()) for one in self.each)) if self.each else None

    @contextlib.contextmanager
    def hold(self) -> Iterator[AllHeld | None]:
        """Their locks, in one order; None where there is no worktree. Raises what `CheckedOut.hold` raises."""
        with contextlib.ExitStack() as stack:
            yield AllHeld(tuple(stack.enter_context(one.hold()) for one in self.each)) if self.each else None


def _union(lists: Iterator[list[str]] | list[list[str]]) -> list[str]:
    return list(dict.fromkeys(path for found in lists for path in found))
