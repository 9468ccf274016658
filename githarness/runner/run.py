"""`githarness run`: an agent's process in a worktree of its own, on the governed branch, captured and cleaned up.

    start (record, token) → worktree → process tree with a time limit → capture → worktree away, if nothing in it can be
    lost → outcome

Whatever goes wrong after the process ran, the worktree stays and the record says where it is.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from githarness.clock import process_start
from githarness.errors import HarnessError, Unavailable
from githarness.git.porcelain import Git
from githarness.runner import process
from githarness.runner.process import Ended, Job
from githarness.seal.signer import Signer
from githarness.settings import Settings
from githarness.store import runs as run_rows
from githarness.store.rows import RunRow
from githarness.work import runs
from githarness.work.asks import Ask, Lane
from githarness.work.capture import Captured, Source, capture
from githarness.work.parts import Parts


@dataclass(frozen=True, slots=True)
class Stage:
    """What a run works with beside the parts. `socket`: the daemon's, if one listens."""

    parts: Parts
    settings: Settings
    lane: Lane
    signer: Signer
    socket: Path | None


@dataclass(frozen=True, slots=True)
class Order:
    agent: str
    command: Sequence[str]
    timeout: float | None = None
    parent: str | None = None
    message: str | None = None
    own_stdout: bool = True  # False: the command's stdout goes to stderr, ours carries a document


@dataclass(frozen=True, slots=True)
class Outcome:
    run: RunRow
    ended: Ended
    captured: Captured
    worktree: Path | None  # where it is left, None where it was removed


def run(stage: Stage, order: Order, head: str) -> Outcome:
    """Raises what starting raises (then there is no run) and what capturing raises (then the worktree stays)."""
    row = runs.start(stage.parts, order.agent, head=head, parent=order.parent, command=order.command)
    tree = runs.folder(stage.parts.repo, row.id) / "tree"
    try:
        Git(stage.settings, stage.parts.repo.common_dir).worktree_add(tree, head)
        _note_process(stage.parts, row.id, tree)
        ended = process.run(_job(stage, order, row, tree))
    except HarnessError:
        runs.finish(stage.parts, row.id, "failed", note="did not start")
        _remove(stage, row, tree)
        raise
    captured = _capture(stage, order, row, tree)
    left = None if _remove(stage, row, tree) else tree
    return Outcome(runs.finish(stage.parts, row.id, _status(ended), note=_note(ended, left)), ended, captured, left)


def _note_process(parts: Parts, run: str, tree: Path) -> None:
    pid = os.getpid()
    with parts.db.write() as conn:
        run_rows.started(conn, run, pid=pid, pid_start=process_start(pid), worktree=str(tree))


def _job(stage: Stage, order: Order, row: RunRow, tree: Path) -> Job:
    environ = {
        **stage.settings.environ,
        "GITHARNESS_AGENT": row.agent,
        "GITHARNESS_RUN": row.id,
        "GITHARNESS_TOKEN_FILE": str(runs.token_file(stage.parts.repo, row.id)),
        **({"GITHARNESS_SOCKET": str(stage.socket)} if stage.socket else {}),
    }
    stdout = None if order.own_stdout else sys.stderr.fileno()
    return Job(order.command, tree, environ, order.timeout, stdout)


def _capture(stage: Stage, order: Order, row: RunRow, tree: Path) -> Captured:
    token = runs.token_file(stage.parts.repo, row.id).read_text().strip()
    message = order.message or f"run {Path(order.command[0]).name}"
    source = Source(row, tree, Ask(row.agent, row.id, (), message=message, token=token))
    try:
        return capture(stage.parts, Git(stage.settings, tree), stage.lane, source, stage.signer)
    except HarnessError as error:
        runs.finish(stage.parts, row.id, "failed", note=f"not captured ({error.code}), the worktree is {tree}")
        raise


def _remove(stage: Stage, row: RunRow, tree: Path) -> bool:
    """All files are captured or held; commits that the agent made itself are kept under a ref of the run."""
    if not tree.exists():
        return True
    git = Git(stage.settings, tree)
    try:
        own = git.run("rev-parse", "HEAD").decode().strip()
        if own != row.start_commit and not stage.parts.reader.is_ancestor(own, row.start_commit or own):
            git.run("update-ref", f"refs/githarness/runs/{row.id}", own)
        Git(stage.settings, stage.parts.repo.common_dir).worktree_remove(tree)
    except Unavailable:
        return False
    return True


def _status(ended: Ended) -> str:
    if ended.timed_out:
        return "timeout"
    return "cancelled" if ended.interrupted else "ok" if ended.code == 0 else "failed"


def _note(ended: Ended, left: Path | None) -> str:
    return f"exit {ended.code}" + (f", the worktree is {left}" if left else "")
