"""The evaluator: policy files, grants and a request in, a decision out. Pure and total: what is off is denied.

Order: a request that is not well formed is denied; governance is no agent's to change; then, of the rules that match,
deny > require_approval > allow; then a grant; then deny. Of several rules of one effect the first in the order of the
files' names decides. The limits of every rule that matches count, and approvers are the strictest of those asked for.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache

from githarness import paths
from githarness.errors import BadPath
from githarness.policy import disguise, roles
from githarness.policy import grants as grants_
from githarness.policy.matching import Matcher, head_key, matcher
from githarness.policy.model import ACTIONS, Approvers, Decision, Grant, Request
from githarness.policy.rules import (
    ALLOW,
    APPROVAL,
    CHANGES,
    DENY,
    EFFECTS,
    ON_FILES,
    TIERS,
    Breaker,
    Owners,
    PolicyFile,
    Rule,
)

GOVERNANCE = "governance"
NO_POLICY = "no-policy"
DEFAULT = "default-deny"
INVALID = "invalid-request"
_RANKS = ("operator", "owner")
_MOST_HEADS = 200  # first names of paths by which the rules of one agent are told apart
_MOST_KNOWN = 20_000  # combinations of agent, roles and action whose candidates are kept
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_HOST = re.compile(r"[a-z0-9.-]{1,253}(?::[0-9]{1,5})?|\[[0-9a-f:.]{2,45}\](?::[0-9]{1,5})?")
_METHOD = re.compile(r"[A-Z]{1,16}")
_URL = re.compile(r"/[!$&-;=@A-Z_a-z~%]*")
# Encoded is what has to be: a letter, digit, `-`, `.`, `_` or `~` would be another spelling of itself.
_URL_TRICK = re.compile(r"//|/\.{1,2}(?:/|$)|%(?![0-9A-F]{2})|;|%(?:[01][0-9A-F]|2[DEF]|3[0-9]|[46][1-9A-F]|[57][0-9A]"
                        r"|5[CF]|7[EF]|25[0-9A-Fa-f]{2})")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class _Candidates:
    """The rules about one agent in its roles and one action, the strictest first, by the first name of their paths."""

    def __init__(self, matchers: Sequence[Matcher]) -> None:
        self._rest = tuple(one for one in matchers if one.heads is None)
        heads = {head for one in matchers for head in one.heads or ()}
        self._by_head = {head: tuple(one for one in matchers if one.heads is None or head in one.heads)
                         for head in heads} if len(heads) <= _MOST_HEADS else {}
        self._all = tuple(matchers)

    def at(self, path: str) -> tuple[Matcher, ...]:
        if self._by_head:
            return self._by_head.get(head_key(path), self._rest)
        return self._all


class Policy:
    """The rules of a repository as of one commit. `decide` may be asked from several threads."""

    def __init__(self, files: Iterable[PolicyFile]) -> None:
        self.files = tuple(sorted(files, key=lambda file: file.path))
        lengths = [file.longest_grant for file in self.files if file.longest_grant is not None]
        self.longest_grant = min(lengths, default=None)
        self.breaker = Breaker(
            tuple(rate for file in self.files for rate in file.breaker.denials),
            tuple(rate for file in self.files for rate in file.breaker.failures))
        self.bodies = max((file.bodies for file in self.files if file.bodies is not None), default=None)
        self.history = max((file.history for file in self.files if file.history is not None), default=None)
        asked = [file.owners for file in self.files if file.owners]
        self.owners = Owners(_strictest([one.approvers for one in asked]),
                             tuple(key for one in asked for key in one.recovery)) if asked else None
        matchers = [matcher(rule) for file in self.files for rule in file.rules]
        self._matchers = sorted(matchers, key=lambda one: EFFECTS.index(one.rule.effect))  # stable: files' order stays
        self._known: dict[tuple[str, tuple[str, ...], str], _Candidates] = {}

    @property
    def rules(self) -> tuple[Rule, ...]:
        return tuple(rule for file in self.files for rule in file.rules)

    def decide(self, request: Request, grants: Sequence[Grant] = ()) -> Decision:
        """Raises nothing. The chain is the caller's to ask about, link by link, and so are limits and uses."""
        found = self._matching(request)
        if isinstance(found, Decision):
            return found
        if len(found) == 1 and found[0].alone is not None:
            return found[0].alone
        return _decided(request, [one.rule for one in found], grants)

    def matching(self, request: Request) -> list[Rule]:
        """Every rule that matches, the one that decides first; none where the request is denied beforehand."""
        found = self._matching(request)
        return [] if isinstance(found, Decision) else [one.rule for one in found]

    def _matching(self, request: Request) -> list[Matcher] | Decision:
        known = self._known.get((request.agent, request.roles, request.action))
        if known is None:
            refused = _refused_who(request)
            if refused is not None:
                return refused
            known = self._learnt(request)
        refused = _refused_what(request)
        if refused is not None:
            return refused
        return [one for one in known.at(request.path) if one.fits(request)]

    def _learnt(self, request: Request) -> _Candidates:
        if len(self._known) >= _MOST_KNOWN:
            self._known.clear()
        key = (request.agent, request.roles, request.action)
        known = self._known[key] = _Candidates([one for one in self._matchers if one.concerns(*key)])
        return known


