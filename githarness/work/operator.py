"""What the verbs of operators share: what they need of wiring, and what their dry runs look at."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from githarness import flock
from githarness.git.objects import PathChange
from githarness.git.reader import Reader
from githarness.git.repo import checkouts
from githarness.git.worktrees import Worktrees
from githarness.policy.model import Human
from githarness.seal.signer import Signer
from githarness.work.governance import Governance
from githarness.work.parts import Parts, checked_out

if TYPE_CHECKING:
    from githarness.work.lane import LocalLane

TRIES = 5  # a plan is made again where somebody else was faster


class Ledger(Protocol):
    """What the operator's verbs need of `wiring.Harness`."""

    @property
    def parts(self) -> Parts: ...
    @property
    def local(self) -> LocalLane: ...
    def human(self) -> tuple[Human, Signer]: ...
    def governance(self) -> Governance: ...
    def fresh_index(self) -> None: ...


def must_be_clean(parts: Parts, changes: Sequence[PathChange]) -> None:
    """Raises the Dirty that landing would raise."""
    found = checkouts(parts.repo, parts.ref)
    if not found or not changes:
        return
    with (flock.exclusive(parts.repo.home / "lane.lock", what="the write path"),
          Worktrees(tuple(checked_out(parts, one) for one in found)).hold() as held):
        if held:
            held.must_be_clean(changes)


def diff(changes: Sequence[PathChange], reader: Reader) -> str:
    return "".join(_unified(change, reader) for change in changes)


def _unified(change: PathChange, reader: Reader) -> str:
    old = reader.blob(change.old.oid) if change.old else b""
    new = change.data if change.data is not None else reader.blob(change.new.oid) if change.new else b""
    return reader.unified(old, new, change.path)
