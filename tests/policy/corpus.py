"""Makes the cases of `policies/conformance.json`: `python -m tests.policy.corpus > policies/conformance.json`.

The file is frozen: other evaluators are held to it. It is written anew only when the language gains something, and
then a review reads the difference.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Any

from githarness import strictyaml
from githarness.policy import authzen, grants, language
from githarness.policy.evaluate import Policy
from githarness.policy.model import Request
from tests.policy import generated

ABOUT = ("Policies (and grants) as YAML by path, requests and decisions in the shape of AuthZEN 1.0. "
         "A case holds where `decision`, and of `context` effect, rule and what else stands there, are equal. "
         "The language: docs/policy.md of githarness.")


def cases() -> Iterator[dict[str, Any]]:
    for number, (files, granted, requests) in enumerate(generated.cases(20_260_101, 60, 10), 1):
        policies = {f".githarness/policies/{name}.yaml": _yaml(table) for name, table in files.items()}
        given = {f".githarness/grants/g-{at}.yaml": _yaml(table) for at, table in enumerate(granted)}
        policy = Policy(language.parse(text.encode(), path) for path, text in policies.items())
        known = [grants.parse(text.encode(), path) for path, text in given.items()]
        asked = [Request(**table | {"roles": tuple(table["roles"])}) for table in requests]
        yield {"name": f"generated-{number}", "policies": policies, "grants": given, "requests": [
            {"request": authzen.document(one), "response": _without_reason(authzen.answer(policy.decide(one, known)))}
            for one in asked]}


def _yaml(table: dict[str, Any]) -> str:
    return strictyaml.dump(table).decode()


def _without_reason(answer: dict[str, Any]) -> dict[str, Any]:
    answer["context"].pop("reason", None)
    return answer


if __name__ == "__main__":
    json.dump({"version": 1, "about": ABOUT, "cases": list(cases())}, sys.stdout, indent=1, sort_keys=True)
    sys.stdout.write("\n")
