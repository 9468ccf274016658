"""`githarness run`: an agent's process in a worktree of its own, on the governed branch, captured and cleaned up.

    record and token → worktree → process tree with a time limit → settle (capture, worktree away, outcome)

Signals are noted from the beginning to the end: they end the process, never the capture. The worktree is in the user's
data folder: agents' own guards, and many tools, leave alone whatever is inside a `.git` folder.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from githarness.clock import SYSTEM
from githarness.errors import HarnessError, Unavailable
from githarness.git import repo
from githarness.git.porcelain import Git
from githarness.git.repo import Checkout
from githarness.runner import lent, process
from githarness.runner.lent import Wanted
from githarness.runner.process import Ended, Job
from githarness.runner.settle import Ending, Settled, Stage, clear, finished, settle, tree_of
from githarness.store.rows import RunRow
from githarness.work import guard, runs
from githarness.work.runs import Cause, Errand, Runner

_STDOUT, _STDERR = 1, 2
_TURN = 0.2  # seconds that a sign of life waits for the database
_NOTHING = Errand()


@dataclass(frozen=True, slots=True)
class Lend:
    """Secrets for the command, asked for as its run."""

    wanted: Wanted
    values: Callable[[RunRow, str | None], Mapping[str, bytes]]  # of the run and its token


@dataclass(frozen=True, slots=True)
class Order:
    """`socket`: the daemon's, if one listens."""

    agent: str
    command: Sequence[str]
    timeout: float | None = None
    cause: Cause | None = None
    message: str | None = None
    socket: Path | None = None
    own_stdout: bool = True  # False: the command's stdout goes to stderr, ours carries a document
    lend: Lend | None = None
    errand: Errand = _NOTHING


@dataclass(frozen=True, slots=True)
class Outcome:
    ended: Ended
    settled: Settled


def attempt(stage: Stage, order: Order, head: str, seen: Sequence[int]) -> Outcome:
    """One run, from its record to its end; a signal that is `seen` ends it.

    Raises what starting raises (then the run has failed) and what capturing raises (then the run stays open).
    """
    runner = Runner(os.getpid(), order.command)
    row = runs.start(stage.parts, order.agent, head=head, cause=order.cause, runner=runner, errand=order.errand)
    try:
        row = row if row.worktree else _place(stage, row, head)
        ended = _run(stage, order, row, seen)
    except HarnessError as error:
        runs.not_begun(stage.parts, row)
        unknown = row.once_key and (row.attempt or 1) > 1  # the attempt before this one had begun
        finished(stage.parts, row.id, "interrupted" if unknown else "failed", f"did not start: {error.message}"[:200])
        _undo(stage, row)
        raise
    busy = f"process {ended.left[0]} could not be ended" if ended.left else ""
    message = order.message or f"run {Path(order.command[0]).name}"
    ending = Ending(_status(ended), f"exit {ended.code}", message, busy, ended.code)
    return Outcome(ended, settle(stage, row, ending))


class _Pulse:
    """Says now and then that the run is alive; a turn that does not come at once is left to the next time."""

    def __init__(self, stage: Stage, run: str) -> None:
        self._stage, self._run = stage, run
        self._next = SYSTEM.monotonic() + guard.BEAT

    def __call__(self) -> None:
        if SYSTEM.monotonic() >= self._next:
            self._next = SYSTEM.monotonic() + guard.BEAT
            with contextlib.suppress(HarnessError):
                guard.beat(self._stage.parts, self._run, wait=_TURN)


def _run(stage: Stage, order: Order, row: RunRow, seen: Sequence[int]) -> Ended:
    job = _job(stage, order, row)
    if order.lend is None:
        return process.run(job, seen)
    values = order.lend.values(row, runs.token_of(stage.parts.repo, row.id))
    return lent.run(stage.settings, job, order.lend.wanted, values, stdout=job.streams[1] or _STDOUT, seen=seen)


def _place(stage: Stage, row: RunRow, head: str) -> RunRow:
    tree = tree_of(stage, row)
    try:
        tree.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise Unavailable(f"the folder of worktrees '{tree.parent}' cannot be made: {error.strerror}",
                          fix="githarness doctor") from error
    Git(stage.settings, stage.parts.repo.common_dir).worktree_add(tree, head)
    return runs.place(stage.parts, row, tree)


def _undo(stage: Stage, row: RunRow) -> None:
    tree = tree_of(stage, row)
    if git_dir := repo.linked_dir(stage.parts.repo, tree):
        clear(stage, row, Checkout(tree, git_dir))


def _job(stage: Stage, order: Order, row: RunRow) -> Job:
    tree = tree_of(stage, row)
    environ = {
        **stage.settings.environ,
        "PWD": str(tree),
        "GITHARNESS_AGENT": row.agent,
        "GITHARNESS_RUN": row.id,
        "GITHARNESS_TOKEN_FILE": str(runs.token_file(stage.parts.repo, row.id)),
        **({"GITHARNESS_SOCKET": str(order.socket)} if order.socket else {}),
    }
    streams = None, None if order.own_stdout else _STDERR, None
    return Job(order.command, tree, environ, order.timeout, streams, tick=_Pulse(stage, row.id))


def _status(ended: Ended) -> str:
    if ended.timed_out:
        return "timeout"
    return "cancelled" if ended.interrupted else "ok" if ended.code == 0 else "failed"
