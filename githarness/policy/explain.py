"""Why a decision is what it is: which rules match, and what would make it another. Pure, for one request.

`changes` are of two kinds: without which rule, or with which criterion of which rule met, the effect would differ.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

from githarness.policy.evaluate import DEFAULT, GOVERNANCE, INVALID, NO_POLICY, Policy, Shipped
from githarness.policy.matching import matcher
from githarness.policy.model import Decision, Grant, Request
from githarness.policy.rules import ALLOW, APPROVAL, DENY, Rule

_MOST = 10  # changes that are shown
_FIXED = {GOVERNANCE: "nothing: governance is changed by owners alone",
          INVALID: "name it in its one form: --path from the top of the repository, without './', '..' or '//'; "
                   "of exec and tool --tool, of api --host and --path",
          NO_POLICY: "an owner mends the policy files: githarness policy check"}


class Explanation(NamedTuple):
    decision: Decision
    matching: tuple[Rule, ...]
    changes: tuple[str, ...]


def explain(policy: Policy, request: Request, grants: Sequence[Grant] = ()) -> Explanation:
    decision = policy.decide(request, grants)
    matching = policy.matching(request)
    return Explanation(decision, tuple(matching), tuple(_changes(policy, request, decision, matching))[:_MOST])


def _changes(policy: Policy, request: Request, decision: Decision, matching: Sequence[Rule]) -> Iterator[str]:
    if decision.rule in _FIXED:
        yield _FIXED[decision.rule]
    elif isinstance(policy, Shipped):
        if decision.effect != ALLOW:
            yield "another role of the agent, a grant, or a policy file"
    elif decision.rule == "grant":
        yield f"when the grant '{decision.grant}' ends, is used up or is revoked: {DENY} by {DEFAULT}"
    elif decision.rule == DEFAULT:
        yield from _nearly(policy, request, matching)
        yield (f"a grant: githarness grant {request.agent} --allow {request.action} --path '{_resource(request)}' "
               "--for 2h --why TEXT")
    else:
        yield _without(matching)
        if decision.effect == APPROVAL:
            yield "people approve it: githarness proposals"
        if decision.effect == ALLOW:
            yield from _nearly(policy, request, matching)


def _without(matching: Sequence[Rule]) -> str:
    first, *rest = matching
    after = next(((rule.effect, f"'{rule.id}'") for rule in rest), (DENY, DEFAULT))
    return f"without rule '{first.id}': {after[0]} by {after[1]}"


def _nearly(policy: Policy, request: Request, matching: Sequence[Rule]) -> Iterator[str]:
    """Rules that would change the effect and miss by one criterion."""
    now = {rule.id for rule in matching}
    allowed = bool(matching)
    for rule in policy.rules:
        if rule.id in now or (rule.effect != ALLOW) != allowed or request.action not in rule.actions:
            continue
        if len(missed := list(failing(rule, request))) == 1:
            yield f"rule '{rule.id}' would {_VERBS[rule.effect]} it, were it not for its {missed[0]}"


_VERBS = {ALLOW: "allow", DENY: "deny", APPROVAL: "hold"}


def failing(rule: Rule, request: Request) -> Iterator[str]:
    """The keys of the criteria that the request does not meet, of a rule about its action."""
    bare = replace(rule, agents=None, roles=None, paths=None, excepted=(), tools=None, api=None, window=None, tier=None)
    alone = {"agents": replace(bare, agents=rule.agents), "roles": replace(bare, roles=rule.roles),
             "paths": replace(bare, paths=rule.paths), "except": replace(bare, excepted=rule.excepted),
             "tools": replace(bare, tools=rule.tools), "api": replace(bare, api=rule.api),
             "window": replace(bare, window=rule.window), "tier": replace(bare, tier=rule.tier)}
    for key, one in alone.items():
        found = matcher(one)
        if not (found.concerns(request.agent, request.roles, request.action) and found.fits(request)):
            yield key


def _resource(request: Request) -> str:
    if request.action == "api":
        return request.host + request.path
    return request.tool if request.action in ("exec", "tool") else request.path
