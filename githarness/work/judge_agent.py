"""A commit that says it is an agent's: signer, author and trailers are that agent, and the policy allows the change."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from githarness import paths
from githarness.errors import BadPath
from githarness.git import twins
from githarness.git.objects import EXECUTABLE, FILE, PathChange
from githarness.git.reader import Reader
from githarness.policy.evaluate import NO_POLICY
from githarness.policy.model import Agent, Decision
from githarness.work import judge_approval, judge_policy, judge_signature
from githarness.work.governance import Governance
from githarness.work.judge_policy import Ask, Claim, Judge
from githarness.work.judge_signature import seconds
from githarness.work.judge_states import State
from githarness.work.judged import Fault

_DECISION = re.compile(r"(allow|require_approval) rule=(\S+) grant=(\S+) event=(\S+)")
_TIER = re.compile(r"T[0-2]")
_HEADERS = re.compile(rb"tree [0-9a-f]{40}\n(?:parent [0-9a-f]{40}\n)*author [^\n\0]*\ncommitter [^\n\0]*\n"
                      rb"gpgsig [^\n\0]*(?:\n [^\n\0]*)*\n\n[^\0]*")
_ONCE = ("Run", "Tier", "Policy", "Decision")


@dataclass(frozen=True, slots=True)
class Deed:
    """An agent's commit with what it changed itself, and when it is pushed, where that is known."""

    claim: Claim
    changes: Sequence[PathChange]
    pushed: float | None = None


def judge(deed: Deed, states: Sequence[State], reader: Reader) -> Iterator[Fault]:
    """`states`: of the first parent, then those of the tips that know more; not empty."""
    claim, name = deed.claim, deed.claim.one("Agent")
    yield from _form(claim, name, states[0].governance)
    key = judge_signature.signer(claim.commit)
    if isinstance(key, Fault):
        yield key
    judges = []
    for state in states:
        agent = state.governance.registry.agents.get(name)
        if not state.loads:
            yield Fault("no-policy", "'.githarness/config.toml' before it does not load")
        if agent is None:
            yield Fault("unknown-agent", f"there is no agent '{name[:80]}' in the state before it")
        else:
            judges.append(Judge(reader, state.governance, agent, claim, deed.pushed))
        if agent is not None and not isinstance(key, Fault):
            yield from judge_signature.ends(agent, key, claim.commit.time)
            if state is states[-1]:
                yield from _pushed_late(agent, deed)
    yield from _paths(deed, reader)
    yield from _decided(deed, judges)


def _pushed_late(agent: Agent, deed: Deed) -> Iterator[Fault]:
    """What dates itself before its agent's end and comes after it may have been made then: a hub has a clock."""
    end = seconds(agent.expires) if agent.expires else None
    if end is not None and deed.pushed is not None and deed.claim.commit.time < end <= deed.pushed:
        yield Fault("retired", f"agent '{agent.name}' expired at {agent.expires}, before it was pushed")


def _form(claim: Claim, name: str, governance: Governance) -> Iterator[Fault]:
    """That the commit is of the one form that the harness gives its commits."""
    commit = claim.commit
    if commit.signature is not None and not _HEADERS.fullmatch(commit.raw):
        yield Fault("malformed", "it has headers that no commit of the harness has, or a zero byte")
    named = [key for key, _ in claim.pairs if key.lower() in ("agent", "human")]
    fleet = governance.config.fleet
    if named != ["Agent"] or commit.author != f"{name} <{name}@{fleet}.invalid>":
        yield Fault("author", f"author '{commit.author[:120]}' and trailer 'Agent: {name[:80]}' are not one agent of "
                    f"fleet '{fleet}'")
    if commit.author_time != commit.time:
        yield Fault("author", "the date of its author, which listings show, is another than its own")
    missing = [key for key in _ONCE if not claim.one(key)]
    if missing:
        yield Fault("trailer", f"the trailer '{missing[0]}' is missing or stands there twice")
    elif not _TIER.fullmatch(claim.one("Tier")):
        yield Fault("trailer", f"'{claim.one('Tier')[:20]}' is no tier")
    if not missing and claim.one("Policy") != governance.digest:
        yield Fault("trailer", "the trailer 'Policy' is not the digest of the governance before it")


def _paths(deed: Deed, reader: Reader) -> Iterator[Fault]:
    for change in deed.changes:
        odd = [entry.mode for entry in (change.old, change.new) if entry and entry.mode not in (FILE, EXECUTABLE)]
        if odd:
            yield Fault("mode", f"{change.path!a} has mode {odd[0]}: agents work on plain files", change.path)
        try:
            paths.check(change.path)
        except BadPath as error:
            yield Fault("bad-path", error.message, change.path)
            continue
        if change.old is None and twins.has(reader, deed.claim.commit.tree, change.path):
            yield Fault("twin", f"'{change.path}' differs from what is there by letter case or normalisation alone",
                        change.path)


def _decided(deed: Deed, judges: Sequence[Judge]) -> Iterator[Fault]:
    asks = list(judge_policy.asks(deed.claim, deed.changes))
    deciding: set[tuple[str, str]] = set()
    for judge in judges:
        yield from judge.chain()
        for ask in asks:
            decisions = judge.decide(ask)
            good = [one for one in decisions if one.effect == "allow" or judge_approval.approved(judge, ask, one)]
            if judge is judges[0]:
                deciding.update((one.rule, one.grant or "-") for one in good)
            if not good:
                yield _refusal(judge, ask, decisions[0])
    if text := deed.claim.one("Decision"):
        found = _DECISION.fullmatch(text)
        rules, grants = {rule for rule, _ in deciding}, {one for _, names in deciding for one in names.split(",")}
        if not found or (not asks and found[3] != "-") or (  # who did nothing uses nobody's grant up
                deciding and not (found[2] in rules and grants.issuperset(found[3].split(",")))):
            yield Fault("trailer", f"the trailer 'Decision: {text[:120]}' is not what the policy before it decides")


def _refusal(judge: Judge, ask: Ask, decision: Decision) -> Fault:
    code = "needs-approval" if decision.effect == "require_approval" else "denied"
    if decision.rule == NO_POLICY:
        code = "no-policy"
    why = f": {decision.why}" if decision.why else ""
    return Fault(code, f"agent '{judge.agent.name}' may not {ask.actions[0]} {ask.path!a} by rule '{decision.rule}'"
                 + why, ask.path)
