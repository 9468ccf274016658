"""`githarness capture`: what an agent changed in a worktree becomes commits of that agent."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from githarness.cli.captured import held_error, note_of, rows
from githarness.cli.options import agent_option, command
from githarness.cli.shell import Shell, opened
from githarness.cli.write_options import agent_name
from githarness.errors import Detail, NotFound
from githarness.git import repo
from githarness.git.porcelain import Git
from githarness.git.repo import Checkout
from githarness.store import runs
from githarness.store.rows import RunRow
from githarness.wiring import Harness
from githarness.work.asks import Ask
from githarness.work.capture import Captured
from githarness.work.capture import capture as take
from githarness.work.changed import Source


@command
def capture(
    ctx: typer.Context,
    only: Annotated[list[str] | None, typer.Argument(metavar="PATH...", help="Only these [all].")] = None,
    *,
    agent: Annotated[str | None, agent_option("The agent that acts [GITHARNESS_AGENT].")] = None,
    run: Annotated[str | None, typer.Option(metavar="RUN", help="The run that acts [GITHARNESS_RUN].")] = None,
    worktree: Annotated[Path | None, typer.Option(metavar="DIR", help="The worktree [the run's, else this].")] = None,
    message: Annotated[str | None, typer.Option("-m", "--message", metavar="MSG", help="The commit's message.")] = None,
) -> None:
    """Commit what changed in the run's own worktree; in a worktree that others use too, only the paths named.

    Example: githarness capture --agent deployer -m "update the runbook"
    """
    sh, harness = opened(ctx)
    name = agent_name(sh, agent)
    row = _run(harness, run or sh.settings.run_of(name), name)
    checkout = _checkout(harness, row, worktree)
    ask = Ask(name, row.id, (), message=message, token=harness.token())
    source = Source(row, checkout, ask, tuple(path.rstrip("/") for path in only or ()))
    git = Git(sh.settings, checkout.root, checkout.git_dir)
    _report(sh, take(harness.parts, git, harness.local, source))


def _run(harness: Harness, run: str, agent: str) -> RunRow:
    """The record; a run that is not known yet works in whatever worktree is here, which others may use too."""
    with harness.db.read() as conn:
        return runs.get(conn, run) or RunRow(run, agent, harness.clock.now())


def _checkout(harness: Harness, row: RunRow, named: Path | None) -> Checkout:
    """The run's own worktree, unless another one of this repository is named."""
    if row.worktree and (named is None or named.resolve() == Path(row.worktree)):
        git_dir = repo.linked_dir(harness.repo, Path(row.worktree))
        if git_dir is None:
            raise NotFound(f"the worktree '{row.worktree}' is gone", fix=f"githarness runs show {row.id}")
        return Checkout(Path(row.worktree), git_dir)
    found = repo.discover(named) if named else harness.repo
    if found.worktree is None or found.common_dir != harness.repo.common_dir:
        raise NotFound(f"'{named or found.start}' is not in a worktree of this repository", fix="pass --worktree DIR")
    return Checkout(found.worktree, found.git_dir)


def _report(sh: Shell, done: Captured) -> None:
    written = done.written
    details: dict[str, Detail] = {
        "commit": written.commit if written else None, "held": rows(done), "nested": list(done.nested),
        "paths": [{"path": one.path, "blob": one.blob, "merged": one.merged}
                  for one in (written.paths if written else ())]}
    note_of(sh, done)
    if done.held:
        raise held_error(done, details)
    sh.document(details)
    if written is None:
        sh.note("nothing has changed")
