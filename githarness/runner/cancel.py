"""Ends a run from outside: a living runner is told to, and captures; where that is gone, we do it in its stead."""

from __future__ import annotations

import contextlib
import os
import signal
from time import sleep

from githarness.clock import SYSTEM
from githarness.errors import Denied, Unavailable
from githarness.runner import process
from githarness.runner.settle import Ending, Settled, Stage, finished, settle
from githarness.store.rows import RunRow
from githarness.work import runs
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
    if row.status != "open":
        return Settled(row, Captured(None), None)
    return _in_its_stead(stage, row)


def has_runner(row: RunRow) -> bool:
    return row.pid is not None and process.is_alive(row.pid, row.pid_start or 0)


def _row(stage: Stage, run: str) -> RunRow:
    with stage.parts.db.read() as conn:
        return runs.get(conn, run)


def _tell(row: RunRow) -> None:
    try:
        with contextlib.suppress(ProcessLookupError):
            os.kill(row.pid or 0, signal.SIGTERM)
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


def _in_its_stead(stage: Stage, row: RunRow) -> Settled:
    """The tree of a runner that was killed has gone to other parents; its processes still carry the run's id."""
    left = process.end(lambda: process.of_environment(f"GITHARNESS_RUN={row.id}"))
    if left:
        raise Unavailable(f"process {left[0]} of run '{row.id}' does not end", fix=f"kill -9 {left[0]}")
    return settle(stage, row, Ending("cancelled", "the runner was gone", f"run {row.id}, captured late"))
