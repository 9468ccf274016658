"""`githarness verify`: every commit of a range, or of all history, judged by the state before it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

import typer

from githarness import __version__, clock, wiring
from githarness.cli import out
from githarness.cli.options import command
from githarness.cli.out import Painted
from githarness.cli.shell import Shell, shell
from githarness.git import refs
from githarness.git.repo import discover
from githarness.work import judge_range, judge_report
from githarness.work.judge_range import Bench
from githarness.work.judged import Report


class Humans(StrEnum):
    warn = "warn"
    signed = "signed"


class Format(StrEnum):
    text = "text"
    json = "json"
    github = "github"
    sarif = "sarif"


@dataclass(frozen=True, slots=True)
class VerifyOptions:
    humans: Annotated[Humans | None, typer.Option(
        help="Whether people must sign too; without it, what config.toml says.")] = None
    format: Annotated[Format, typer.Option(help="How to print what is found.")] = Format.text


@command
def verify(
    ctx: typer.Context, *,
    span: Annotated[str | None, typer.Argument(
        metavar="[RANGE]", help="A..B: what B has and A has not; B alone: all of its history.")] = None,
    options: VerifyOptions,
) -> None:
    """Judge commits by signature, policy and grants of the state before each; exit 1 on any violation.

    Without RANGE all history of the governed branch. Example: githarness verify origin/main..HEAD
    """
    sh = shell(ctx)
    harness = wiring.Harness(sh.settings, discover(sh.directory))
    judge_range.must_be_whole(harness.repo)
    known = span is None and refs.read(harness.repo.common_dir, harness.ref)  # a job of CI has HEAD alone
    wanted = judge_range.parse_range(harness.reader, span, harness.ref if known else "HEAD")
    with sh.progress("verifying") as progress:
        bench = Bench(harness.reader, clock.SYSTEM.now(), options.humans, progress, cores=os.cpu_count() or 1,
                      ever=harness.ever)
        found = judge_range.judge(bench, wanted)
    _print(sh, found, options.format)
    if found.violations:
        raise typer.Exit(1)


def _print(sh: Shell, found: Report, form: Format) -> None:
    if form is Format.sarif:
        out.document(judge_report.sarif(found, __version__))
    elif sh.json or form is Format.json:
        out.document(judge_report.document(found))
    elif form is Format.github:
        for one in found.violations:
            sh.line(judge_report.github(one))
    else:
        _text(sh, found)


def _text(sh: Shell, found: Report) -> None:
    for one in found.violations:
        where = f" '{one.path}'" if one.path else ""
        sh.line(Painted(one.commit[:12], "yellow"), f"{where}: ", Painted(one.code, "red"), f": {one.message}")
    if any(one.code == "governance" for one in found.violations):
        sh.note(Painted("hint:", "cyan"), " an owner signs what governs: take the commit back (git reset), then "
                "githarness write PATH --as OWNER")
    bad = len({one.commit for one in found.violations})
    sh.line(f"{out.counted(found.commits, 'commit')}: {out.counted(bad, 'commit')} with violations, "
            f"{len(found.human)} by people, {len(found.ungoverned)} before governance began")
