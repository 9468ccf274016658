"""What the use cases of one repository work with, made once by wiring."""

from __future__ import annotations

from dataclasses import dataclass

from githarness.clock import Clock
from githarness.git.reader import Reader
from githarness.git.repo import Repo
from githarness.store.db import Database
from githarness.store.keyring import Keyring
from githarness.work.governance import Governed


@dataclass(frozen=True, slots=True)
class Parts:
    repo: Repo
    ref: str  # the governed branch, in full
    clock: Clock
    db: Database
    reader: Reader
    keyring: Keyring
    governed: Governed
