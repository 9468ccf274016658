"""What a caller may do now: the policy's decision along the whole chain, with grants that hold, stops and limits.

One Permit serves one group of writes, or one read: it judges by one governance and one snapshot of the database, and
knows what the group has decided so far. It writes nothing; `new_stops` are for who stores the group.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from githarness import clock
from githarness.clock import Clock
from githarness.errors import Denied, NeedsApproval, NotFound, Paused, Quarantined, RateLimited, Stopped
from githarness.policy import delegation
from githarness.policy.delegation import PERSON
from githarness.policy.model import Agent, Approvers, Decision, Grant, Human, Limit, Request
from githarness.store import counts, stops
from githarness.store.counts import Span
from githarness.store.db import Connection
from githarness.store.rows import CommitRow
from githarness.store.stops import Stop
from githarness.work import breaker, ends, people
from githarness.work.governance import Governance

_NO_RULE = "default-deny"
_NAME = re.compile(r"[a-z0-9._/-]+")  # of a secret
_CALLS = ("exec", "tool", "api", "secret")  # what a limit of calls counts; reads are none


@dataclass(slots=True)
class Permit:
    governance: Governance
    conn: Connection
    now: float
    over: frozenset[str]  # keys of `ends`
    stopped: dict[str, Stop]
    new_stops: list[Stop] = field(default_factory=list)
    drafted: list[CommitRow] = field(default_factory=list)  # what this group does, beside what the index knows
    _owed: dict[tuple[str, Limit], None] = field(default_factory=dict)  # limits that the ask in hand has to keep

    @classmethod
    def of(cls, governance: Governance, conn: Connection, time: Clock, now: float) -> Permit:
        """`now`: the time that the commit, or the event, will have."""
        return cls(governance, conn, now, ends.over(conn, governance.ends, time), stops.in_force(conn))

    def agent(self, name: str, acting: str = "") -> Agent:
        """The agent, if it may act at all; `acting`: who acts on its behalf.

        Raises NotFound, Denied where it was retired or has expired, Quarantined, Paused.
        """
        if not acting:
            self._owed = {}  # those of an ask that was refused before its limits were looked at
        agent = self.governance.agent(name)
        who = f"agent '{name}'" + (f", on whose behalf '{acting}' acts," if acting else "")
        if agent.retired:
            raise Denied(f"{who} was retired at {agent.retired}", fix="githarness agent list",
                         details={"rule": "retired"})
        if agent.expires and ends.key(agent) in self.over:
            raise Denied(f"{who} expired at {agent.expires}", details={"rule": "expired"},
                         fix=f"githarness agent add {name} --expires 30d, as an owner")
        if stop := self.stopped.get(name):
            raise _stopped(who, name, clock.rfc3339(stop.since), stop.why, paused=stop.by == breaker.GUARD)
        if agent.quarantined:
            raise _stopped(who, name, agent.quarantined, "")
        return agent

    def chain(self, chain: Sequence[str], acting: str) -> None:
        """Whether everybody that `acting` would act for may act. Raises Denied, Quarantined."""
        if back := delegation.comes_back((*chain, acting)):
            raise Denied(f"'{back}' comes back in a chain that it is in already", fix="githarness runs list",
                         details={"rule": "delegation"})
        for name in chain:
            if name in self.governance.registry.agents:
                self.agent(name, acting)

    def may_act(self, name: str) -> bool:
        try:
            self.agent(name)
        except (NotFound, Denied, Stopped):
            return False
        return True

    def check(self, request: Request) -> Decision:
        """Allow or require_approval. Raises Denied; Quarantined where somebody on the chain is."""
        decision = self.decide(request)
        if decision.effect == "deny":
            raise denied("agent", request, decision)
        return decision

    def allow(self, request: Request) -> Decision:
        """The same for what is done at once or not at all. Raises NeedsApproval, RateLimited."""
        decision = self.check(request)
        if decision.effect != "allow":
            raise needs_approval(request, decision)
        self.keep_limits(request.agent, calls=int(request.action in _CALLS))
        return decision

    def decide(self, request: Request) -> Decision:
        """The strictest decision along the chain. Raises for who may not act at all."""
        decision = self._own(request)
        for limit in decision.limits:
            self._owed[request.agent, limit] = None
        return self._along(request, decision) if request.chain else decision

    def _own(self, request: Request) -> Decision:
        governance = self.governance
        return governance.policy.decide(request, self._grants(request.agent) if governance.grants else ())

    def _along(self, request: Request, decision: Decision) -> Decision:
        if back := delegation.comes_back((*request.chain, request.agent)):
            return Decision("deny", "delegation", f"'{back}' comes back in a chain that it is in already")
        for name in dict.fromkeys(request.chain):
            link = self._link(name, request) if name != request.agent else None
            decision = delegation.strictest(decision, link) if link else decision
        return decision

    def _link(self, name: str, request: Request) -> Decision | None:
        """What `name` may; None for a name that nobody here has, which only a claim can bring."""
        known, plain = self.governance.registry, name.removeprefix(PERSON)
        if name in known.agents:
            agent = self.agent(name, request.agent)
            link = self._own(replace(request, agent=name, roles=agent.roles, chain=()))
            for limit in link.limits:
                if limit.tree:
                    self._owed[name, limit] = None
            return link if link.effect == "allow" else replace(link, why=f"on behalf of '{name}': {link.why}")
        if plain in known.humans:
            return _of_human(known.humans[plain], request)
        if any(file.startswith((f"agents/{plain}.yaml:", f"humans/{plain}.yaml:")) for file in self.governance.broken):
            return Decision("deny", "delegation", f"the identity file of '{plain}' does not load")
        return None

    def _grants(self, agent: str) -> Sequence[Grant]:
        return [grant for grant in self.governance.grants.values() if grant.agent == agent and self.holds(grant)]

    def holds(self, grant: Grant) -> bool:
        """Whether it is neither over nor used up."""
        return ends.key(grant) not in self.over and (grant.uses is None or self.uses(grant) < grant.uses)

    def uses(self, grant: Grant) -> int:
        """Commits that it allowed, in the index and in this group."""
        here = sum(grant.id in (row.decision or "") for row in self.drafted)
        span = Span(grant.agent, grant.granted - 1, tree=True)
        return here + counts.uses(self.conn, span, grant.id, grant.uses or -1)

    def keep_limits(self, agent: str, *, writes: int = 0, deletes: int = 0, calls: int = 0) -> None:
        """Once for each write or call: so much of each is about to be done.

        Raises RateLimited where a limit of what was decided since the last time does not admit it; then the agent is
        quarantined, unless the limit only refuses.
        """
        owed, self._owed = self._owed, {}
        wanted = {"writes": writes, "deletes": deletes, "calls": calls}
        for name, limit in owed:
            if wanted[limit.what] and self._used(name, limit, agent) + wanted[limit.what] > limit.most:
                raise self._past(agent, name, limit)

    def _used(self, name: str, limit: Limit, agent: str) -> int:
        """A commit's time is cut to the second, so the second before the window counts: never more than `most`."""
        after, free = self.now - limit.seconds, stops.released(self.conn, agent)
        if limit.what == "calls":
            return counts.calls(self.conn, Span(name, max(after, free), limit.tree), limit.most)
        span = Span(name, max(after - 1, free), limit.tree)
        here = [row for row in self.drafted if row.agent == name or (limit.tree and name in row.chain)]
        if limit.what == "writes":
            return counts.writes(self.conn, span, limit.most) + len(here)
        gone = sum(change.new_oid is None for row in here for change in row.changes)
        return counts.deletes(self.conn, span, limit.most) + gone

    def _past(self, agent: str, name: str, limit: Limit) -> RateLimited:
        whose = f"agent '{name}' with all on its behalf" if limit.tree else f"agent '{name}'"
        text = f"{whose} may do no more than {limit.most} {limit.what} in {breaker.length(limit.seconds)}"
        if limit.quarantine:
            self.stop(Stop(agent, self.now, "limit", text))
        return RateLimited(f"{text}; '{agent}' is quarantined" if limit.quarantine else text,
                           fix=f"githarness agent release {agent}, as an operator" if limit.quarantine else None,
                           details={"limit": limit.what, "most": limit.most, "seconds": limit.seconds,
                                    "quarantined": limit.quarantine})

    def count_denials(self, agent: str, here: int) -> None:
        """After a denial, one of `here` in this group: too many stop the agent."""
        rates = self.governance.policy.breaker.denials
        stop = breaker.tripped(self.conn, agent, self.now, what="denials", rates=rates,
                               count=lambda span, most: here + counts.denials(self.conn, span, most))
        if stop:
            self.stop(stop)

    def stop(self, stop: Stop) -> None:
        if stop.agent not in self.stopped:
            self.stopped[stop.agent] = stop
            self.new_stops.append(stop)


