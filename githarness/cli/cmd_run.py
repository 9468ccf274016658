"""`githarness run`: an agent's command in a worktree of its own; its exit code is the command's."""

from __future__ import annotations

from typing import Annotated

import typer

from githarness import clock
from githarness.cli.options import command
from githarness.cli.shell import Shell, shell
from githarness.cli.write_options import agent_name
from githarness.daemon import place
from githarness.errors import Conflict, Denied, Detail, Unavailable, Usage
from githarness.runner import run as runner
from githarness.runner.run import Order, Outcome, Stage

Command = Annotated[list[str] | None, typer.Argument(metavar="-- CMD...", help="The command and its arguments.")]


@command
def run(
    ctx: typer.Context,
    words: Command = None,
    *,
    agent: Annotated[str | None, typer.Option(metavar="NAME", help="The agent that acts [GITHARNESS_AGENT].")] = None,
    timeout: Annotated[str | None, typer.Option(metavar="T", help="End the process tree after T: 30s, 10m.")] = None,
    parent: Annotated[str | None, typer.Option(metavar="RUN", help="The run that caused it [GITHARNESS_RUN].")] = None,
    message: Annotated[str | None, typer.Option("-m", "--message", metavar="MSG", help="The commit's message.")] = None,
) -> None:
    """Run a command as an agent, in a fresh worktree; what it changed becomes signed commits, conflicts are held.

    Example: githarness run --agent deployer --timeout 10m -- ./deploy.sh
    """
    sh = shell(ctx)
    if not words:
        raise Usage("no command was given", fix="githarness run --agent NAME -- CMD")
    harness = sh.open()
    name = agent_name(sh, agent)
    running = place.announced(harness.repo)
    socket = running.socket if running else None
    stage = Stage(harness.parts, sh.settings, harness.lane, harness.local.signer(name), socket)
    limit = clock.seconds(timeout) if timeout else None
    order = Order(name, words, limit, parent or sh.settings.run, message, own_stdout=not sh.json)
    _report(sh, runner.run(stage, order, harness.head()))


def _report(sh: Shell, done: Outcome) -> None:
    """The document or notes, then the exit: the command's own, or what became of its changes."""
    captured, code = done.captured, done.ended.code
    written = captured.written
    held: list[Detail] = [{"id": one.id, "path": one.path, "why": one.why} for one in captured.held]
    details: dict[str, Detail] = {
        "run": done.run.id, "agent": done.run.agent, "status": done.run.status, "exit": code,
        "commit": written.commit if written else None,
        "paths": [one.path for one in written.paths] if written else [], "held": held,
        "worktree": str(done.worktree) if done.worktree else None}
    if written and written.commit:
        sh.note(f"{written.commit[:12]} {' '.join(one.path for one in written.paths)}")
    if done.worktree:
        sh.note(f"the worktree is left at {done.worktree}")
    if done.ended.timed_out:
        raise Unavailable(f"run '{done.run.id}' was ended at its time limit", fix="pass a longer --timeout",
                          details=details)
    if held and code == 0:
        kind = Denied if all(one.why == "denied" for one in captured.held) else Conflict
        raise kind(f"{len(held)} changes of run '{done.run.id}' are held", fix="githarness held list", details=details)
    sh.document(details)
    if code:
        raise typer.Exit(code)
