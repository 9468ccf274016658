"""`githarness doctor`: what is set up, how far it holds, what is degraded, and the fix."""

from __future__ import annotations

from collections.abc import Iterator

import typer

from githarness import clock, wiring
from githarness.cli.options import command
from githarness.cli.out import Painted
from githarness.cli.shell import Shell, shell
from githarness.daemon.serve import status
from githarness.errors import HarnessError, NotFound
from githarness.git.porcelain import Git
from githarness.git.repo import discover
from githarness.work import (
    audit_doctor,
    doctor_agents,
    doctor_clone,
    doctor_machine,
    doctor_probe,
    doctor_trust,
    hub,
    vault_doctor,
)
from githarness.work import doctor as checkup
from githarness.work.doctor import Finding, Subject

_COLOURS = {"ok": "green", "warn": "yellow", "fail": "red"}


@command
def doctor(ctx: typer.Context) -> None:
    """Check the machine, this clone and its keys; exit 1 if anything fails.

    Example: githarness doctor
    """
    sh = shell(ctx)
    findings = []
    for finding in _findings(sh):
        findings.append(finding)
        _show(sh, finding)
    sh.document({"items": [{
        "check": one.check, "state": one.state, "grade": one.grade, "detail": one.detail, "fix": one.fix,
    } for one in findings]})
    if checkup.failed(findings):
        raise typer.Exit(1)


def _findings(sh: Shell) -> Iterator[Finding]:
    repo = discover(sh.directory)
    harness = wiring.Harness(sh.settings, repo)
    git = Git(sh.settings, repo.worktree or repo.git_dir)
    subject = Subject(sh.settings, clock.SYSTEM, repo, git, lambda: harness.parts, lambda: harness.mail,
                      lambda: harness.local)
    if hub.is_one(repo):
        yield from checkup.examine(subject, (*doctor_machine.CHECKS, *doctor_probe.HUB_CHECKS))
        return
    try:
        harness.head()
    except NotFound as error:
        yield Finding("governed branch", "fail", error.message, "githarness init")
        return
    except HarnessError:
        pass  # the checks below say what it is, each with what it could not see
    yield from checkup.examine(subject, (*doctor_machine.CHECKS, *doctor_clone.CHECKS))
    yield _daemon(sh, harness)
    yield from checkup.examine(subject, (*doctor_trust.CHECKS, *doctor_agents.CHECKS, *doctor_probe.CHECKS,
                                         audit_doctor.audit_log, vault_doctor.vault))


def _daemon(sh: Shell, harness: wiring.Harness) -> Finding:
    try:
        answer = status(sh.settings, harness.repo)
    except NotFound:
        return Finding("daemon", "ok", "none listens; writes take the slower lane in process")
    except HarnessError as error:
        return Finding("daemon", "warn", error.message, error.fix)
    return Finding("daemon", "ok", f"listens, process {answer['pid']}")


def _show(sh: Shell, one: Finding) -> None:
    grade = f" [{one.grade}]" if one.grade else ""
    sh.line(Painted(f"{one.state:<5}", _COLOURS[one.state]), f"{one.check}{grade}: {one.detail}")
    if one.fix and one.state != "ok":
        sh.line("     ", Painted("fix:", "cyan"), f" {one.fix}")
