"""How a capture prints: what landed, what is held, what was left alone."""

from __future__ import annotations

from collections.abc import Mapping

from githarness.cli.shell import Shell
from githarness.errors import Conflict, Denied, Detail, HarnessError, NeedsApproval
from githarness.work.capture import Captured

_NAMED = 20


def rows(done: Captured) -> list[Detail]:
    return [{"id": one.id, "path": one.path, "why": one.why} for one in done.held]


def note_of(sh: Shell, done: Captured) -> None:
    if done.written and done.written.commit:
        sh.note(f"{done.written.commit[:12]} {_some([one.path for one in done.written.paths])}")
    if done.held:
        sh.note(f"held: {_some([f'{one.path} as {one.id} ({one.why})' for one in done.held])}")
    if done.nested:
        sh.note(f"not captured, repositories of their own: {_some(list(done.nested))}")


def held_error(done: Captured, details: Mapping[str, Detail]) -> HarnessError:
    """What a command ends with when all it had to do went well but for changes that are held."""
    first = done.held[0]
    waiting = [one for one in done.held if one.why == NeedsApproval.code]
    if len(waiting) == len(done.held):
        return NeedsApproval(f"{len(waiting)} path(s) wait for approval as {first.id}, the first is '{first.path}'",
                             fix=f"githarness proposals {first.id}", details=details)
    kind = Denied if all(one.why == "denied" for one in done.held) else Conflict
    count = f"{len(done.held)} changes are held, the first is" if len(done.held) > 1 else "one change is held:"
    return kind(f"{count} '{first.path}' ({first.why})",
                fix=f"githarness held show {first.id}, then githarness held resolve {first.id} --from FILE",
                details=details)


def _some(names: list[str]) -> str:
    more = len(names) - _NAMED
    return " ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")
