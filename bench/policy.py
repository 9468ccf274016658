"""Decisions at 100 agents with 10 rules each beside Cedar's over the rules of one agent, and loading 1,000 rules.

    python bench/policy.py [--rounds 5] [--decisions 20000]

In one process and in turn, so that both meet the same noise; times are of the processor, the least of the rounds
counts. Cedar (cedarpy, a development dependency) is given the ten rules of the agent that asks, parsed beforehand, and
no entities: less than it would need for a fleet. Ours has all 1,000 rules. A rule allows two actions in a folder but
for what is below another, and carries a limit. Of the requests a quarter each is allowed by a folder, excepted there,
allowed by a glob that all ten rules have to be tried for, and denied by default.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
import cedarpy
from harness import machine, percentile

from githarness.policy import language
from githarness.policy.evaluate import Policy
from githarness.policy.model import Request

AGENTS, RULES = 100, 10
RULE = """\
  - id: r{number}
    effect: allow
    agents: [agent-{agent}]
    actions: [write, append]
    paths: ["area{number}/**", "docs/*/area{number}-*.md"]
    except: ["area{number}/secret/**"]
    limits: {{writes: 60/10m}}
"""
CEDAR = """permit(principal == Agent::"agent-{agent}", action in [Action::"write", Action::"append"], resource)
when {{ (context.path like "area{number}/*" || context.path like "docs/*/area{number}-*.md")
        && !(context.path like "area{number}/secret/*") }};"""


def policy_file() -> bytes:
    rules = [RULE.format(number=number, agent=number // RULES) for number in range(AGENTS * RULES)]
    return ("version: 1\nrules:\n" + "".join(rules)).encode()


def requests() -> list[Request]:
    """Every agent in each of its areas, below what is excepted, and where it has none."""
    kinds = ("area{}/x.md", "area{}/secret/x.md", "docs/x/area{}-y.md", "other/{}")
    return [Request(f"agent-{number // RULES}", ("writer",), "write", kind.format(number), time=1.0)
            for kind in kinds for number in range(AGENTS * RULES)]


def least(rounds: int, call: Callable[[], object]) -> float:
    """Seconds of the processor."""
    best = float("inf")
    for _ in range(rounds):
        began = time.process_time()
        call()
        best = min(best, time.process_time() - began)
    return best


def slowest(policy: Policy, asked: list[Request], rounds: int, count: int) -> float:
    """The slowest decision in a hundred, by the wall clock: the least of the rounds."""
    found = []
    for _ in range(rounds):
        times = []
        for number in range(count):
            request = asked[number * 7 % len(asked)]
            began = time.perf_counter()
            policy.decide(request)
            times.append(time.perf_counter() - began)
        found.append(percentile(times, 0.99))
    return min(found)


def cedar(agent: int) -> Callable[[str], object]:
    numbers = range(agent * RULES, (agent + 1) * RULES)
    rules = cedarpy.PolicySet.from_str("\n".join(CEDAR.format(agent=agent, number=number) for number in numbers))
    entities = cedarpy.Entities.from_json_str("[]")
    asked = {"principal": f'Agent::"agent-{agent}"', "action": 'Action::"write"', "resource": 'Artifact::"x"'}
    return lambda path: cedarpy.is_authorized(asked | {"context": {"path": path}}, rules, entities)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--decisions", type=int, default=20_000)
    options = parser.parse_args()
    print(machine())
    data, asked = policy_file(), requests()
    loading = least(options.rounds, lambda: Policy([language.parse(data, "p.yaml")]))
    policy = Policy([language.parse(data, "p.yaml")])
    first = least(1, lambda: [policy.decide(request) for request in asked])
    one = [request for request in asked if request.agent == "agent-7"]
    theirs = cedar(7)
    for request in one:
        assert theirs(request.path).allowed == (policy.decide(request).effect == "allow"), request  # type: ignore[attr-defined]
    ours_took = least(options.rounds, lambda: [policy.decide(request) for request in one * 20]) / len(one) / 20
    theirs_took = least(options.rounds, lambda: [theirs(request.path) for request in one * 20]) / len(one) / 20
    tail = slowest(policy, asked, options.rounds, options.decisions)
    print(f"loading {AGENTS * RULES} rules: {loading * 1000:.0f} ms; all agents asked the first time: "
          f"{first / len(asked) * 1e6:.1f} us a decision")
    print(f"a decision: {ours_took * 1e6:.1f} us; Cedar over the rules of one agent: {theirs_took * 1e6:.1f} us, "
          f"{theirs_took / ours_took:.0f} x")
    print(f"the slowest decision in a hundred, wall clock: {tail * 1e6:.1f} us")


if __name__ == "__main__":
    main()
