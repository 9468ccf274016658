"""Ends a run from outside: a living runner is told to, and captures; where that is gone, we do it in its stead."""

from __future__ import annotations

import contextlib
import os
import signal
from time import sleep

from githarness.clock import SYSTEM
from githarness.errors import Denied, Unavailable
from githarness.runner import process
from githarness.runner.settle import Ending, Settled, Stage, finished, settle, tree_of
from githarness.store.rows import RunRow
from githarness.work import guard, runs
from githarness.work.capture import Captured

_PATIENCE = process.GRACE + 25.0  # the runner ends the tree, then captures


def cancel(stage: Stage, run: str) -> Settled:
    """The record as it ended, and what was captured where that fell to us.

    Raises NotFound, Unavailable where a process does not end, and what capturing raises.
    """
    row = _row(stage, run)
    if row.status == "open" and row.pid is None:
        row = finished(stage.parts, run, "cancelled", "")
    elif row.status == "open" and has_runner(row):
        _tell(row)
        row = _wait(stage, row)
    if row.status == "open" or (row.status == "interrupted" and row.worktree):
        # What is to be done once was done, or not: that the rest of it is cleared away does not tell.
        status = "interrupted" if row.once_key else "cancelled"
        return conclude(stage, row, status, "the runner was gone")
    return Settled(row, Captured(None), None)


def conclude(stage: Stage, row: RunRow, status: str, note: str) -> Settled:
    """Ends a run that was interrupted, its processes first. Raises as `cancel`, and Conflict where it has a runner."""
    row = taken_over(stage, row)
    return settle(stage, row, Ending(status, note, f"run {row.id}, captured late"))


def taken_over(stage: Stage, row: RunRow) -> RunRow:
    """An interrupted run is ours, and nothing of its command is left; its processes have gone to other parents."""
    row = runs.adopt(stage.parts, row)
    tree = tree_of(stage, row)
    left = process.end(lambda: process.of_run(f"GITHARNESS_RUN={row.id}", tree))
    if left:
        raise Unavailable(f"process {left[0]} of run '{row.id}' does not end", fix=f"kill -9 {left[0]}")
    return row


def has_runner(row: RunRow) -> bool:
    return row.pid is not None and not guard.is_gone(row)


def _row(stage: Stage, run: str) -> RunRow:
    with stage.parts.db.read() as conn:
        return runs.get(conn, run)


def _tell(row: RunRow) -> None:
    try:
        with contextlib.suppress(ProcessLookupError):
            for number in (signal.SIGTERM, signal.SIGCONT):  # the second for one that was stopped
                os.kill(row.pid or 0, number)
    except PermissionError:
        raise Denied(f"process {row.pid} of run '{row.id}' belongs to another user",
                     fix="cancel the run as that user") from None


def _wait(stage: Stage, row: RunRow) -> RunRow:
    deadline = SYSTEM.monotonic() + _PATIENCE
    while row.status == "open" and has_runner(row):
        if SYSTEM.monotonic() > deadline:
            raise Unavailable(f"process {row.pid} of run '{row.id}' does not end",
                              fix=f"kill -9 {row.pid}, then githarness runs cancel {row.id}")
        sleep(0.05)
        row = _row(stage, row.id)
    return row
