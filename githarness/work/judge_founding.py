"""The commit that begins governance: nothing before it can judge it, so an owner that it names must have signed it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress

from githarness.errors import Integrity
from githarness.git.commits import Commit
from githarness.work import judge_signature
from githarness.work.judge_states import States, line_of
from githarness.work.judged import Fault


def founding(states: States, parents: Mapping[str, tuple[str, ...]], head: str) -> str | None:
    """The first commit of the main line from which on it is governed; None where that is not in the range."""
    found = None
    with suppress(Integrity):  # what cannot be read is no beginning; judging it says so
        for oid in line_of(parents, head):
            if states.folder(oid) is None:
                return found
            found = oid
        if found and not (parents[found] and states.folder(parents[found][0])):
            return found
    return None


def judge(commit: Commit, states: States) -> Iterator[Fault]:
    state = states.at(commit.oid)
    key = judge_signature.signer(commit)
    human = judge_signature.human_of(state, key) if state and not isinstance(key, Fault) else None
    if isinstance(key, Fault) or human is None or human.role != "owner":
        yield Fault("founding", "it makes this repository governed, and no owner that it names has signed it")
