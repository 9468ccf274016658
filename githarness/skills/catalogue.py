"""Every gate there is, in the order of their ids: adding a gate is a file in `gates/` and a row here."""

from __future__ import annotations

import sys

from githarness.skills.gates import (
    gh001,
    gh002,
    gh003,
    gh004,
    gh005,
    gh006,
    gh007,
    gh010,
    gh011,
    gh012,
    gh013,
    gh020,
    gh021,
    gh022,
    gh023,
    gh030,
    gh031,
    gh032,
    gh033,
    gh040,
    gh041,
    gh042,
    gh050,
    gh051,
    gh052,
    gh053,
    gh054,
    gh055,
    gh063,
    gh064,
    gh070,
)
from githarness.skills.model import Gate

GATES: tuple[Gate, ...] = (
    gh001.GATE, gh002.GATE, gh003.GATE, gh004.GATE, gh005.GATE, gh006.GATE, gh007.GATE,
    gh010.GATE, gh011.GATE, gh012.GATE, gh013.GATE, gh020.GATE, gh021.GATE, gh022.GATE, gh023.GATE,
    gh030.GATE, gh031.GATE, gh032.GATE, gh033.GATE,
    gh040.GATE, gh041.GATE, gh042.GATE,
    gh050.GATE, gh051.GATE, gh052.GATE, gh053.GATE, gh054.GATE, gh055.GATE,
    gh063.GATE, gh064.GATE,
    gh070.GATE,
)
# What cannot be judged from one state of a repository: where it is held instead.
LATER: dict[str, str] = {
    "GH008": "held by the editor (`skills/edit.py`): each change is read back, and not made if another field differs",
    "GH043": "not yet: waits for a gate's view of history, to compare the files that a skill names with its last edit",
    "GH060": "held where commits are: the hooks `githarness-attribution` and `githarness-ci`",
    "GH061": "held by `githarness skills check --since` and the hooks: no error that the version before did not have",
    "GH062": "held by the same: the score is no 10 lower than that of the version before",
    "GH065": "held by the registry, which knows calls and references: `githarness skills prune`",
    "GH080": "held by the hook `githarness-policy`, writes and `githarness policy check`: a policy or grant loads",
    "GH081": "held by `githarness-policy` and `githarness policy check`: no rule that looks wrong (docs/policy.md)",
    "GH082": "held by `githarness-policy` where GITHARNESS_AGENT is set: what is staged is in the agent's scope",
    "GH084": "held by `githarness-policy` and `verify`: a record of the vault is whole and newer than that of HEAD",
    "GH085": "held by `githarness-policy` before a commit: what is staged is not leased by others",
    "GH086": "held by `githarness-secrets` and `githarness vault scan`: no value of the vault, in any encoding",
    "GH083": "held by `githarness-ci`: what a range newly allows is a warning, or an error by --policy-widening",
}


def title(gate: Gate) -> str:
    """The first line of the gate's module."""
    return _doc(gate).partition("\n")[0].rstrip(".")


def explanation(gate: Gate) -> str:
    """What follows it: why, and what is looked at."""
    return _doc(gate).partition("\n")[2].strip()


def _doc(gate: Gate) -> str:
    return sys.modules[gate.check.__module__].__doc__ or gate.id
