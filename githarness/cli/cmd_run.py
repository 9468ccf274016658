"""`githarness run`: an agent's command in a worktree of its own; its exit code is the command's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import typer

from githarness import clock
from githarness.cli import vault_exec
from githarness.cli.captured import held_error, note_of, rows
from githarness.cli.options import agent_option, command
from githarness.cli.shell import Shell, shell
from githarness.cli.vault_exec import Command
from githarness.cli.write_options import agent_name
from githarness.daemon import place
from githarness.errors import Detail, HarnessError, Unavailable, Usage
from githarness.proxy import local
from githarness.runner import again, lent
from githarness.runner.run import Lend, Order, Outcome
from githarness.runner.settle import Stage
from githarness.store.rows import RunRow
from githarness.wiring import Harness
from githarness.work.runs import Cause, Errand


@dataclass(frozen=True, slots=True)
class How:
    agent: Annotated[str | None, agent_option("The agent that acts [GITHARNESS_AGENT].")] = None
    timeout: Annotated[str | None, typer.Option(metavar="T", help="End the process tree after T: 30s, 10m.")] = None
    parent: Annotated[str | None, typer.Option(metavar="RUN", help="The run that caused it [GITHARNESS_RUN].")] = None
    message: Annotated[str | None, typer.Option("-m", "--message", metavar="MSG", help="The commit's message.")] = None
    retries: Annotated[
        int, typer.Option(metavar="N", min=0, max=1000, help="Where it fails, run it up to N times more.")] = 0
    retry_for: Annotated[str, typer.Option(metavar="T", help="But begin no more after T.")] = "1h"
    once: Annotated[str | None, typer.Option(metavar="KEY", help="Refuse where a run with this KEY was begun.")] = None
    env: Annotated[list[str] | None, typer.Option(
        "--env", metavar="VAR=NAME", help="A secret as a variable, redacted in output; repeatable.")] = None


@command
def run(ctx: typer.Context, words: Command = None, *, how: How) -> None:
    """Run a command as an agent, in a fresh worktree; what it changed becomes signed commits, conflicts are held.

    Example: githarness run --agent deployer --timeout 10m -- ./deploy.sh
    """
    sh = shell(ctx)
    if not words:
        raise Usage("no command was given", fix="githarness run --agent NAME -- CMD")
    limit = clock.seconds(how.timeout) if how.timeout else None
    harness = sh.open()
    running = place.announced(harness.repo)
    order = Order(agent_name(sh, how.agent), words, limit, cause(sh, harness, how.parent), how.message,
                  socket=running.socket if running else None, own_stdout=not sh.json, lend=lend(harness, how.env),
                  errand=Errand(once=how.once))
    harness.watch()
    limits = again.Limits(how.retries, clock.seconds(how.retry_for), (lambda _: None) if sh.json else sh.note)
    try:
        done = again.run(stage(sh, harness), order, harness.head, limits)
    finally:
        told(sh, harness)
    report(sh, done)


def told(sh: Shell, harness: Harness) -> None:
    """The guard has its look, and operators hear of it; a run has ended as it has, whether they can be told or not."""
    try:
        harness.watch()
    except HarnessError as error:
        sh.note(f"operators were not told: {error.message}")


def lend(harness: Harness, env: list[str] | None) -> Lend | None:
    if not env:
        return None
    wanted = lent.wanted(env, None)

    def values(row: RunRow, token: str | None) -> dict[str, bytes]:
        with local.reach(harness.settings, harness.parts) as vault:
            vault.hello(row.agent, row.id, token)
            return vault_exec.valued(vault, wanted)

    return Lend(wanted, values)


def stage(sh: Shell, harness: Harness) -> Stage:
    return Stage(harness.parts, sh.settings, harness.local)


def cause(sh: Shell, harness: Harness, parent: str | None) -> Cause | None:
    """The run that starts another: the one named, else the one that we are in, which has a token to prove it."""
    named = parent or sh.settings.run
    token = harness.token() if named == sh.settings.run else None
    return Cause(named, token, within=sh.settings.run) if named else None


def report(sh: Shell, done: Outcome) -> None:
    """The document or notes, then the exit: the command's own, or what became of its changes."""
    settled, code = done.settled, done.ended.code
    captured, worktree = settled.captured, settled.worktree
    written = captured.written
    details: dict[str, Detail] = {
        "run": settled.run.id, "agent": settled.run.agent, "status": settled.run.status, "exit": code,
        "commit": written.commit if written else None, "paths": [one.path for one in written.paths] if written else [],
        "held": rows(captured), "worktree": str(worktree) if worktree else None, "note": settled.run.note,
        "attempt": settled.run.attempt, "once": settled.run.once_key}
    note_of(sh, captured)
    if worktree:
        sh.note(f"{settled.run.note}")
    if done.ended.timed_out:
        raise Unavailable(f"run '{settled.run.id}' was ended at its time limit", fix="pass a longer --timeout",
                          details=details)
    if captured.held and code == 0:
        raise held_error(captured, details)
    sh.document(details)
    if code:
        raise typer.Exit(code)
