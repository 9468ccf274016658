"""`githarness capture`: what an agent changed in a worktree becomes commits of that agent."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from githarness.cli.options import command
from githarness.cli.shell import Shell, shell
from githarness.cli.write_options import agent_name
from githarness.errors import Conflict, Denied, Detail, NotFound
from githarness.git.porcelain import Git
from githarness.store import runs
from githarness.store.rows import RunRow
from githarness.wiring import Harness
from githarness.work.asks import Ask
from githarness.work.capture import Captured, Source
from githarness.work.capture import capture as take


@command
def capture(
    ctx: typer.Context,
    only: Annotated[list[str] | None, typer.Argument(metavar="PATH...", help="Only these [all].")] = None,
    *,
    agent: Annotated[str | None, typer.Option(metavar="NAME", help="The agent that acts [GITHARNESS_AGENT].")] = None,
    run: Annotated[str | None, typer.Option(metavar="RUN", help="The run that acts [GITHARNESS_RUN].")] = None,
    worktree: Annotated[Path | None, typer.Option(metavar="DIR", help="The worktree [the run's, else this].")] = None,
    message: Annotated[str | None, typer.Option("-m", "--message", metavar="MSG", help="The commit's message.")] = None,
) -> None:
    """Commit what changed in the run's own worktree; in a worktree that others use too, only the paths named.

    Example: githarness capture --agent deployer -m "update the runbook"
    """
    sh = shell(ctx)
    harness = sh.open()
    name = agent_name(sh, agent)
    row = _run(harness, run or sh.settings.run_of(name), name)
    folder = worktree or _own(harness, row)
    ask = Ask(name, row.id, (), message=message, token=harness.token())
    source = Source(row, folder, ask, tuple(only or ()))
    _report(sh, take(harness.parts, Git(sh.settings, folder), harness.lane, source, harness.local.signer(name)))


def _run(harness: Harness, run: str, agent: str) -> RunRow:
    """The record; a run that is not known yet works in whatever worktree is here, which others may use too."""
    with harness.db.read() as conn:
        return runs.get(conn, run) or RunRow(run, agent, harness.clock.now())


def _own(harness: Harness, row: RunRow) -> Path:
    if row.worktree:
        return Path(row.worktree)
    if harness.repo.worktree is None:
        raise NotFound("there is no worktree here", fix="pass --worktree DIR")
    return harness.repo.worktree


def _report(sh: Shell, done: Captured) -> None:
    written = done.written
    held: list[Detail] = [{"id": one.id, "path": one.path, "why": one.why} for one in done.held]
    details: dict[str, Detail] = {
        "commit": written.commit if written else None, "held": held,
        "paths": [{"path": one.path, "blob": one.blob, "merged": one.merged}
                  for one in (written.paths if written else ())]}
    if written and written.commit:
        sh.note(f"{written.commit[:12]} {' '.join(one.path for one in written.paths)}")
    if done.held:
        kind = Denied if all(one.why == "denied" for one in done.held) else Conflict
        names = ", ".join(f"'{one.path}' as {one.id}" for one in done.held)
        raise kind(f"held: {names}", fix=f"githarness held show {done.held[0].id}", details=details)
    sh.document(details)
    if written is None:
        sh.note("nothing has changed")
