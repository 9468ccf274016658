"""How grants print."""

from __future__ import annotations

from githarness import clock
from githarness.cli.out import Painted
from githarness.cli.shell import Shell
from githarness.work import audit_record
from githarness.work.grants import Standing

_COLOURS = {"good": "green", "early": "cyan", "expired": "yellow", "spent": "yellow", "stopped": "red"}


def table(one: Standing) -> dict[str, object]:
    grant = one.grant
    return {
        "grant": grant.id, "agent": grant.agent, "allow": list(grant.allow), "paths": list(grant.paths),
        "granted": clock.rfc3339(grant.granted), "expires": clock.rfc3339(grant.expires), "uses": grant.uses,
        "used": one.used, "why": grant.why, "state": one.state}


def line(sh: Shell, one: Standing) -> None:
    grant = one.grant
    used = f"used {one.used}" + (f" of {grant.uses}" if grant.uses is not None else "")
    what = f"{grant.agent}: {', '.join(grant.allow)} on {', '.join(grant.paths)}"
    sh.line(grant.id, " ", Painted(f"{one.state:7}", _COLOURS[one.state]),
            f" {what} until {clock.rfc3339(grant.expires)}, {used}: {grant.why}")


def note_redacted(sh: Shell, why: str) -> None:
    if audit_record.redacted(why) != why:
        sh.note("note: what looks like a secret in --why is written as [redacted]")
