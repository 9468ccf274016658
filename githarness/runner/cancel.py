"""Ends a run from outside: its runner is told to and captures first; where that is gone, the record ends."""

from __future__ import annotations

import contextlib
import os
import signal
from time import sleep

from githarness.clock import SYSTEM, process_start
from githarness.errors import Unavailable
from githarness.runner.process import GRACE
from githarness.store.rows import RunRow
from githarness.work import runs
from githarness.work.parts import Parts

_PATIENCE = GRACE + 25.0  # the runner ends the tree, then captures


def cancel(parts: Parts, run: str) -> RunRow:
    """The record as it ended. Raises NotFound, Unavailable where the runner does not end."""
    row = _row(parts, run)
    if row.status != "open":
        return row
    if not _alive(row):
        return runs.finish(parts, run, "cancelled", note="the runner was gone" if row.pid else "")
    with contextlib.suppress(ProcessLookupError):
        os.kill(row.pid or 0, signal.SIGTERM)
    end = SYSTEM.monotonic() + _PATIENCE
    while SYSTEM.monotonic() < end:
        row = _row(parts, run)
        if row.status != "open":
            return row
        if not _alive(row):
            return runs.finish(parts, run, "cancelled", note="the runner ended before it had captured")
        sleep(0.05)
    raise Unavailable(f"process {row.pid} of run '{run}' does not end", fix=f"kill -9 {row.pid}")


def _row(parts: Parts, run: str) -> RunRow:
    with parts.db.read() as conn:
        return runs.get(conn, run)


def _alive(row: RunRow) -> bool:
    """Whether the runner lives: its pid may be somebody else's by now, its start time tells."""
    return row.pid is not None and process_start(row.pid) == row.pid_start != 0
