"""What is staged, held against leases on artifacts: a commit by hand waits for the holder just as a write does."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from githarness import clock, paths, settings, wiring
from githarness.checks import revisions
from githarness.errors import NotFound
from githarness.git.repo import discover
from githarness.store import leases
from githarness.store.leases import PATHS, Lease
from githarness.work import lease_holder


def by_others(agent: str | None) -> Iterator[tuple[str, Lease]]:
    """Staged paths that are leased, but not by `agent`, or, without one, by the person of git's user.email."""
    harness = wiring.Harness(settings.load(), discover(settings.hook_git_dir() or Path.cwd()))
    with harness.db.read() as conn:
        held = leases.all_held(conn, clock.boot_id(), clock.SYSTEM.boot(), PATHS)
    if not held:
        return
    human = _human(harness) if agent is None else None
    others = [one for one in held if (one.agent, one.human) != (agent, human) and not lease_holder.is_gone(one)]
    for path in revisions.staged().paths if others else ():
        if holder := next((one for one in others if paths.matches(one.name.removeprefix(PATHS), path)), None):
            yield path, holder


def _human(harness: wiring.Harness) -> str | None:
    try:
        return harness.governance().human_of(harness.mail).name
    except NotFound:
        return None