def denied(kind: str, request: Request, decision: Decision) -> Denied:
    """`kind` of caller: agent or human."""
    what = f"may not {_what(request)} '{request.path or request.tool or request.host}'"
    return Denied(f"{kind} '{request.agent}' {what}" + (f": {decision.why}" if decision.why else ""),
                  fix=_way(request, decision),
                  details={"path": request.path, "action": request.action, "rule": decision.rule, "why": decision.why})


def needs_approval(request: Request, decision: Decision) -> NeedsApproval:
    approvers = decision.approvers or Approvers()
    return NeedsApproval(f"agent '{request.agent}' may {_what(request)} '{request.path}' with approval only",
                         fix="githarness proposals shows what waits",
                         details={"path": request.path, "action": request.action, "rule": decision.rule,
                                  "why": decision.why, "approvers": {"role": approvers.role, "count": approvers.count}})


def _way(request: Request, decision: Decision) -> str:
    """A grant lifts no rule that denies; and with a name that a shell would read in its own way none is offered."""
    if request.action == "secret" and decision.rule == _NO_RULE and _NAME.fullmatch(request.path):
        return (f"githarness grant {request.agent} --allow secret --path {request.path} --for 2h --why TEXT, "
                "as an owner; githarness human list shows who is one")
    return "ask an owner; githarness human list shows who is one"


def _what(request: Request) -> str:
    return "use secret" if request.action == "secret" else request.action


def _stopped(who: str, name: str, since: str, why: str, *, paused: bool = False) -> Stopped:
    kind, word = (Paused, "paused") if paused else (Quarantined, "quarantined")
    return kind(f"{who} is {word} since {since}" + (f": {why}" if why else ""),
                fix=f"githarness agent release {name}, as an operator",
                details={"agent": name, "rule": "guard" if paused else "quarantine", "why": why})


def _of_human(human: Human, request: Request) -> Decision:
    if human.retired:
        return Decision("deny", "delegation", f"human '{human.name}', on whose behalf it would be, was retired")
    return people.decide(replace(request, agent=human.name, roles=(human.role,), chain=()))
