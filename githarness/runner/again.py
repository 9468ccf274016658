"""Runs that follow another: repeated where they fail, a few times and not for ever, or resumed after a crash.

Each attempt is a run of its own, whose parent is the one before it. A repeated one begins in a new worktree at the head
of then; a resumed one goes on in the worktree of the interrupted run, once what lies there has been captured for that.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from time import sleep

from githarness.clock import SYSTEM
from githarness.errors import Conflict, HarnessError
from githarness.git import repo
from githarness.runner import cancel, process, settle
from githarness.runner.run import Order, Outcome, attempt
from githarness.runner.settle import Stage
from githarness.store.rows import RunRow
from githarness.work import runs
from githarness.work.guard import FAILURES

_FIRST, _LONGEST = 0.5, 60.0  # seconds before the second attempt, doubled each time up to so many
_STEP = 0.05


@dataclass(frozen=True, slots=True)
class Limits:
    """How often a run is repeated at most, and for how many seconds after the first one began; `told` hears of each
    attempt that failed."""

    retries: int
    seconds: float
    told: Callable[[str], None]


def run(stage: Stage, order: Order, head: Callable[[], str], limits: Limits) -> Outcome:
    """How the last attempt ended. Raises as `attempt`; what stops the agent between two attempts ends them."""
    end = SYSTEM.monotonic() + limits.seconds
    with process.signals() as seen:
        order = replace(order, errand=replace(order.errand, retries=limits.retries or None))
        done = attempt(stage, order, head(), seen)
        for pause in _pauses(limits.retries):
            if done.settled.run.status not in FAILURES or seen:
                break
            late = SYSTEM.monotonic() + pause >= end
            limits.told(_said(done.settled.run, "no other begins so late" if late else f"the next in {pause:g} s"))
            if late or not _waited(pause, seen):
                break
            errand = replace(order.errand, after=done.settled.run)
            left = max(1.0, end - SYSTEM.monotonic())
            again = replace(order, errand=errand, cause=None, timeout=min(order.timeout or left, left))
            try:
                done = attempt(stage, again, head(), seen)
            except HarnessError as error:
                error.details["attempts"] = done.settled.run.attempt or 1
                raise
        return replace(done, ended=replace(done.ended, code=128 + seen[0])) if seen else done


def _said(row: RunRow, then: str) -> str:
    return f"attempt {row.attempt} of {(row.retries or 0) + 1}, {row.id}: {row.status} ({row.note}), {then}"


def _pauses(retries: int) -> list[float]:
    return [min(_FIRST * 2 ** min(number, 16), _LONGEST) for number in range(retries)]


def _waited(seconds: float, seen: Sequence[int]) -> bool:
    """False where a signal came."""
    until = SYSTEM.monotonic() + seconds
    while SYSTEM.monotonic() < until and not seen:
        sleep(_STEP)
    return not seen


def resume(stage: Stage, row: RunRow, order: Order, head: str) -> Outcome:
    """`order` says what is not on record: time limit, message, secrets.

    Raises Conflict where the run was not interrupted or has nothing to resume, and what capturing and starting raise;
    then it stays interrupted, and can be resumed again.
    """
    command = _command(row)
    row = cancel.taken_over(stage, row)
    try:
        with process.signals() as seen:
            tree = settle.tree_of(stage, row)
            settle.captured_of(stage, row, f"run {row.id}, captured before it was resumed",
                               repo.linked_dir(stage.parts.repo, tree))
            errand = runs.Errand(row.once_key, row, row.retries, resumes=True)
            return attempt(stage, replace(order, agent=row.agent, command=command, errand=errand), head, seen)
    finally:
        runs.left(stage.parts, row)


def _command(row: RunRow) -> list[str]:
    if row.status not in ("open", "interrupted") or row.worktree is None or not row.command:
        raise Conflict(f"run '{row.id}' has nothing to resume ({row.status})", fix=f"githarness runs show {row.id}")
    if len(row.command) >= runs.LONGEST:
        raise Conflict(f"the command of run '{row.id}' was too long to keep", fix=f"githarness runs cancel {row.id}")
    return shlex.split(row.command)
