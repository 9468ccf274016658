"""A commit that says it is an agent's: signer, author and trailers are that agent, and the policy allows the change."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from githarness import paths
from githarness.errors import BadPath
from githarness.git.commits import Commit
from githarness.git.objects import EXECUTABLE, FILE, PathChange
from githarness.git.reader import Reader
from githarness.policy import renames, trailers
from githarness.policy.model import Agent, Decision, Request
from githarness.policy.roles import decide as decide_by_roles
from githarness.work import judge_signature, people
from githarness.work.governance import Governance
from githarness.work.judge_states import State
from githarness.work.judged import Fault
from githarness.work.runbook import name_of

_DECISION = re.compile(r"(allow|require_approval) rule=(\S+) grant=(\S+) event=(\S+)")
_TIER = re.compile(r"T[0-2]")
_HEADERS = re.compile(rb"tree [0-9a-f]{40}\n(?:parent [0-9a-f]{40}\n)*author [^\n\0]*\ncommitter [^\n\0]*\n"
                      rb"gpgsig [^\n\0]*(?:\n [^\n\0]*)*\n\n[^\0]*")
ONCE = ("Run", "Tier", "Policy", "Decision")
Ask = tuple[str, tuple[str, ...]]  # a path and the actions of which one must be allowed


@dataclass(frozen=True, slots=True)
class Claim:
    """What a commit says about itself in its trailers."""

    commit: Commit
    pairs: trailers.Trailers

    def values(self, key: str) -> list[str]:
        return [value for name, value in self.pairs if name == key]

    def one(self, key: str) -> str:
        """Empty where there is none, or more than one."""
        values = self.values(key)
        return values[0] if len(values) == 1 else ""


def judge(claim: Claim, states: Sequence[State], changes: Sequence[PathChange], reader: Reader) -> Iterator[Fault]:
    """`states`: of the first parent, then those of the tips that know more; not empty."""
    commit, name = claim.commit, claim.one("Agent")
    yield from _form(claim, name, states[0].governance)
    key = judge_signature.signer(commit)
    if isinstance(key, Fault):
        yield key
    for state in states:
        agent = state.governance.registry.agents.get(name)
        if not state.loads:
            yield Fault("no-policy", "'.githarness/config.toml' before it does not load")
        if agent is None:
            yield Fault("unknown-agent", f"there is no agent '{name[:80]}' in the state before it")
        elif not isinstance(key, Fault):
            yield from judge_signature.ends(agent, key, commit.time)
    yield from _paths(changes)
    agents = [(state.governance, agent) for state in states if (agent := state.governance.registry.agents.get(name))]
    yield from _decided(claim, agents, changes, reader)


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
    missing = [key for key in ONCE if not claim.one(key)]
    if missing:
        yield Fault("trailer", f"the trailer '{missing[0]}' is missing or stands there twice")
    elif not _TIER.fullmatch(claim.one("Tier")):
        yield Fault("trailer", f"'{claim.one('Tier')[:20]}' is no tier")
    if not missing and claim.one("Policy") != governance.digest:
        yield Fault("trailer", "the trailer 'Policy' is not the digest of the governance before it")


def _paths(changes: Sequence[PathChange]) -> Iterator[Fault]:
    for change in changes:
        for entry in (change.old, change.new):
            if entry is not None and entry.mode not in (FILE, EXECUTABLE):
                yield Fault("mode", f"'{change.path}' has mode {entry.mode}: agents work on plain files", change.path)
                break
        try:
            paths.check(change.path)
        except BadPath as error:
            yield Fault("bad-path", error.message, change.path)


def _decided(claim: Claim, agents: Sequence[tuple[Governance, Agent]], changes: Sequence[PathChange],
             reader: Reader) -> Iterator[Fault]:
    asks = list(_asks(claim, changes, reader))
    chain = tuple(map(name_of, claim.values("On-Behalf-Of")))
    deciding: set[tuple[str, str]] = set()
    for number, (governance, agent) in enumerate(agents):
        yield from _chain(claim, governance, (*chain, agent.name))
        for path, actions in asks:
            decisions = [_effective(governance, agent, _request(claim, agent, chain, action, path))
                         for action in actions]
            allowed = [one for one in decisions if one.effect == "allow"]
            if number == 0:
                deciding.update((one.rule, one.grant or "-") for one in allowed)
            if not allowed:
                yield _refusal(agent, actions[0], path, decisions[0])
    if text := claim.one("Decision"):
        found = _DECISION.fullmatch(text)
        if not found or (asks and deciding and (found[2], found[3]) not in deciding):
            yield Fault("trailer", f"the trailer 'Decision: {text[:120]}' is not what the policy before it decides")


def _request(claim: Claim, agent: Agent, chain: tuple[str, ...], action: str, path: str) -> Request:
    return Request(agent.name, agent.roles, action, path, chain, claim.one("Tier") or "T0",
                   time=float(claim.commit.time))


def _refusal(agent: Agent, action: str, path: str, decision: Decision) -> Fault:
    code = "needs-approval" if decision.effect == "require_approval" else "denied"
    why = f": {decision.why}" if decision.why else ""
    return Fault(code, f"agent '{agent.name}' may not {action} '{path}' by rule '{decision.rule}'{why}", path)


def decide(governance: Governance, request: Request) -> Decision:
    """By the policy of the state before the change."""
    del governance
    return decide_by_roles(request)


def _effective(governance: Governance, agent: Agent, request: Request) -> Decision:
    """The agent's own, unless somebody on whose behalf it acts may do less."""
    decision = decide(governance, request)
    for number, name in enumerate(request.chain):
        if decision.effect == "deny":
            break
        other = governance.registry.agents.get(name)
        person = governance.registry.humans.get(name.removeprefix("human:"))
        if other and other is not agent:
            theirs = decide(governance, Request(other.name, other.roles, request.action, request.path,
                                                request.chain[:number], request.tier, time=request.time))
        elif person and not other:
            theirs = people.decide(Request(person.name, (person.role,), request.action, request.path))
        else:
            continue
        if theirs.effect == "deny" or decision.effect == "allow":
            decision = theirs if theirs.effect != "allow" else decision
    return decision


