"""What an agent's commit did as actions on paths, and what the policy of a state decides about each of them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from githarness.git.commits import Commit
from githarness.git.objects import EXECUTABLE, FILE, PathChange
from githarness.git.reader import Reader
from githarness.policy import delegation, renames
from githarness.policy.model import Agent, Decision, Human, Request
from githarness.policy.trailers import Trailers
from githarness.work import people
from githarness.work.governance import Governance
from githarness.work.judge_signature import seconds
from githarness.work.judged import Fault
from githarness.work.runbook import name_of

_FILES = (FILE, EXECUTABLE)
_GRANTS = re.compile(r" grant=(\S+)")


@dataclass(frozen=True, slots=True)
class Claim:
    """What a commit says about itself in its trailers."""

    commit: Commit
    pairs: Trailers
    table: Mapping[str, Sequence[str]]

    @classmethod
    def of(cls, commit: Commit, pairs: Trailers) -> Claim:
        table: dict[str, list[str]] = {}
        for key, value in pairs:
            table.setdefault(key, []).append(value)
        return cls(commit, pairs, table)

    def values(self, key: str) -> Sequence[str]:
        return self.table.get(key, ())

    def one(self, key: str) -> str:
        """Empty where there is none, or more than one."""
        values = self.values(key)
        return values[0] if len(values) == 1 else ""

    @property
    def chain(self) -> tuple[str, ...]:
        return tuple(map(name_of, self.values("On-Behalf-Of")))

    @property
    def grants(self) -> frozenset[str]:
        """Those that it says it used."""
        found = _GRANTS.search(self.one("Decision"))
        return frozenset(found[1].split(",") if found else ())


@dataclass(frozen=True, slots=True)
class Ask:
    """A path, and the actions of which one must be allowed: what was done does not always tell which it was. `change`:
    what counts as appended only where the new version is the old one and something behind it."""

    path: str
    actions: tuple[str, ...]
    change: PathChange | None = None


def asks(claim: Claim, changes: Sequence[PathChange]) -> Iterator[Ask]:
    """Both ends of every rename that is told, and each change that no rename explains."""
    pairs = [pair for value in claim.values("Rename") if (pair := renames.parse(value))]
    by_path = {change.path: change for change in changes}
    for path in dict.fromkeys(path for pair in pairs for path in pair):
        yield Ask(path, ("rename",))
    targets, moved, lost = {new: old for old, new in reversed(pairs)}, *_moved(pairs)
    for change in changes:
        source = by_path.get(_origin(change.path, targets)) if change.path in targets else None
        if change.new is None:
            at = moved.get(change.path, change.path)
            if at in lost or at not in by_path or by_path[at].new is None:
                yield Ask(at, ("delete",))
        elif change.old is None and source is not None and source.old == change.new:
            continue
        else:
            yield Ask(change.path, ("write", "append"), change if change.old else None)


def _origin(path: str, targets: dict[str, str]) -> str:
    seen = {path}
    while (source := targets.get(path)) is not None and source not in seen:
        seen.add(source)
        path = source
    return path


def _moved(pairs: Sequence[tuple[str, str]]) -> tuple[dict[str, str], set[str]]:
    """Where what lay at a path went by renames in this order; and the places where something else took its place."""
    origin: dict[str, str] = {}  # by where it is
    moved: dict[str, str] = {}
    lost = set()
    for old, new in pairs:
        first = origin.pop(old, old)
        if new in origin:
            lost.add(new)
        origin[new], moved[first] = first, new
    return moved, lost


def _is_appended(reader: Reader, change: PathChange) -> bool:
    old, new = change.old, change.new
    if old is None or new is None or old.mode != new.mode or new.mode not in _FILES:
        return False
    return reader.blob(new.oid).startswith(reader.blob(old.oid))


@dataclass(frozen=True, slots=True)
class Judge:
    """The policy of one state, asked about one commit. `pushed`: when it arrives, for grants, where that is known."""

    reader: Reader
    governance: Governance
    agent: Agent
    claim: Claim
    pushed: float | None = None

    def decide(self, ask: Ask) -> list[Decision]:
        """One for each of the actions, the agent's and everybody's on its chain."""
        commit, tier = self.claim.commit, self.claim.one("Tier") or "T0"
        chain = self.claim.chain
        requests = (Request(self.agent.name, self.agent.roles, action, ask.path, chain, tier, time=float(commit.time))
                    for action in ask.actions)
        decisions = [self._along(request) if chain else self._own(request) for request in requests]
        if ask.change is not None and len(set(decisions)) > 1 and not _is_appended(self.reader, ask.change):
            return decisions[:1]  # versions are read only where it matters
        return decisions

    def _own(self, request: Request) -> Decision:
        """Tiers that the harness recorded are taken as it says; who pushes late has no grant any more. A grant whose
        uses are counted allows what says that it is used."""
        held = [grant for grant in self.governance.grants.values() if grant.agent == request.agent
                and (self.pushed is None or self.pushed < grant.expires)
                and (grant.uses is None or grant.id in self.claim.grants)]
        return self.governance.policy.decide(request, held)

    def _along(self, request: Request) -> Decision:
        decision = self._own(request)
        for name in dict.fromkeys(request.chain):
            link = self._link(name, request) if name != request.agent else None
            decision = delegation.strictest(decision, link) if link else decision
        return decision

    def _link(self, name: str, request: Request) -> Decision | None:
        """None for a name that nobody here has, which only a claim can bring."""
        other = member(self.governance, name)
        if isinstance(other, Agent):
            return self._own(replace(request, agent=name, roles=other.roles, chain=()))
        if isinstance(other, Human):
            return people.decide(replace(request, agent=other.name, roles=(other.role,), chain=()))
        return None

    def chain(self) -> Iterator[Fault]:
        claim = self.claim
        if back := delegation.comes_back((*claim.chain, self.agent.name)):
            yield Fault("chain", f"'{back[:80]}' comes back in a chain that it is in already")
        for link in claim.values("On-Behalf-Of"):
            other = member(self.governance, name := name_of(link))
            if other is None and link == name:
                yield Fault("chain", f"it was made on behalf of '{name[:80]}', who is nobody here")
            elif other is not None and _is_stopped(other, claim.commit.time):
                yield Fault("chain", f"it was made on behalf of '{name}', who was retired or quarantined, or expired")


def member(governance: Governance, name: str) -> Agent | Human | None:
    known = governance.registry
    return known.agents.get(name) or known.humans.get(name.removeprefix(delegation.PERSON))


def _is_stopped(one: Agent | Human, when: int) -> bool:
    if one.retired is not None or isinstance(one, Human):
        return one.retired is not None
    return one.quarantined is not None or (one.expires is not None and when >= seconds(one.expires))
