"""Who may say that a run is alive, or how it has ended: the run itself, its agent, or an operator."""

from __future__ import annotations

from typing import Protocol

from githarness.errors import Denied
from githarness.policy.model import Human
from githarness.seal.signer import Signer
from githarness.store.rows import RunRow
from githarness.work import coordination, people
from githarness.work.runbook import tier


class Door(coordination.Door, Protocol):
    def human(self, name: str | None = None) -> tuple[Human, Signer]: ...


def must_be_own(door: Door, row: RunRow, agent: str | None) -> None:
    """`agent`: as named, else that of the environment; with neither, and outside of the run, the person of git's
    user.email. Raises Denied, NotFound, Unavailable."""
    named, within = agent or door.settings.agent, door.settings.run == row.id
    tier(row, door.token() if within else None)
    if named and named != row.agent:
        raise Denied(f"run '{row.id}' belongs to agent '{row.agent}', not to '{named}'",
                     fix="ask an operator; githarness runs show says whose it is")
    if not named and not within:
        people.require(door.human()[0], "operator", f"to speak for a run of agent '{row.agent}'")
