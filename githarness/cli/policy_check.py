"""`githarness policy check` and `test`: policy files and grants as they are on disk, before they are committed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

import typer

from githarness.cli import out
from githarness.cli.options import command
from githarness.cli.out import Painted
from githarness.cli.shell import Shell, shell
from githarness.errors import HarnessError, NotFound
from githarness.git.repo import discover
from githarness.policy.lint import Fleet
from githarness.policy.tables import Fault
from githarness.work import policies
from githarness.work.policies import Checked
from githarness.work.rulebook import POLICIES

Files = Annotated[list[str] | None, typer.Argument(metavar="[FILE]...", help="Files, or folders of them.")]


class Format(StrEnum):
    text = "text"
    json = "json"
    github = "github"


@dataclass(frozen=True, slots=True)
class CheckOptions:
    strict: Annotated[bool, typer.Option("--strict", help="Exit 1 on warnings too.")] = False
    format: Annotated[Format, typer.Option(help="How to print what is found.")] = Format.text


@command
def check(ctx: typer.Context, *, files: Files = None, options: CheckOptions) -> None:
    """Name what is wrong in policy files and grants.

    Exit 1 on what does not load. Warnings are rules that add nothing, can never match or decide, contradict others, or
    allow without bounds. Without FILE those of the working tree. Example: githarness policy check --strict
    """
    sh = shell(ctx)
    found = policies.check(_given(sh, files), _fleet(sh))
    if sh.json or options.format is Format.json:
        out.document(_document(found))
    elif options.format is Format.github:
        for item in _items(found):
            sh.line(_annotation(item))
    else:
        _text(sh, found)
    if found.faults or (options.strict and found.notes):
        raise typer.Exit(1)


@command
def test(ctx: typer.Context, *, files: Files = None) -> None:
    """Try the tests that rules carry.

    Exit 1 where one fails or a file does not load. Without FILE those of the working tree.
    Example: githarness policy test .githarness/policies/deploy.yaml
    """
    sh = shell(ctx)
    found = policies.check(_given(sh, files))
    failed = [fault for fault in found.faults if fault.key.endswith(".tests")]
    bare = [rule.id for rule in found.rules if not rule.match and not rule.no_match]
    sh.document({"passed": found.examples, "items": [_fault(fault) for fault in found.faults], "untested": bare})
    for fault in found.faults:
        _fault_line(sh, fault)
    sh.line(f"{out.counted(found.examples, 'test')} passed, {len(failed)} failed, "
            f"{out.counted(len(found.faults) - len(failed), 'fault')}; {out.counted(len(bare), 'rule')} without tests")
    if found.faults:
        raise typer.Exit(1)


def _given(sh: Shell, files: list[str] | None) -> Mapping[str, bytes]:
    if files:
        return policies.named(sh.directory.resolve(), files)
    repo = discover(sh.directory)
    found = policies.of_worktree(repo.worktree or repo.git_dir)
    if not found:
        raise NotFound("there is no policy file in this working tree",
                       fix=f"githarness policy show default | githarness write {POLICIES}/default.yaml --as OWNER")
    return found


def _fleet(sh: Shell) -> Fleet | None:
    """Who there is, where this is a governed repository."""
    try:
        harness = sh.open()
        return policies.fleet_of(harness.governance(), harness.clock.now())
    except HarnessError:
        return None


def _items(found: Checked) -> list[dict[str, object]]:
    return [*map(_fault, found.faults),
            *({"path": note.file, "line": note.line, "key": "", "rule": note.rule, "kind": note.kind,
               "severity": "warning", "message": f"rule '{note.rule}' {note.message}", "fix": note.fix}
              for note in found.notes)]


def _fault(fault: Fault) -> dict[str, object]:
    return {"path": fault.file, "line": fault.line, "key": fault.key, "rule": "", "kind": "fault", "severity": "error",
            "message": fault.problem, "fix": fault.fix}


def _document(found: Checked) -> dict[str, object]:
    return {"items": _items(found), "checked": found.checked, "rules": len(found.rules), "tests": found.examples,
            "failed": len({fault.file for fault in found.faults})}


def _annotation(item: Mapping[str, object]) -> str:
    """A workflow command of GitHub Actions."""
    text = f"{item['message']}; {item['fix']}".replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    path = str(item["path"]).replace("%", "%25").replace(",", "%2C").replace(":", "%3A")
    return f"::{item['severity']} file={path},line={item['line']},title=policy {item['kind']}::{text}"


def _text(sh: Shell, found: Checked) -> None:
    for fault in found.faults:
        _fault_line(sh, fault)
    for note in found.notes:
        sh.line(f"{note.file}:{note.line}: ", Painted(f"warning {note.kind}", "yellow"),
                f": rule '{note.rule}' {note.message}")
        sh.line(Painted("  hint:", "cyan"), f" {note.fix}")
    sh.line(f"{out.counted(found.checked, 'file')}, {out.counted(len(found.rules), 'rule')}, "
            f"{out.counted(found.examples, 'test')}: {out.counted(len(found.faults), 'error')}, "
            f"{out.counted(len(found.notes), 'warning')}")


def _fault_line(sh: Shell, fault: Fault) -> None:
    under = f" under '{fault.key}'" if fault.key else ""
    sh.line(f"{fault.file}:{fault.line}: ", Painted("error", "red"), f"{under}: {fault.problem}")
    sh.line(Painted("  hint:", "cyan"), f" {fault.fix}")
