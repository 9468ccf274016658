"""What one policy allows that another does not: who may newly do what, and no longer.

Both are asked about a finite set of requests, made to meet every rule, role and grant that differs: texts that its own
globs match, inside and outside of the globs of the other rules, in another letter case too; every agent that it
concerns and one that is none yet; the bounds of windows; every tier. Looser limits, fewer approvers, a longer longest
grant, a later breaker, fewer owners for governance and another key that needs no second one count as wider.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import chain, islice, product

from githarness import paths
from githarness.policy import globs
from githarness.policy.evaluate import Policy
from githarness.policy.matching import matcher
from githarness.policy.model import Approvers, Decision, Grant, Limit, Request
from githarness.policy.rates import Rate
from githarness.policy.rules import ALLOW, APPROVAL, DENY, ON_FILES, TIERS, Owners, Rule, Window

_LEVELS = {DENY: 0, APPROVAL: 1, ALLOW: 2}
_RANKS = ("operator", "owner")
_DAY = 86400.0
_ONE_OWNER = Owners(Approvers("owner", 1))
_MOST = 40  # requests of one rule's calls
_TRIES = 6_000  # texts that are looked for, for the globs of all rules that differ together


@dataclass(frozen=True, slots=True)
class Side:
    """`agents`: who may act, with roles; `rules`: what stands for the policy's where those are built in."""

    policy: Policy
    agents: Mapping[str, tuple[str, ...]]
    grants: tuple[Grant, ...] = ()
    rules: tuple[Rule, ...] = ()


@dataclass(frozen=True, slots=True)
class Change:
    """For whom what changes; `what` has examples, the first of `count`."""

    agent: str  # "" where it is about all
    action: str
    what: tuple[str, ...]
    count: int
    before: str  # effect and rule, or what stood there
    after: str
    wider: bool
    known: bool = True  # False: a name that is no agent's yet, for all that could have it

    @property
    def kind(self) -> str:
        """`wider`, `narrower`, or `approval`: wider, for what was denied needs approval now."""
        held = self.before.startswith(f"{DENY} ") and self.after.startswith(f"{APPROVAL} ")
        return "approval" if held else "wider" if self.wider else "narrower"

    @property
    def text(self) -> str:
        who = (self.agent or "all") + ("" if self.known else " (a name that is free)")
        more = f" and {self.count - len(self.what)} more" if self.count > len(self.what) else ""
        made_up = "e.g. " if self.agent else ""  # texts that globs match: no file need have such a name
        note = " (needs approval now, was denied)" if self.kind == "approval" else ""
        return f"{who} {self.action} {made_up}{', '.join(self.what)}{more}: {self.before} -> {self.after}{note}"


def alike(changes: Iterable[Change]) -> list[Change]:
    """One for several actions, of several agents, that change in the same way."""
    acts: dict[Change, list[str]] = {}
    for change in changes:
        acts.setdefault(replace(change, action=""), []).append(change.action)
    found: dict[Change, list[str]] = {}
    for change, actions in acts.items():
        found.setdefault(replace(change, action=", ".join(actions), agent=""), []).append(change.agent)
    return [replace(change, agent=", ".join(names)) for change, names in found.items()]


def compare(old: Side, new: Side, now: float) -> list[Change]:
    """The wider ones first, by agent and action."""
    plan = _Plan(old, new, now)
    found: dict[tuple[str, str, str, str, bool], list[str]] = {}
    for request in dict.fromkeys(plan.requests()):
        before, after = plan.decided(old, request), plan.decided(new, request)
        wider = _direction(before, after)
        if wider and after.effect == APPROVAL and request.path in plan.variants:
            continue  # a rule that holds `docs/**` holds `DOCS/x` too: nobody means to open that
        if wider is not None:
            key = (request.agent, request.action, _shown(before), _shown(after), wider)
            found.setdefault(key, []).append(_resource(request))
    changes = [Change(name, action, tuple(dict.fromkeys(what))[:3], len(set(what)), before, after, wider=wider,
                      known=plan.knows(name))
               for (agent, action, before, after, wider), what in found.items() for name in plan.alike(agent)]
    return sorted([*changes, *_tops(old.policy, new.policy)],
                  key=lambda change: (not change.wider, change.agent, change.action, change.before))


