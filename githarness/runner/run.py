"""`githarness run`: an agent's process in a worktree of its own, on the governed branch, captured and cleaned up.

    record and token → worktree → process tree with a time limit → settle (capture, worktree away, outcome)

Signals are noted from the beginning to the end: they end the process, never the capture. The worktree is in the user's
data folder: agents' own guards, and many tools, leave alone whatever is inside a `.git` folder.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from githarness.errors import HarnessError, Unavailable
from githarness.git import repo
from githarness.git.porcelain import Git
from githarness.git.repo import Checkout
from githarness.runner import lent, process
from githarness.runner.lent import Wanted
from githarness.runner.process import Ended, Job
from githarness.runner.settle import Ending, Settled, Stage, clear, finished, settle, tree_of
from githarness.store.rows import RunRow
from githarness.work import runs
from githarness.work.runs import Cause, Runner

_STDOUT, _STDERR = 1, 2


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


@dataclass(frozen=True, slots=True)
class Outcome:
    ended: Ended
    settled: Settled


def run(stage: Stage, order: Order, head: str) -> Outcome:
    """Raises what starting raises (then the run has failed) and what capturing raises (then the run stays open)."""
    with process.signals() as seen:
        runner = Runner(os.getpid(), order.command)
        row = runs.start(stage.parts, order.agent, head=head, cause=order.cause, runner=runner)
        try:
            row = _place(stage, row, head)
            ended = _run(stage, order, row, seen)
        except HarnessError as error:
            finished(stage.parts, row.id, "failed", f"did not start: {error.message}"[:200])
            _undo(stage, row)
            raise
        busy = f"process {ended.left[0]} could not be ended" if ended.left else ""
        message = order.message or f"run {Path(order.command[0]).name}"
        return Outcome(ended, settle(stage, row, Ending(_status(ended), f"exit {ended.code}", message, busy)))


def _run(stage: Stage, order: Order, row: RunRow, seen: Sequence[int]) -> Ended:
    job = _job(stage, order, row)
    if order.lend is None:
        return process.run(job, seen)
    values = order.lend.values(row, runs.token_of(stage.parts.repo, row.id))
    return lent.run(stage.settings, job, order.lend.wanted, values, stdout=job.streams[1] or _STDOUT, seen=seen)


def _place(stage: Stage, row: RunRow, head: str) -> RunRow:
    tree = tree_of(stage, row.id)
    try:
        tree.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise Unavailable(f"the folder of worktrees '{tree.parent}' cannot be made: {error.strerror}",
                          fix="githarness doctor") from error
    Git(stage.settings, stage.parts.repo.common_dir).worktree_add(tree, head)
    return runs.place(stage.parts, row, tree)


def _undo(stage: Stage, row: RunRow) -> None:
    tree = tree_of(stage, row.id)
    if git_dir := repo.linked_dir(stage.parts.repo, tree):
        clear(stage, row, Checkout(tree, git_dir))


def _job(stage: Stage, order: Order, row: RunRow) -> Job:
    tree = tree_of(stage, row.id)
    environ = {
        **stage.settings.environ,
        "PWD": str(tree),
        "GITHARNESS_AGENT": row.agent,
        "GITHARNESS_RUN": row.id,
        "GITHARNESS_TOKEN_FILE": str(runs.token_file(stage.parts.repo, row.id)),
        **({"GITHARNESS_SOCKET": str(order.socket)} if order.socket else {}),
    }
    return Job(order.command, tree, environ, order.timeout, (None, None if order.own_stdout else _STDERR, None))


def _status(ended: Ended) -> str:
    if ended.timed_out:
        return "timeout"
    return "cancelled" if ended.interrupted else "ok" if ended.code == 0 else "failed"
