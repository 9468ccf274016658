"""How the commands show a run."""

from __future__ import annotations

import json
from pathlib import Path

from githarness import clock
from githarness.cli.out import Painted
from githarness.cli.shell import Shell
from githarness.store.rows import RunRow
from githarness.work import guard
from githarness.work.runbook import name_of

LONG = 1000  # characters of a command that are shown
_COLOURS = {"open": "cyan", "ok": "green", "failed": "red", "timeout": "red", "cancelled": "yellow",
            "interrupted": "red"}


def item(row: RunRow) -> dict[str, object]:
    found = json.loads(row.outcome or "{}")
    return {
        "run": row.id, "agent": row.agent, "parent": row.parent,
        "chain": [name_of(link) for link in row.chain], "status": row.status,
        "started": clock.rfc3339(row.started), "finished": clock.rfc3339(row.finished) if row.finished else None,
        "tier": row.tier, "start_commit": row.start_commit, "worktree": worktree(row), "command": row.command[:LONG],
        "note": row.note, "beat": heard(row), "attempt": row.attempt, "retries": row.retries,
        "once": row.once_key, "exit": found.get("exit"), "held": found.get("held", [])}


def worktree(row: RunRow) -> str | None:
    """None once it was removed."""
    return row.worktree if row.worktree and Path(row.worktree).is_dir() else None


def line(sh: Shell, row: RunRow) -> None:
    status = Painted(f"{row.status:9}", _COLOURS[row.status])
    sh.line(row.id, " ", clock.rfc3339(row.started), " ", status, " ", row.agent)
    if row.worktree and (row.status == "interrupted" or (row.status == "open" and guard.is_gone(row))):
        sh.note(f"the runner of {row.id} is gone; githarness runs cancel {row.id} captures what is in its worktree, "
                f"githarness runs resume {row.id} goes on in it")


def heard(row: RunRow) -> str | None:
    """When the run was last heard of, by the wall clock; None for sessions, and for another boot."""
    if row.beat is None or row.boot != clock.boot_id():
        return None
    return clock.rfc3339(clock.SYSTEM.now() - (clock.SYSTEM.boot() - row.beat))
