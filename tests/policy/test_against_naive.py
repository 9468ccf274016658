"""The evaluator and a second one, written from the documentation, decide the same about generated requests."""

from __future__ import annotations

from typing import Any

import pytest

from githarness import strictyaml
from githarness.policy import grants, language
from githarness.policy.evaluate import Policy
from githarness.policy.model import Request
from tests.policy import generated, naive


def _policy(files: dict[str, Any]) -> Policy:
    return Policy(language.parse(strictyaml.dump(table), f".githarness/policies/{name}.yaml")
                  for name, table in files.items())


def _request(table: dict[str, Any]) -> Request:
    return Request(**table | {"roles": tuple(table["roles"])})


def _agree(seed: int, policies: int, each: int) -> int:
    asked = 0
    for files, granted, requests in generated.cases(seed, policies, each):
        policy = _policy(files)
        known = [grants.parse(strictyaml.dump(table), f"g{number}.yaml") for number, table in enumerate(granted)]
        for request in requests:
            decision = policy.decide(_request(request), known)
            other = naive.decide(files, granted, request)
            assert (decision.effect, decision.rule) == other, (files, granted, request)
            asked += 1
    return asked


def test_they_agree() -> None:
    """Some thousands of pairs, the same in every run."""
    assert _agree(1, 250, 16) == 4000


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(2, 12))
def test_they_agree_on_many(seed: int) -> None:
    """More than a hundred thousand pairs in all."""
    assert _agree(seed, 700, 16) == 11_200
