"""What is staged, held against what an agent may change: every way to stage it ends in the index. Loads libgit2."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from githarness import settings
from githarness.checks import revisions
from githarness.checks.scope import Scope
from githarness.clock import SYSTEM
from githarness.git.objects import EXECUTABLE, FILE
from githarness.git.reader import Reader
from githarness.git.repo import discover
from githarness.policy.model import Request
from githarness.work.governance import FOLDER_NAME, Governed

_LARGEST = 64 << 20  # bytes of a version that is compared with the one before


def out_of_scope(agent: str) -> Iterator[tuple[str, str]]:
    """What the next commit changes and `agent` may not change, by the policy and grants of HEAD, with the reason.

    Nothing where HEAD is not governed. Raises NotFound for an agent that is not of this fleet.
    """
    repo = discover(settings.hook_git_dir() or Path.cwd())
    reader, scope = Reader(repo), revisions.staged()
    head = revisions.head_of(reader)
    if head is None or reader.entry(head, FOLDER_NAME) is None:
        return
    governance, now = Governed(reader).at(head), SYSTEM.now()
    who, granted = governance.agent(agent), tuple(governance.grants.values())
    for path in scope.paths:
        decisions = [(action, governance.policy.decide(Request(agent, who.roles, action, path, time=now), granted))
                     for action in _actions(scope, path)]
        action, decision = next((one for one in decisions if one[1].effect == "allow"), decisions[0])
        if who.retired:
            yield path, f"it was retired at {who.retired}"
        elif decision.effect != "allow":
            yield path, f"{action} is {decision.effect} by {decision.rule}: {decision.why}"
        elif scope.files.mode(path) not in (FILE, EXECUTABLE, None):
            yield path, "agents work on plain files"


def _actions(scope: Scope, path: str) -> tuple[str, ...]:
    """What a change may have been, as `verify` sees it: more than a write where a file is new, or only grew."""
    if scope.files.mode(path) is None:
        return ("delete",)
    grew = scope.files.read(path, _LARGEST).startswith(scope.base.read(path, _LARGEST) if scope.base else b"")
    return ("write", "append") if grew else ("write",)
