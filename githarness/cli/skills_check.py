"""`githarness skills check`: every gate over a working tree's skills; for people, programs, GitHub, JUnit, SARIF."""

from __future__ import annotations

import difflib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated

import typer

from githarness import __version__, clock, wiring
from githarness.cli import out, skills_text
from githarness.cli.options import command
from githarness.cli.out import Painted
from githarness.cli.shell import Shell, shell
from githarness.errors import Usage
from githarness.skills import baseline, catalogue, profiles, report
from githarness.skills.model import SEVERITIES
from githarness.work import check as work
from githarness.work import skillset
from githarness.work.check import Judged, Report, Scope
from githarness.work.skillset import Skillset


class Severity(StrEnum):
    error = "error"
    warning = "warning"
    info = "info"


class Format(StrEnum):
    text = "text"
    json = "json"
    github = "github"
    sarif = "sarif"
    junit = "junit"


@dataclass(frozen=True, slots=True)
class CheckOptions:
    profile: Annotated[list[str] | None, typer.Option(
        "--profile", "-p", metavar="P", help="Judge by what this client expects; repeatable.")] = None
    min_severity: Annotated[Severity, typer.Option(help="Leave out what is less.")] = Severity.info
    format: Annotated[Format, typer.Option(help="How to print what is found.")] = Format.text
    fix: Annotated[bool, typer.Option("--fix", help="Mend what can be mended, nothing else of the file.")] = False
    dry_run: Annotated[bool, typer.Option("--dry-run", help="With --fix: print the diff, write nothing.")] = False
    since: Annotated[str | None, typer.Option(metavar="REV", help="What changed since REV, and what got worse.")] = None
    write_baseline: Annotated[bool, typer.Option(
        "--write-baseline", help="Let what is found now pass from now on.")] = False
    no_baseline: Annotated[bool, typer.Option("--no-baseline", help="Show old debt too.")] = False


@command
def check(
    ctx: typer.Context, *,
    paths: Annotated[list[str] | None, typer.Argument(metavar="[PATH]...", help="Files or folders.")] = None,
    options: CheckOptions,
) -> None:
    """Judge skills as they are on disk; exit 1 where one has an error. Without PATH: all that the globs name.

    Example: githarness skills check skills/deploy --profile codex --fix --dry-run
    """
    sh = shell(ctx)
    if options.dry_run and not options.fix:
        raise Usage("--dry-run says what --fix would do", fix="githarness skills check --fix --dry-run")
    if options.write_baseline and (paths or options.since is not None):
        raise Usage("a baseline is of all skills", fix="githarness skills check --write-baseline")
    chosen = skillset.at(sh.directory)
    targets = chosen.named(paths or [])
    scope, targets = _scope(chosen, options, targets)
    found = _judged(sh, scope, targets)
    if options.fix:
        found = _fix(sh, chosen, scope, found, dry_run=options.dry_run)
    if options.write_baseline:
        chosen.write_baseline(found)
        passing = sum(finding.severity != "info" for finding in found.findings)
        sh.document({"path": baseline.PATH, "checked": len(targets), "baselined": passing})
        sh.note(f"wrote '{baseline.PATH}': {out.counted(passing, 'finding')} will pass; commit it")
        return
    if not options.no_baseline and (debt := chosen.debt()):
        found = work.forgiven(found, debt, work.skills(chosen.root, chosen.globs))
    _print(sh, found, options)
    for folder in found.unread:
        sh.note(Painted("warning:", "yellow"), f" '{folder}' cannot be read, and nothing in it was judged")
    if found.failed:
        raise typer.Exit(1)


def _scope(chosen: Skillset, options: CheckOptions, targets: list[str]) -> tuple[Scope, list[str]]:
    before = None
    if options.since is not None:
        if chosen.repo is None:
            raise Usage(f"--since needs a repository, and '{chosen.root}' is in none", fix="git init")
        targets, before = chosen.changed_since(options.since, targets, wiring.reader(chosen.repo))
    today = datetime.fromtimestamp(clock.SYSTEM.now(), UTC).date()
    judges = [profiles.load(name, wiring.schema_judge) for name in options.profile or ("agentskills",)]
    near = wiring.neighbours(chosen.repo) if chosen.repo else None
    return Scope(chosen.root, catalogue.GATES, judges, today, chosen.globs, before, near, cores=os.cpu_count() or 1,
                 fix=options.fix), targets


def _judged(sh: Shell, scope: Scope, targets: Sequence[str]) -> Report:
    with sh.progress("checking") as progress:
        return work.check(scope, targets, progress)


def _fix(sh: Shell, chosen: Skillset, scope: Scope, found: Report, *, dry_run: bool) -> Report:
    """Writes what the fixes make of each file, and judges it again; a dry run prints the diff."""
    fixed = [(judged.path, *judged.fixed) for judged in found.files if judged.fixed is not None]
    left = []
    for path, before, data in fixed:
        if dry_run:
            for line in difflib.unified_diff(_lines(before), _lines(data), f"a/{path}", f"b/{path}"):
                sh.line(line.removesuffix("\n"))
        elif not chosen.mend(path, before, data):
            left.append(path)
    sh.note(f"{'would mend' if dry_run else 'mended'} {out.counted(len(fixed) - len(left), 'file')}")
    if left:
        sh.note(f"left alone what was changed meanwhile or cannot be replaced: {', '.join(left)}")
    return found if dry_run else _judged(sh, scope, [judged.path for judged in found.files])


def _lines(data: bytes) -> list[str]:
    return data.decode("utf-8", "replace").splitlines(keepends=True)


def _print(sh: Shell, found: Report, options: CheckOptions) -> None:
    least = SEVERITIES.index(options.min_severity.value)
    shown = [finding for finding in found.findings if SEVERITIES.index(finding.severity) <= least]
    if options.format is Format.sarif:
        out.document(report.sarif(shown, catalogue.GATES, title=catalogue.title, explanation=catalogue.explanation,
                                  version=__version__))
    elif sh.json or options.format is Format.json:
        out.document({"items": [report.item(finding) for finding in shown], "checked": found.checked,
                      "failed": found.failed, "baselined": found.passed,
                      "files": [_file(judged) for judged in found.files]})
    elif options.format is Format.junit:
        bad = {finding.path for finding in shown}
        sh.line(report.junit(shown, (judged.path for judged in found.files if judged.path not in bad)))
    elif options.format is Format.github:
        for finding in shown:
            sh.line(report.github(finding))
    else:
        if not options.dry_run:
            skills_text.findings(sh, found, shown)
        skills_text.summary(sh, found, shown, fix=options.fix)


def _file(judged: Judged) -> dict[str, object]:
    return {"path": judged.path, "score": judged.score,
            "clients": {name: verdict._asdict() for name, verdict in judged.verdicts.items()}}
