"""The commit that begins governance: nothing before it can judge it, so an owner that it names must have signed it."""

from __future__ import annotations

from collections.abc import Iterator

from githarness.git.commits import Commit
from githarness.work import judge_signature
from githarness.work.judge_states import States
from githarness.work.judged import Fault


def judge(commit: Commit, states: States) -> Iterator[Fault]:
    state = states.at(commit.oid)
    key = judge_signature.signer(commit)
    human = judge_signature.human_of(state, key) if state and not isinstance(key, Fault) else None
    if isinstance(key, Fault) or human is None or human.role != "owner":
        yield Fault("founding", "it makes this repository governed, and no owner that it names has signed it")