class Shipped(Policy):
    """The shipped roles in place of files, for a repository that has never had one. Grants lift what they leave open:
    all but governance."""

    def __init__(self) -> None:
        super().__init__(())

    def decide(self, request: Request, grants: Sequence[Grant] = ()) -> Decision:
        refused = _refused(request)
        if refused is not None:
            return refused
        decision = roles.decide(request)
        return decision if decision.effect == ALLOW else _granted(request, grants) or decision


class Broken(Policy):
    """Denies everything: a file does not load, or none is left of those that there were."""

    def __init__(self, why: str) -> None:
        super().__init__(())
        self.why = why
        self._decision = Decision(DENY, NO_POLICY, why)

    def decide(self, request: Request, grants: Sequence[Grant] = ()) -> Decision:  # noqa: ARG002
        return self._decision


def shipped() -> Policy:
    return Shipped()


def broken(why: str) -> Policy:
    return Broken(why)


def _decided(request: Request, found: Sequence[Rule], grants: Sequence[Grant]) -> Decision:
    if not found:
        return (_granted(request, grants) if grants else None) or _default(request)
    limits, first = tuple(limit for rule in found for limit in rule.limits), found[0]
    if first.effect == ALLOW:
        return Decision(ALLOW, first.id, limits=limits)
    why = first.why or f"rule '{first.id}' does not allow '{request.agent}' to {_asked(request)}"
    if first.effect == DENY:
        return Decision(DENY, first.id, why, limits=limits)
    return Decision(APPROVAL, first.id, first.why or f"rule '{first.id}' holds it until people approve",
                    limits=limits, approvers=_strictest([rule.approvers for rule in found if rule.approvers]))


def _strictest(asked: Sequence[Approvers]) -> Approvers:
    role = max((one.role for one in asked), key=_RANKS.index)
    return Approvers(role, max(one.count for one in asked))


def _granted(request: Request, grants: Sequence[Grant]) -> Decision | None:
    """Of several the one that ends last."""
    good = [grant for grant in grants if grants_.fits(grant, request)]
    if not good:
        return None
    best = max(good, key=lambda grant: (grant.uses is None, grant.expires, grant.id))
    return Decision(ALLOW, "grant", best.why, grant=best.id)


def _default(request: Request) -> Decision:
    if request.action in ON_FILES:
        return _default_path(request.agent, request.action, request.path)
    return Decision(DENY, DEFAULT, f"no rule allows '{request.agent}' to {_asked(request)}")


@lru_cache(maxsize=8192)
def _default_path(agent: str, action: str, path: str) -> Decision:
    return Decision(DENY, DEFAULT, f"no rule allows '{agent}' to {action} '{path[:200]}'")


def _asked(request: Request) -> str:
    what = request.path
    if request.action in ("exec", "tool"):
        what = f"{request.tool} {request.arguments}".strip()
    elif request.action == "api":
        what = f"{request.method} {request.host}{request.path}"
    return f"{'use secret' if request.action == 'secret' else request.action} '{what[:200]}'"


def _refused(request: Request) -> Decision | None:
    """Before any rule: what no rule is asked about, because it could be read in two ways."""
    return _refused_who(request) or _refused_what(request)


def _refused_who(request: Request) -> Decision | None:
    if request.action not in ACTIONS:
        return Decision(DENY, INVALID, f"'{request.action[:80]}' is no action")
    if not _NAME.fullmatch(request.agent):
        return Decision(DENY, INVALID, f"{request.agent[:80]!a} is no agent's name")
    return None


def _refused_what(request: Request) -> Decision | None:
    if request.tier not in TIERS or not 0 <= request.time < 1e15:
        return Decision(DENY, INVALID, "the tier or the time of the request is none")
    if request.action in ON_FILES:
        return _refused_path(request.path, request.action)
    problem = _CHECKS[request.action](request)
    return Decision(DENY, INVALID, problem) if problem else None


@lru_cache(maxsize=8192)
def _refused_path(path: str, action: str) -> Decision | None:
    try:
        paths.check(path)
    except BadPath as error:
        return Decision(DENY, INVALID, error.message)
    if path[0] == "." and action in CHANGES and paths.twin_key(path.split("/", 1)[0]) == ".githarness":
        return Decision(DENY, GOVERNANCE, f"'{path}' is governance: owners change it")
    return None


def _wrong_call(request: Request) -> str | None:
    if not request.tool or _CONTROL.search(request.tool):
        return "the tool has no name, or one with a control character"
    return _wrong_path(request) if request.path else None


def _wrong_path(request: Request) -> str | None:
    try:
        paths.check(request.path)
    except BadPath as error:
        return error.message
    return None


def _wrong_api(request: Request) -> str | None:
    if not _HOST.fullmatch(request.host):
        return f"{request.host[:80]!a} is no host in lower case, without scheme or closing dot"
    if not disguise.is_one_host(request.host):
        return f"{request.host!a} is another spelling of a host or of an address"
    if not _METHOD.fullmatch(request.method):
        return f"{request.method[:40]!a} is no method in upper case"
    if not _URL.fullmatch(request.path) or _URL_TRICK.search(request.path):
        return f"{request.path[:80]!a} is no URL's path in its one form, without query"
    return None


def _wrong_name(request: Request) -> str | None:
    return _wrong_path(request) if request.path else "it names nothing"


_CHECKS: Mapping[str, Callable[[Request], str | None]] = {
    "exec": _wrong_call, "tool": _wrong_call, "api": _wrong_api, "secret": _wrong_name, "approve": _wrong_name,
    "delegate": _wrong_name,
}
