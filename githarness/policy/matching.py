"""Whether a rule matches a request. What permits reads narrowly, what refuses reads widely.

An allow matches names, paths and programs exactly as written, and excepts in any letter case; deny and require_approval
match in any letter case and Unicode form, and except exactly as written. Every pattern takes time linear in its text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from githarness import paths
from githarness.policy.model import Decision, Request
from githarness.policy.rules import ALLOW, TIERS, Api, Example, Rule, Tool, Window

Test = Callable[[str], bool]
_DAY = 86400
# What a shell takes for the end of a command, or for another one inside.
_SHELL = r"[^;&|<>`$()\n\r]"
_PORT = re.compile(r":[0-9]+\Z")


class _Lazy:
    """A pattern that is made when it is asked first: most of a large policy never is."""

    __slots__ = ("_ask", "_glob")

    def __init__(self, glob: str) -> None:
        self._glob = glob
        self._ask: Callable[[str], object] | None = None

    def __call__(self, text: str) -> bool:
        if self._ask is None:
            self._ask = paths.compiled(self._glob).fullmatch
        return self._ask(text) is not None


def _is_plain(glob: str) -> bool:
    return "*" not in glob and "?" not in glob


def glob_test(glob: str) -> Test:
    """`paths.matches` of one glob; the two commonest shapes without a regular expression."""
    if _is_plain(glob):
        return glob.__eq__
    stem = glob[:-2]
    if glob.endswith("/**") and _is_plain(stem):
        return lambda text: text.startswith(stem) and len(text) > len(stem)
    return _Lazy(glob)


def _exact(globs: Sequence[str]) -> Test:
    plain = frozenset(filter(_is_plain, globs))
    tests = [glob_test(glob) for glob in globs if glob not in plain]
    if not tests:
        return plain.__contains__
    if len(tests) == 1 and not plain:
        return tests[0]

    def test(text: str) -> bool:
        if text in plain:
            return True
        for one in tests:  # noqa: SIM110  `any` takes twice as long, and this is most of a decision
            if one(text):
                return True
        return False

    return test


def _wide(globs: Sequence[str]) -> Test:
    """In any letter case and form, and as it stands: `?` for what folds to two characters."""
    exact, folded = _exact(globs), _exact([paths.twin_key(glob) for glob in globs])

    def test(text: str) -> bool:
        return exact(text) or folded(text.lower() if text.isascii() else paths.twin_key(text))

    return test


def arguments_test(pattern: str, *, narrow: bool) -> Test:
    """`*` any text, `?` one character: where narrow none that a shell takes apart, but for a `**` at the end.

    Each `*` is matched leftmost and for good, as in paths: gaps of one kind never need a second try.
    """
    gap = _SHELL if narrow else "."
    open_end = pattern.endswith("**")
    first, *rest = (re.escape(part).replace(r"\?", gap) for part in re.split(r"\*+", pattern))
    text = first
    if rest:
        text += "".join(f"(?>{gap}*?{part})" for part in rest[:-1]) + ("." if open_end else gap) + "*" + rest[-1]
    return _fullmatch(text)


def _fullmatch(pattern: str) -> Test:
    compiled = re.compile(pattern, re.DOTALL)
    return lambda text: compiled.fullmatch(text) is not None


def within(window: Window, time: float) -> bool:
    if (window.since is not None and time < window.since) or (window.until is not None and time >= window.until):
        return False
    second = int(time)
    if window.days is not None and (second // _DAY + 3) % 7 not in window.days:
        return False
    if window.hours is None:
        return True
    minute = second % _DAY // 60
    start, end = window.hours
    return start <= minute < end if start < end else minute >= start or minute < end


def url_covers(test: Test, glob: str, path: str) -> bool:
    """`/v1/**` covers also `/v1/` itself."""
    return test(path) or (glob.endswith("/**") and path.endswith("/") and test(path + "."))


@dataclass(frozen=True, slots=True)
class Matcher:
    """A rule ready to be asked. Agent, roles and action stand apart: they pick the candidates of many requests."""

    rule: Rule
    concerns: Callable[[str, Sequence[str], str], bool]
    fits: Callable[[Request], bool]
    heads: frozenset[str] | None
    alone: Decision | None  # of an allow rule: the decision where no other rule matches


def matcher(rule: Rule) -> Matcher:
    narrow = rule.effect == ALLOW
    checks = [*_path_checks(rule, narrow=narrow), *_call_checks(rule, narrow=narrow)]
    if rule.window is not None:
        window = rule.window
        checks.append(lambda request: within(window, request.time))
    if rule.tier is not None:
        good = TIERS[TIERS.index(rule.tier):]
        checks.append(lambda request: request.tier in good)
    alone = Decision(ALLOW, rule.id, limits=rule.limits) if narrow else None
    return Matcher(rule, _concerns(rule), _every(checks), _heads(rule), alone)


def _every(checks: list[Callable[[Request], bool]]) -> Callable[[Request], bool]:
    """The shapes of most rules without a loop: this is what a decision spends its time on."""
    if not checks:
        return lambda request: True  # noqa: ARG005
    if len(checks) == 1:
        return checks[0]
    if len(checks) == 2:
        first, second = checks
        return lambda request: first(request) and second(request)
    return lambda request: all(check(request) for check in checks)


def _heads(rule: Rule) -> frozenset[str] | None:
    """The first names, folded, that a path must have one of; None where it may begin with any."""
    heads = [glob.partition("/")[0] for glob in rule.paths or ("*",)]
    return frozenset(map(head_key, heads)) if all(map(_is_plain, heads)) else None


def head_key(path: str) -> str:
    """The first name of a path as `heads` has it."""
    head = path.partition("/")[0]
    return head.lower() if head.isascii() else paths.twin_key(head)


def _concerns(rule: Rule) -> Callable[[str, Sequence[str], str], bool]:
    named = _exact(rule.agents) if rule.agents else None

    def concerns(agent: str, roles: Sequence[str], action: str) -> bool:
        return (action in rule.actions and (named is None or named(agent))
                and (rule.roles is None or any(role in rule.roles for role in roles)))

    return concerns


def _path_checks(rule: Rule, *, narrow: bool) -> list[Callable[[Request], bool]]:
    test = (_exact if narrow else _wide)(rule.paths) if rule.paths is not None else None
    excepted = (_wide if narrow else _exact)(rule.excepted) if rule.excepted else None
    if test is not None and excepted is not None:
        return [lambda request: test(request.path) and not excepted(request.path)]
    if test is not None:
        return [lambda request: test(request.path)]
    return [lambda request: not excepted(request.path)] if excepted is not None else []


def _call_checks(rule: Rule, *, narrow: bool) -> list[Callable[[Request], bool]]:
    checks: list[Callable[[Request], bool]] = []
    if rule.tools is not None:
        tools = [_tool(tool, narrow=narrow) for tool in rule.tools]
        checks.append(lambda request: any(tool(request) for tool in tools))
    if rule.api is not None:
        apis = [_api(api, narrow=narrow) for api in rule.api]
        checks.append(lambda request: any(api(request) for api in apis))
    return checks


def _tool(tool: Tool, *, narrow: bool) -> Callable[[Request], bool]:
    name = (_exact if narrow else _wide)([tool.name])
    if tool.arguments is None:
        return lambda request: name(request.tool)
    arguments = arguments_test(tool.arguments, narrow=narrow)
    return lambda request: name(request.tool) and arguments(request.arguments)


def _api(api: Api, *, narrow: bool) -> Callable[[Request], bool]:
    host, glob = _host(api.host, narrow=narrow), api.path
    path = (_exact if narrow else _wide)([glob]) if glob is not None else None

    def test(request: Request) -> bool:
        return (host(request.host) and (api.methods is None or request.method in api.methods)
                and (path is None or glob is None or url_covers(path, glob, request.path)))

    return test


def _host(glob: str, *, narrow: bool) -> Test:
    """What refuses takes a host for the same with any port, and for that with a usual one."""
    test = glob_test(glob)
    if narrow:
        return test

    def wide(host: str) -> bool:
        bare = _PORT.sub("", host)
        return test(host) or (test(bare) if bare != host else any(map(test, (f"{host}:80", f"{host}:443"))))

    return wide


def example_matches(rule: Rule, example: Example) -> bool:
    """Whether the rule matches one of its own tests: what the example leaves out of who, how and when fits."""
    tested = replace(
        rule,
        agents=rule.agents if example.agent is not None else None,
        roles=rule.roles if example.roles is not None else None,
        window=rule.window if example.time is not None else None,
        tier=rule.tier if example.tier is not None else None)
    request = Request(
        example.agent or "", example.roles or (), example.action or rule.actions[0], example.path,
        tier=example.tier or TIERS[0], tool=example.tool, arguments=example.arguments, host=example.host,
        method=example.method, time=example.time or 0.0)
    found = matcher(tested)
    return found.concerns(request.agent, request.roles, request.action) and found.fits(request)
