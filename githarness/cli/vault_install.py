"""`githarness install systemd`: user units, started where a service manager answers, else with what to type."""

from __future__ import annotations

from githarness.cli.shell import Shell
from githarness.runner import services
from githarness.work import vault_units
from githarness.work.install import Change

_RELOAD = ["daemon-reload"]


def install(sh: Shell, *, remove: bool, dry_run: bool) -> None:
    """Raises Conflict, Unavailable."""
    harness = sh.open()
    repo = harness.repo
    vault = vault_units.has_vault(harness.parts.reader, harness.governance())
    changes = vault_units.plan(sh.settings, repo, vault=vault, remove=remove)
    units = [unit for unit in vault_units.started(repo, vault=vault or remove)
             if not remove or any(one.path.name == unit and one.before is not None for one in changes)]
    if remove and units and not dry_run:
        _told(sh, [["disable", "--now", *units]])
    if not dry_run:
        for change in changes:
            change.make()
    steps = [_RELOAD] if remove else [_RELOAD, ["enable", "--now", *units]]
    told = not dry_run and any(one.action != "unchanged" for one in changes) and _told(sh, steps)
    _show(sh, changes, dry_run=dry_run, started=bool(told) and not remove)
    if not (remove or dry_run):
        _notes(sh, vault=vault, linger=vault_units.linger())


def _told(sh: Shell, steps: list[list[str]]) -> bool:
    """Whether the service manager did all of it; what it did not is printed, to be typed where it answers."""
    why = "no service manager answers here" if not services.answers(sh.settings.environ) else None
    for step in steps:
        why = why or services.tell(step, sh.settings.environ)
        if why:
            sh.note(f"next: systemctl --user {' '.join(step)}")
    if why:
        sh.note(f"note: systemctl was not obeyed: {why}")
    return why is None


def _show(sh: Shell, changes: list[Change], *, dry_run: bool, started: bool) -> None:
    changed = [one for one in changes if one.action != "unchanged"]
    sh.document({"target": vault_units.TARGET, "changed": bool(changed) and not dry_run, "started": started,
                 "files": [{"path": str(one.path), "action": one.action} for one in changes
                           if one.before is not None or one.after is not None]})
    for one in changed:
        sh.line("would be " if dry_run else "", f"{one.action}: {one.path}")
        for line in one.diff(one.path.name) if dry_run else ():
            sh.line(line)
    if not changed:
        sh.line("unchanged")


def _notes(sh: Shell, *, vault: bool, linger: bool) -> None:
    if not vault:
        sh.note("note: this repository has no vault, so there are no units of one: githarness vault init, then repeat")
    if not linger:
        sh.note("next: loginctl enable-linger, so that they start at boot and not at your first login")
