"""githarness: git for what AI agents do. `githarness.open(".")` is the door for Python (see `githarness.api`)."""

from __future__ import annotations

TYPE_CHECKING = False  # as type checkers take it; the module typing is half of what a light script would load
if TYPE_CHECKING:
    from pathlib import Path

    from githarness.api import Repository

__version__ = "0.1.0"


def open(directory: str | Path = ".") -> Repository:
    """The governed repository around `directory`; use it as a context manager. Raises errors.NotFound."""
    from githarness import api  # noqa: PLC0415  importing githarness stays cheap for hooks

    return api.open_repository(directory)