def _direction(before: Decision, after: Decision) -> bool | None:
    """True for wider in any way, whatever else is narrower; None for the same."""
    levels = _LEVELS[before.effect], _LEVELS[after.effect]
    if levels[0] != levels[1]:
        return levels[1] > levels[0]
    looser = tighter = False
    if before.approvers and after.approvers:
        looser = not _as_strict(before.approvers, after.approvers)
        tighter = not _as_strict(after.approvers, before.approvers)
    if levels[0]:
        looser |= not all(any(_limits_as(one, other) for one in after.limits) for other in before.limits)
        tighter |= not all(any(_limits_as(one, other) for one in before.limits) for other in after.limits)
    return looser if looser or tighter else None


def _as_strict(old: Approvers, new: Approvers) -> bool:
    return _RANKS.index(new.role) >= _RANKS.index(old.role) and new.count >= old.count


def _limits_as(new: Limit, old: Limit) -> bool:
    """Whether the new limit lets through nothing that the old one would not."""
    return (new.what == old.what and new.most <= old.most and new.seconds >= old.seconds and (new.tree or not old.tree)
            and (new.quarantine or not old.quarantine))


def _shown(decision: Decision) -> str:
    text = f"{decision.effect} by {decision.grant or decision.rule}"
    if decision.approvers:
        text += f", {decision.approvers.count} x {decision.approvers.role}"
    limits = [f"{limit.most} {limit.what} in {limit.seconds}s" for limit in decision.limits]
    return f"{text}, {', '.join(limits)}" if limits else text


def _resource(request: Request) -> str:
    if request.action == "api":
        return f"{request.method} {request.host}{request.path}"
    if request.action in ("exec", "tool"):
        return f"{request.tool} {request.arguments}".strip()
    return request.path


def _tops(old: Policy, new: Policy) -> Iterator[Change]:
    """What stands beside the rules. A length that is not there is without end."""
    lengths = [policy.longest_grant or float("inf") for policy in (old, new)]
    if lengths[0] != lengths[1] and old.files and new.files:
        shown = ["none" if length == float("inf") else f"{length:.0f}s" for length in lengths]
        yield Change("", "grant", ("longest-grant",), 1, shown[0], shown[1], lengths[1] > lengths[0])
    rates = {"denials": (old.breaker.denials, new.breaker.denials),
             "failures": (old.breaker.failures, new.breaker.failures)}
    for name, (before, after) in rates.items():
        if set(before) != set(after) and new.files:
            wider = not all(any(one.most <= rate.most and one.seconds >= rate.seconds for one in after)
                            for rate in before)
            yield Change("", "breaker", (name,), 1, _rates(before), _rates(after), wider)
    yield from _owners(old.owners or _ONE_OWNER, new.owners or _ONE_OWNER)


def _owners(old: Owners, new: Owners) -> Iterator[Change]:
    """Whoever holds a recovery key needs no second owner: one that goes is narrower, one that comes is wider."""
    if old.approvers != new.approvers:
        before, after = (f"{one.count} x {one.role}" for one in (old.approvers, new.approvers))
        yield Change("", "governance", ("approvers",), 1, before, after, not _as_strict(old.approvers, new.approvers))
    if 1 in (old.approvers.count, new.approvers.count):
        return  # where there was no second owner to do without, or is none, keys open nothing
    for key in sorted({*old.recovery} ^ {*new.recovery}):
        sides = ("absent", "there") if key in new.recovery else ("there", "absent")
        yield Change("", "governance", (f"recovery key {key[:80]}",), 1, *sides, wider=key in new.recovery)


def _rates(rates: Sequence[Rate]) -> str:
    return ", ".join(f"{rate.most} in {rate.seconds}s" for rate in rates) or "none"


def _rules(side: Side) -> tuple[Rule, ...]:
    return side.rules or side.policy.rules


def _content(rule: Rule) -> Rule:
    """What decides: neither its name, nor its place, nor what it says about itself."""
    return replace(rule, id="", line=0, why="", match=(), no_match=())


Subject = tuple[str, tuple[str, ...]]


