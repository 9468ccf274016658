"""The end of a run that had a worktree: capture, worktree away, outcome.

The worktree goes when nothing in it can be lost: changes have landed or are held, commits of the agent's own are kept
under `refs/githarness/runs/RUN`, repositories inside it have nothing that their remotes lack, no rebase or merge is
half done. Files that git ignores go, as with `git worktree remove`. Where capturing fails, run and worktree stay as
they are, and `githarness runs cancel` tries again.
"""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from githarness.canon import Json
from githarness.errors import Conflict, HarnessError, NotFound, Unavailable
from githarness.git import refs, repo
from githarness.git.porcelain import Git
from githarness.git.repo import Checkout
from githarness.settings import Settings
from githarness.store.rows import RunRow
from githarness.work import runs
from githarness.work.asks import Ask
from githarness.work.capture import Captured, capture
from githarness.work.changed import Source
from githarness.work.lane import LocalLane
from githarness.work.parts import Parts

_OWN = "refs/githarness/runs/"


@dataclass(frozen=True, slots=True)
class Stage:
    """What a run works with. `lane`: the one in process, because a capture may be large."""

    parts: Parts
    settings: Settings
    lane: LocalLane


@dataclass(frozen=True, slots=True)
class Ending:
    """How the command ended. `busy`: why nothing may be removed yet, empty where nothing stands against it."""

    status: str
    note: str
    message: str
    busy: str = ""
    exit: int | None = None


@dataclass(frozen=True, slots=True)
class Settled:
    run: RunRow
    captured: Captured
    worktree: Path | None  # where it is left, None where it was removed


def settle(stage: Stage, row: RunRow, ending: Ending) -> Settled:
    """Raises what capturing raises; then nothing is changed but what has landed."""
    tree = tree_of(stage, row)
    git_dir = repo.linked_dir(stage.parts.repo, tree)
    captured, note = Captured(None), ending.note
    if row.worktree is None or not tree.is_dir():
        note += ", the worktree was gone" if row.worktree else ""
    else:
        captured = captured_of(stage, row, ending.message, git_dir)
        note += f", {len(captured.held)} held" if captured.held else ""
    why = ending.busy or (clear(stage, row, Checkout(tree, git_dir), captured.nested) if git_dir else "")
    note += f", the worktree is left at {tree}: {why}" if why else ""
    outcome: dict[str, Json] = {"exit": ending.exit, "commit": captured.written.commit if captured.written else None,
                                "held": [one.id for one in captured.held]}
    return Settled(finished(stage.parts, row.id, ending.status, note, outcome), captured, tree if why else None)


def tree_of(stage: Stage, row: RunRow) -> Path:
    """Where it is, or is going to be."""
    return Path(row.worktree) if row.worktree else stage.settings.data_dir.resolve() / "worktrees" / row.id


def captured_of(stage: Stage, row: RunRow, message: str, git_dir: Path | None) -> Captured:
    """What lies in its worktree becomes its writes. Raises what capturing raises."""
    tree = tree_of(stage, row)
    try:
        if git_dir is None:
            raise NotFound(f"git no longer knows the worktree '{tree}'", fix="save what you need of it and remove it")
        if not os.path.lexists(tree / ".git"):  # may be no more than a file system that went away
            raise NotFound(f"the worktree '{tree}' has lost its '.git'",
                           fix=f"if it is whole otherwise: echo 'gitdir: {git_dir}' > '{tree}/.git'")
        ask = Ask(row.agent, row.id, (), message=message, token=runs.token_of(stage.parts.repo, row.id))
        source = Source(row, Checkout(tree, git_dir), ask)
        return capture(stage.parts, Git(stage.settings, tree, git_dir), stage.lane, source)
    except HarnessError as error:
        error.fix = f"{error.fix}; then githarness runs cancel {row.id}, which captures what is in '{tree}'"
        raise


def finished(parts: Parts, run: str, status: str, note: str, outcome: Mapping[str, Json] | None = None) -> RunRow:
    """The record as it ended; an outcome that somebody else gave it stands."""
    try:
        return runs.finish(parts, run, status, note=note, outcome=outcome)
    except Conflict:
        with parts.db.read() as conn:
            return runs.get(conn, run)


def clear(stage: Stage, row: RunRow, checkout: Checkout, nested: tuple[str, ...] = ()) -> str:
    """Removes the worktree; why it stays, empty where it is gone."""
    precious = [path for path in nested if _is_precious(stage.settings, checkout.root / path)]
    if precious:
        return f"'{precious[0]}' is a repository with work of its own"
    if operation := repo.operation_in_progress(checkout.git_dir):
        return f"a {operation} is in progress"
    try:
        _keep_commits(stage, row, checkout)
        _remove(stage, checkout)
    except Unavailable as error:
        return error.message
    except OSError as error:
        return f"'{error.filename}' cannot be removed: {error.strerror}"
    return ""


def _is_precious(settings: Settings, folder: Path) -> bool:
    """Whether a repository has edits, or commits that none of its remotes has shown."""
    git = Git(settings, folder)
    try:
        return bool(git.run("status", "--porcelain") or
                    git.run("rev-list", "--max-count=1", "HEAD", "--all", "--not", "--remotes"))
    except HarnessError:
        return True


def _keep_commits(stage: Stage, row: RunRow, checkout: Checkout) -> None:
    """Commits that only the worktree's detached HEAD names get a ref; on a branch they have one."""
    if repo.head(checkout.git_dir) is not None:
        return
    reader, common_dir = stage.parts.reader, stage.parts.repo.common_dir
    own, head = (checkout.git_dir / "HEAD").read_text(encoding="ascii").strip(), refs.read(common_dir, stage.parts.ref)
    if any(known and reader.is_ancestor(own, known) for known in (row.start_commit, head)):
        return
    known = refs.read(common_dir, _OWN + row.id)
    Git(stage.settings, common_dir).run("update-ref", _OWN + row.id, own, known or refs.ZERO)


def _remove(stage: Stage, checkout: Checkout) -> None:
    """Git stops at folders that were made read-only, as caches of packages are, when it has forgotten the worktree."""
    try:
        Git(stage.settings, stage.parts.repo.common_dir).worktree_remove(checkout.root)
    except Unavailable:
        if checkout.git_dir.exists():
            raise  # it has not begun
        for folder, below, _ in os.walk(checkout.root):
            for path in (Path(folder, one) for one in below):
                if not path.is_symlink():
                    path.chmod(stat.S_IRWXU)
        shutil.rmtree(checkout.root)