def _chain(claim: Claim, governance: Governance, chain: tuple[str, ...]) -> Iterator[Fault]:
    agents, humans = governance.registry.agents, governance.registry.humans
    for number, name in enumerate(chain):
        if name in chain[:number] and chain[number - 1] != name:
            yield Fault("chain", f"'{name}' comes back on its own behalf: {' -> '.join(chain)}"[:300])
            return
    for link in claim.values("On-Behalf-Of"):
        name = name_of(link)
        other = agents.get(name) or humans.get(name.removeprefix("human:"))
        if other is None and link == name:
            yield Fault("chain", f"the trailer 'On-Behalf-Of' names '{name[:80]}', who is nobody here")
        elif other is not None and (other.retired or (isinstance(other, Agent) and other.quarantined)):
            yield Fault("chain", f"it was made on behalf of '{name}', who was retired or quarantined")


def _asks(claim: Claim, changes: Sequence[PathChange], reader: Reader) -> Iterator[Ask]:
    """Each change of a path as the actions that it may have been, and both ends of every rename that is told."""
    pairs = [pair for value in claim.values("Rename") if (pair := renames.parse(value))]
    by_path = {change.path: change for change in changes}
    for path in dict.fromkeys(path for pair in pairs for path in pair):
        yield path, ("rename",)
    sources, targets = {old for old, _ in pairs}, {new: old for old, new in reversed(pairs)}
    for change in changes:
        source = by_path.get(_origin(change.path, targets))
        if change.new is None:
            if change.path not in sources:
                yield change.path, ("delete",)
        elif change.old is None and source is not None and source.old == change.new and change.path in targets:
            continue
        elif change.old is None or _appended(reader, change):
            yield change.path, ("write", "append")
        else:
            yield change.path, ("write",)


def _origin(path: str, targets: dict[str, str]) -> str:
    seen = {path}
    while (source := targets.get(path)) is not None and source not in seen:
        seen.add(source)
        path = source
    return path


def _appended(reader: Reader, change: PathChange) -> bool:
    old, new = change.old, change.new
    if old is None or new is None or old.mode != new.mode or new.mode not in (FILE, EXECUTABLE):
        return False
    before = reader.size(old.oid)
    return reader.size(new.oid) > before and reader.blob(new.oid).startswith(reader.blob(old.oid))


