"""What the use cases of one repository work with, made once by wiring."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from githarness.clock import Clock
from githarness.git.attributes import WorktreeAttributes
from githarness.git.checkout import CheckedOut
from githarness.git.reader import Reader
from githarness.git.repo import Checkout, Repo
from githarness.git.smudge import Smudge
from githarness.store.db import Database
from githarness.store.keyring import Keyring
from githarness.work.governance import Governed


class Bell(Protocol):
    """A daemon that tells of changes, as far as one listens."""

    def changed(self, mark: int | None, seconds: float) -> int | None: ...


@dataclass(frozen=True, slots=True)
class Parts:
    repo: Repo
    ref: str  # the governed branch, in full
    clock: Clock
    db: Database
    reader: Reader
    keyring: Keyring
    governed: Governed
    bell: Bell | None = None


def checked_out(parts: Parts, checkout: Checkout) -> CheckedOut:
    """A worktree to bring along, with files as a checkout there would write them."""
    return CheckedOut(checkout, parts.repo, parts.reader.blob, smudge=Smudge(checkout, parts.repo, WorktreeAttributes))