class _Plan:
    """What is asked. Agents that no rule, role or grant tells apart are asked about once."""

    def __init__(self, old: Side, new: Side, now: float) -> None:
        self._old, self._new, self._now = old, new, now
        self._rules = [*dict.fromkeys((*_rules(old), *_rules(new)))]
        self._roles = sorted({role for rule in self._rules for role in rule.roles or ()})
        self._alike: dict[object, list[str]] = {}
        for agent in sorted({*old.agents, *new.agents}):
            self._alike.setdefault(self._kind(agent), []).append(agent)
        self._agents = [names[0] for names in self._alike.values()]
        self._most = _TRIES
        self.variants: set[str] = set()  # paths in another letter case than that of any glob

    def _kind(self, agent: str) -> object:
        named = tuple(any(paths.matches(glob, agent) for glob in rule.agents) for rule in self._rules if rule.agents)
        grants = tuple(grant for grant in (*self._old.grants, *self._new.grants) if grant.agent == agent)
        return self._old.agents.get(agent), self._new.agents.get(agent), named, grants

    def alike(self, agent: str) -> list[str]:
        return self._alike[self._kind(agent)] if agent in self._agents else [agent]

    def knows(self, agent: str) -> bool:
        return agent in self._old.agents or agent in self._new.agents

    def decided(self, side: Side, request: Request) -> Decision:
        """Who is on the other side alone may do nothing on this one; who is nobody yet has the roles of the request."""
        if request.agent in side.agents:
            request = replace(request, roles=side.agents[request.agent])
        elif request.agent in self._agents:
            return Decision(DENY, "no-such-agent")
        return side.policy.decide(request, side.grants)

    def requests(self) -> Iterator[Request]:
        before, after = (Counter(map(_content, _rules(side))) for side in (self._old, self._new))
        differing = [rule for rule in self._rules if before[_content(rule)] != after[_content(rule)]]
        self._most = max(6, _TRIES // (len(differing) or 1))
        for rule in differing:
            yield from self.about(rule, self.subjects(rule))
        for agent in self._agents:
            if self._old.agents.get(agent) != self._new.agents.get(agent):
                for rule in self._rules:
                    yield from self.about(rule, self._concerned(rule, [agent]))
        for grant in {*self._old.grants} ^ {*self._new.grants}:
            yield from self.granted(grant)

    def _concerned(self, rule: Rule, agents: Sequence[str]) -> list[Subject]:
        """With the roles of each side that has them."""
        concerns = matcher(rule).concerns
        known = [(agent, side.agents[agent]) for agent in agents for side in (self._old, self._new)
                 if agent in side.agents]
        return [one for one in dict.fromkeys(known) if concerns(*one, rule.actions[0])]

    def subjects(self, rule: Rule) -> list[Subject]:
        """Who is concerned, and who could be: of each glob over names one that nobody has, in each role."""
        found = self._concerned(rule, self._agents)
        taken = {*self._old.agents, *self._new.agents}
        for glob in rule.agents or ("*",):
            name = globs.witness([glob], valid=lambda text: _is_name(text) and text not in taken)
            if name is not None:
                found += [(name, roles) for roles in [(), *((role,) for role in rule.roles or self._roles)]]
        return found

    def about(self, rule: Rule, subjects: Sequence[Subject]) -> Iterator[Request]:
        tiers = TIERS if any(one.tier for one in self._rules) else TIERS[:1]
        for action in rule.actions:
            asked = list(islice(self._resources(rule, action), _MOST * 4))
            for (agent, roles), request, time, tier in product(subjects, asked, self._times(rule), tiers):
                yield replace(request, agent=agent, roles=roles, time=time, tier=tier)

    def granted(self, grant: Grant) -> Iterator[Request]:
        if grant.expires <= self._now or grant.agent not in {*self._old.agents, *self._new.agents}:
            return
        time = min(max(self._now, grant.granted), grant.expires - 1)
        rule = Rule("", 0, ALLOW, grant.allow, paths=grant.paths)
        for action in grant.allow:
            for request in islice(self._resources(rule, action), _MOST * 4):
                yield replace(request, agent=grant.agent, time=time)

    def _resources(self, rule: Rule, action: str) -> Iterator[Request]:
        beside = [other for other in self._rules if action in other.actions and other is not rule]
        if action in ("exec", "tool"):
            yield from _calls(rule, beside, action)
        elif action == "api":
            yield from _apis(rule, beside)
        else:
            for path in self._paths_of(rule):
                yield Request("", (), action, path)
                if action in ON_FILES and (other := path.swapcase()) != path and globs.is_path(other):
                    self.variants.add(other)
                    yield Request("", (), action, other)

    @lru_cache(maxsize=2)  # noqa: B019  for the actions of one rule in turn
    def _paths_of(self, rule: Rule) -> tuple[str, ...]:
        actions = set(rule.actions)
        beside = [other for other in self._rules if other is not rule and not actions.isdisjoint(other.actions)]
        return tuple(dict.fromkeys(_paths(rule, beside, self._most)))

    def _times(self, rule: Rule) -> list[float]:
        windows = [one.window for one in self._rules if one.window and _content(one) == _content(rule)]
        return sorted({self._now, *(time for window in windows for time in _moments(window, self._now))})


def _moments(window: Window, now: float) -> Iterator[float]:
    """Its bounds; where it has days or hours, those of a week within them."""
    yield from (time for time in (window.since, window.until) if time is not None)
    if window.until is not None:
        yield window.until - 1
    if window.days is None and window.hours is None:
        return
    first = window.since if window.since is not None else (window.until or now) - 8 * _DAY
    midnight = first - first % _DAY + _DAY
    for day, minute in product(range(7), (0, *(window.hours or ()))):
        yield midnight + day * _DAY + minute * 60.0


def _paths(rule: Rule, beside: Sequence[Rule], most: int) -> Iterator[str]:
    """Texts that the rule's globs match: alone, in what it excepts, inside and outside of each glob of other rules."""
    known = dict.fromkeys(glob for other in beside for glob in (*(other.paths or ()), *other.excepted))
    for glob in rule.paths or ("**",):
        others = globs.near(glob, known)
        pairs = ((([glob], (*rule.excepted, other)), ([glob, other], rule.excepted)) for other in others)
        tries = [([glob], rule.excepted), *(([glob, one], ()) for one in rule.excepted), *chain.from_iterable(pairs),
                 ([glob], others[:10])]
        for inside, outside in tries[:most]:
            if found := globs.witness(inside, tuple(outside)):
                yield found


def _calls(rule: Rule, beside: Sequence[Rule], action: str) -> Iterator[Request]:
    own = rule.tools or next(([*other.tools] for other in beside if other.tools), [])
    names = [name for tool in own if (name := _name(tool.name))] or ["x"]
    lines = [tool.arguments for one in (rule, *beside) for tool in one.tools or () if tool.arguments is not None]
    made = dict.fromkeys(text for line in lines[:_MOST] for text in _lines(line))
    for name, arguments in product(dict.fromkeys(names), (*made, "", "x", "x; y")):
        yield Request("", (), action, tool=name, arguments=arguments)


def _name(glob: str) -> str | None:
    lead = "/" if glob.startswith("/") else ""
    found = globs.witness([glob.removeprefix("/")], valid=bool)
    return None if found is None else lead + found


def _lines(pattern: str) -> Iterator[str]:
    plain = pattern.replace("?", "x")
    for fill in ("", "x", "; x"):
        yield plain.replace("**", fill).replace("*", fill)


def _apis(rule: Rule, beside: Sequence[Rule]) -> Iterator[Request]:
    entries = [*(rule.api or ()), *(one for other in beside for one in other.api or ())][:_MOST]
    hosts = dict.fromkeys(host for one in entries if (host := globs.witness([one.host], valid=_is_host)))
    methods = dict.fromkeys((*(method for one in entries for method in one.methods or ()), "GET", "X"))
    found = dict.fromkeys("/" + (globs.witness([one.path[1:]]) or "") for one in entries if one.path)
    for host, method, path in product((*hosts, "x.invalid"), methods, (*found, "/", "/x")):
        yield Request("", (), "api", path, host=host, method=method)


def _is_name(text: str) -> bool:
    return text[0] not in "._-" and set(text) <= set("abcdefghijklmnopqrstuvwxyz0123456789._-")


def _is_host(text: str) -> bool:
    return _is_name(text) and text[-1] != "."
