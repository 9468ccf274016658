"""The four questions of a security lead, answered about the agent that erased the trail, with what is recorded."""

from __future__ import annotations

from githarness.clock import SYSTEM
from githarness.demo.erased import RUN, RUNBOOK, UNDO
from githarness.demo.stage import Stage
from githarness.store import bases
from githarness.store.db import Database

LOOK = (
    "git log --show-signature",
    "git log --format='%h %an%n%(trailers)'",
    "git show HEAD",
    f"git log --follow -p -- {RUNBOOK}",
)


def answer(stage: Stage) -> dict[str, list[str]]:
    """The answers by question; each line of an answer was looked up in git or in the run's record just now."""
    commits = stage.git("log", "--author=janitor@", "--format=%H", "--reverse").out.split()
    if not commits:
        return {}
    answers = {
        "what did it read, and from which scope?": _read(stage, commits[0]),
        "what did it change?": _changed(stage, commits),
        "who allowed it?": _allowed(stage, commits[0]),
        "can we roll it back?": _reversible(stage),
    }
    stage.say("title", "four questions about janitor")
    for question, lines in answers.items():
        stage.say("tell", question)
        for line in lines:
            stage.say("output", line)
    stage.say("tell", f"and in one command: githarness why {commits[0][:12]}")
    return answers


def look(stage: Stage) -> None:
    """How a reviewer looks who only knows git; the last commits, checked by git and ssh-keygen."""
    stage.say("title", "the same with plain git")
    stage.git("log", "-5", "--format=%h %G? %an: %s", shown=True)
    stage.say("tell", "and more to type where --keep leaves the repository:")
    for command in LOOK:
        stage.say("output", command)


def _changed(stage: Stage, commits: list[str]) -> list[str]:
    return [*filter(None, stage.git("show", "--shortstat", "--format=%h %an: %s", *commits).out.splitlines())]


def _read(stage: Stage, commit: str) -> list[str]:
    database = Database(stage.repo / ".git" / "githarness", SYSTEM)
    with database.read() as conn:
        seen = bases.seen(conn, RUN)
    database.close()
    before = stage.git("rev-parse", f"{commit}^:{RUNBOOK}").out.strip()
    lines = [f"{path} at blob {blob[:12]}" for path, blob in sorted(seen.items()) if path != RUNBOOK]
    return [*lines, f"{RUNBOOK} at blob {before[:12]}: the version that its write was made from",
            "scope: role writer, which reads everything in this repository"]


def _allowed(stage: Stage, commit: str) -> list[str]:
    trailers = stage.git("log", "-1", "--format=%(trailers)", commit).out.split("\n")
    added = stage.must("log", "--path", ".githarness/agents/janitor.yaml", "--json").json["items"][-1]
    return [*(line for line in trailers if line), f"janitor was added by {added['human']} in {added['commit'][:12]}"]


def _reversible(stage: Stage) -> list[str]:
    undo = stage.git("log", "-1", "--format=%H", f"--grep=^{UNDO}$").out.strip()
    plan = stage.githarness("rollback", "--commit", undo, "--dry-run", "--json")
    outcome = "just as cleanly" if plan.code == 0 else f"not cleanly (exit {plan.code})"
    return [f"it is: {undo[:12]} undid it, line by line",
            f"and the undo can be undone {outcome}: githarness rollback --commit {undo[:12]}"]
