"""The frozen corpus that ships: the evaluator decides as it says, through the AuthZEN shape and back."""

from __future__ import annotations

import json
from typing import Any

import pytest

from githarness.errors import Usage
from githarness.policy import authzen, grants, language
from githarness.policy.evaluate import Policy
from githarness.resources import read
from tests.policy.test_evaluate import WRITE

CORPUS = json.loads(read("policies", "conformance.json"))


@pytest.mark.parametrize("case", CORPUS["cases"], ids=[case["name"] for case in CORPUS["cases"]])
def test_every_case_is_decided_as_it_says(case: dict[str, Any]) -> None:
    """Effect, rule, grant, limits and approvers."""
    policy = Policy(language.parse(text.encode(), path) for path, text in case["policies"].items())
    given = [grants.parse(text.encode(), path) for path, text in case["grants"].items()]
    for one in case["requests"]:
        answer = authzen.answer(policy.decide(authzen.request(one["request"]), given))
        answer["context"].pop("reason", None)  # type: ignore[union-attr]
        assert answer == one["response"], one["request"]


def test_the_corpus_has_every_effect_and_every_rule_that_is_built_in() -> None:
    """Several hundred requests."""
    answers = [one["response"]["context"] for case in CORPUS["cases"] for one in case["requests"]]
    assert len(answers) >= 600 and {"allow", "deny", "require_approval"} == {answer["effect"] for answer in answers}
    assert {"governance", "default-deny", "invalid-request", "grant"} < {answer["rule"] for answer in answers}
    assert any("limits" in answer for answer in answers) and any("approvers" in answer for answer in answers)


def test_a_request_is_the_same_through_its_document() -> None:
    """And what is none of the shape is refused."""
    assert authzen.request(authzen.document(WRITE)) == WRITE
    for bad in ({}, {"subject": "x"}, authzen.document(WRITE) | {"action": {}},
                authzen.document(WRITE) | {"context": {"time": "now"}}):
        with pytest.raises(Usage):
            authzen.request(bad)
