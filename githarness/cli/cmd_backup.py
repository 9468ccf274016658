"""`githarness backup`, `restore-backup`: what only this machine knows, in a file, and back."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from githarness import clock
from githarness.canon import Json
from githarness.cli.options import command
from githarness.cli.out import Painted, counted
from githarness.cli.shell import shell
from githarness.errors import HarnessError
from githarness.wiring import Harness
from githarness.work import adopted, audit_enrol, backup, people
from githarness.work.backup import Manifest

File = Annotated[Path, typer.Argument(metavar="FILE", help="The backup.")]


@command
def save(ctx: typer.Context, file: File) -> None:
    """Write state, leases, channels, tasks, runs and events to one file, as of one moment, while agents work.

    Example: githarness backup /mnt/backup/fleet.backup
    """
    sh = shell(ctx)
    harness = sh.open()
    found = backup.backup_to(harness.parts, harness.settings, file)
    sh.document({"file": str(file), **_told(found)})
    events, versions = found.rows["events"], found.rows["state"]
    sh.line(Painted("saved", "green"), f" {events} events and {versions} versions of state in {file}")


@command
def restore(
    ctx: typer.Context,
    file: File,
    *,
    force: Annotated[bool, typer.Option("--force", help="Also where what is here is newer: it is lost then.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check the file, and change nothing.")] = False,
) -> None:
    """Put a backup back, as an operator: leases are free then, and every token is greater than any before.

    Example: githarness restore-backup /mnt/backup/fleet.backup
    """
    sh = shell(ctx)
    harness = sh.open()
    human, _ = harness.human()
    people.require(human, "operator", "restoring a backup")
    done = backup.restore(harness.parts, harness.settings, file, human=human, force=force, dry_run=dry_run)
    enrolled = _follow(harness, done.log) if done.log else None
    sh.document({"file": str(file), "restored": not dry_run, "log": done.log, "enrolled": enrolled, "lost": done.lost,
                 "missing_keys": list[Json](done.missing), "backup": _told(done.manifest)})
    what = "would restore" if dry_run else "restored"
    when = clock.rfc3339(done.manifest.time)
    later = f", without {counted(done.lost, 'later event')} of this database" if done.lost else ""
    sh.line(Painted(what, "green"), f" what there was at {when}{later}")
    if done.log:
        fix = "" if enrolled else ", for which nobody vouches yet: githarness init, as an owner"
        sh.note(f"the audit log goes on as a new one{fix}")
    if adopted.load(harness.repo.home) is None:
        sh.note("this clone is not set up, so the command of notify is not run: githarness init")
    for name in done.missing:
        sh.note(f"this host does not hold a key of agent '{name}': githarness agent enroll {name}")


def _follow(harness: Harness, log: str) -> bool:
    """This clone's log is the new one; whether an owner was here to vouch for it."""
    harness.git.run("config", audit_enrol.NOTED, log)
    try:
        audit_enrol.enrol(harness.parts, harness.governance(), harness.mail)
    except HarnessError:
        return False
    return True


def _told(manifest: Manifest) -> dict[str, Json]:
    return {**asdict(manifest), "time": clock.rfc3339(manifest.time)}
