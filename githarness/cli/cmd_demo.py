"""`githarness demo`: the incidents that githarness exists to end, replayed in a temporary repository."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from githarness.cli.options import command
from githarness.cli.out import Painted
from githarness.cli.shell import Shell, shell
from githarness.demo import play, questions
from githarness.demo.play import Report
from githarness.demo.stage import Kind, Say


@command
def demo(
    ctx: typer.Context,
    *,
    agents: Annotated[int, typer.Option("--agents", metavar="N", min=1, max=99, help="How many agents append.")] = 19,
    keep: Annotated[
        Path | None, typer.Option("--keep", metavar="DIR", help="Play in DIR, a new folder, and leave it there.")
    ] = None,
) -> None:
    """Replay incidents of agent fleets in a temporary repository and show each stopped. Exit 1 if one was not.

    Example: githarness demo
    """
    sh = shell(ctx)
    report = play.play(sh.settings, _teller(sh), fleet=agents, keep=sh.directory / keep if keep else None)
    sh.document(_document(report, agents))
    _end(sh, report)
    if not report.stopped:
        raise typer.Exit(1)


def _teller(sh: Shell) -> Say:
    def say(kind: Kind, text: str) -> None:
        if kind == "title":
            sh.line()
            sh.line(Painted(text, "bold"))
        elif kind == "tell":
            sh.line(text)
        elif kind == "loss":
            sh.line(Painted(text, "red"))
        elif kind == "command":
            sh.line(Painted(f"  $ {text}", "cyan"))
        elif kind == "output":
            sh.line(Painted(f"  {text}", "dim"))
        else:
            sh.line(Painted(f"{'ok ' if kind == 'good' else 'NOT'} {text}", "green" if kind == "good" else "red"))
    return say


def _end(sh: Shell, report: Report) -> None:
    sh.line()
    stopped = sum(one.found.stopped for one in report.played)
    sh.line(Painted(f"{stopped} of {len(report.played)} incidents stopped", "green" if report.stopped else "red"),
            f" in {report.seconds:.0f} s")
    if report.kept:
        sh.line(f"the repository is left in {report.kept / 'repo'}")
    else:
        sh.line("to look around in the repository: githarness demo --keep DIR")


def _document(report: Report, agents: int) -> dict[str, object]:
    return {
        "stopped": report.stopped, "agents": agents, "seconds": round(report.seconds, 1),
        "incidents": [{"incident": one.incident.name, "title": one.incident.title, "stopped": one.found.stopped,
                       "seconds": round(one.seconds, 1), "facts": dict(one.found.facts)} for one in report.played],
        "questions": [{"question": question, "answer": lines} for question, lines in report.questions.items()],
        "look": list(questions.LOOK), "kept": str(report.kept) if report.kept else None}
