"""Every gate there is, in the order of their ids: adding a gate is a file in `gates/` and a row here."""

from __future__ import annotations

import sys

from githarness.skills.model import Gate

GATES: tuple[Gate, ...] = ()
# What the catalogue of gates names and cannot be judged from one state of a repository: where it is held instead.
LATER: dict[str, str] = {}


def title(gate: Gate) -> str:
    """The first line of the gate's module."""
    return _doc(gate).partition("\n")[0].rstrip(".")


def explanation(gate: Gate) -> str:
    """What follows it: why, and what is looked at."""
    return _doc(gate).partition("\n")[2].strip()


def _doc(gate: Gate) -> str:
    return sys.modules[gate.check.__module__].__doc__ or gate.id
