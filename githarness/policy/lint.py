"""What looks wrong in policy files that load: rules without effect, and rules that permit more than anybody means.

shadowed       a rule that another of its effect covers: it adds nothing
unreachable    a rule whose every request a stricter one decides
contradictory  the same, and both match the same requests
never          a rule that no request can match
widening       an allow rule without bounds
literal        a glob with signs of shells and .gitignore, which stand for themselves here
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

from githarness import paths
from githarness.policy import globs
from githarness.policy.rules import ALLOW, CHANGES, DENY, EFFECTS, ON_FILES, TIERS, Api, PolicyFile, Rule, Tool

_Call = TypeVar("_Call", Tool, Api)
_GOVERNANCE = ".githarness/**"
# What stands for more in shells and .gitignore, and for itself here.
_FOREIGN = re.compile(r"\{[^{}]*,[^{}]*\}|\[!?(.-.)+\]|^!")
# Programs that run other programs, or code that stands in their arguments.
_RUNS_ANYTHING = ("sh", "bash", "dash", "zsh", "fish", "env", "xargs", "sudo", "python", "python3", "node", "perl",
                  "ruby", "ssh", "docker")


class Note(NamedTuple):
    file: str
    line: int
    rule: str
    kind: str
    message: str
    fix: str


@dataclass(frozen=True, slots=True)
class Fleet:
    """Who there is, with roles, and what time it is: without it nothing is said about names and windows."""

    agents: Mapping[str, Sequence[str]]
    now: float


def lint(files: Sequence[PolicyFile], fleet: Fleet | None = None) -> list[Note]:
    """By file and line."""
    placed = [(file.path, rule) for file in sorted(files, key=lambda file: file.path) for rule in file.rules]
    notes = [Note(path, rule.line, rule.id, *found) for path, rule in placed for found in _alone(rule, fleet)]
    dead = {note.rule for note in notes if note.kind == "never"}
    live = _Live([rule for _, rule in placed if rule.id not in dead])
    for path, rule in placed:
        found = None if rule.id in dead else _beside(rule, live.near(rule))
        if found:
            notes.append(Note(path, rule.line, rule.id, *found))
    return sorted(notes)


class _Live:
    """Rules by the agents that they name: of a large policy few can cover one another."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self._wide: list[Rule] = []
        self._named: dict[str, list[Rule]] = {}
        for rule in rules:
            if rule.agents is None or any("*" in name or "?" in name for name in rule.agents):
                self._wide.append(rule)
            for name in rule.agents or ():
                self._named.setdefault(name, []).append(rule)

    def near(self, rule: Rule) -> list[Rule]:
        """Those that could cover it, in their order as far as that counts; itself among them."""
        named = self._named.get(rule.agents[0], []) if rule.agents else []
        return list(dict.fromkeys((*named, *self._wide)))


def _beside(rule: Rule, rules: Sequence[Rule]) -> tuple[str, str, str] | None:
    strictness = EFFECTS.index(rule.effect)
    for other in rules:
        if EFFECTS.index(other.effect) < strictness and covers(other, rule):
            if covers(rule, other):
                return ("contradictory", f"matches what '{other.id}' matches, and that is {other.effect}",
                        "keep one of the two")
            return ("unreachable", f"never decides: all that it matches is {other.effect} by '{other.id}'",
                    "take this rule away, or except something in the other")
    for other in rules:
        if other is not rule and other.effect == rule.effect and _adds_nothing(rule, other) and (
                _place(other) < _place(rule) or not _adds_nothing(other, rule)):
            return "shadowed", f"adds nothing: '{other.id}' matches all that it matches", "take this rule away"
    return None


def _place(rule: Rule) -> tuple[str, int]:
    return rule.id.partition("/")[0], rule.line


def _adds_nothing(rule: Rule, other: Rule) -> bool:
    return set(rule.limits) <= set(other.limits) and rule.approvers == other.approvers and covers(other, rule)


def _alone(rule: Rule, fleet: Fleet | None) -> Iterator[tuple[str, str, str]]:
    if why := _never(rule, fleet):
        yield "never", f"can match nothing: {why}", "mend it, or take it away"
        return
    for glob in (*(rule.paths or ()), *rule.excepted):
        if _FOREIGN.search(glob):
            yield "literal", f"has the glob '{glob}', in which only * and ? are wildcards", "write one glob for each"
    if rule.effect == ALLOW:
        for what, fix in _unbounded(rule):
            yield "widening", what, fix


def _never(rule: Rule, fleet: Fleet | None) -> str | None:
    if rule.paths and rule.excepted and all(_within(glob, rule.excepted, fold=rule.effect == ALLOW)
                                            for glob in rule.paths):
        return "its 'except' takes all of its 'paths'"
    if rule.paths and set(rule.actions) <= ON_FILES and all(
            globs.is_empty(_form(glob, fold=rule.effect != ALLOW)) for glob in rule.paths):
        return f"no file can be named {' or '.join(rule.paths)}"
    if rule.paths and rule.effect != DENY and set(rule.actions) <= CHANGES and all(
            _within(glob, (_GOVERNANCE, ".githarness"), fold=True) for glob in rule.paths):
        return "agents never change governance"
    return _nobody(rule, fleet) if fleet else None


def _nobody(rule: Rule, fleet: Fleet) -> str | None:
    if rule.window and rule.window.until is not None and rule.window.until <= fleet.now:
        return "its window is over"
    fitting = [name for name in fleet.agents
               if not rule.agents or any(paths.matches(glob, name) for glob in rule.agents)]
    if rule.agents and not fitting:
        return f"no agent is named {' or '.join(rule.agents)}"
    if rule.roles and not any(role in rule.roles for name in fitting for role in fleet.agents[name]):
        return f"no such agent has the role {' or '.join(rule.roles)}"
    return None


def _unbounded(rule: Rule) -> Iterator[tuple[str, str]]:
    """Of an allow rule."""
    who = "" if rule.agents or rule.roles else "every agent "
    every = not rule.paths or "**" in rule.paths
    changes = [action for action in rule.actions if action in CHANGES]
    if changes and who and every and not rule.excepted:
        yield f"lets every agent {' and '.join(changes)} everything", "name agents or roles, or paths"
    for action in ("secret", "approve", "delegate"):
        if action in rule.actions and not rule.paths:
            yield f"lets {who or 'whom it names '}{action} whatever it is", "add 'paths': the names"
    if "exec" in rule.actions or "tool" in rule.actions:
        yield from _any_program(rule)
    if "api" in rule.actions and (rule.api is None or any(one.host == "*" for one in rule.api)):
        yield "allows calls to every host", "name hosts under 'api'"


def _any_program(rule: Rule) -> Iterator[tuple[str, str]]:
    if rule.tools is None:
        yield "allows every program or tool", "name them under 'tools'"
        return
    for tool in rule.tools:
        name = tool.name.rpartition("/")[2]
        if name in ("*", "**"):
            yield f"allows every program or tool by '{tool.name}'", "name them"
        elif name in _RUNS_ANYTHING and (tool.arguments is None or tool.arguments.endswith("**")):
            yield f"'{tool.name}' runs whatever its arguments say", "allow the program that is meant"


def covers(wide: Rule, narrow: Rule) -> bool:
    """Whether `wide` matches all that `narrow` matches; False also where that cannot be told."""
    return (set(narrow.actions) <= set(wide.actions)
            and (wide.roles is None or (narrow.roles is not None and set(narrow.roles) <= set(wide.roles)))
            and (wide.window is None or wide.window == narrow.window)
            and (wide.tier is None or TIERS.index(narrow.tier or TIERS[0]) >= TIERS.index(wide.tier))
            and _names(wide.agents, narrow.agents) and _paths(wide, narrow)
            and _among(wide.tools, narrow.tools, _tool_covers) and _among(wide.api, narrow.api, _api_covers))


def _names(wide: Sequence[str] | None, narrow: Sequence[str] | None) -> bool:
    return wide is None or (narrow is not None and all(
        name in wide or globs.covered(name, wide, valid=bool) for name in narrow))


def _paths(wide: Rule, narrow: Rule) -> bool:
    fold = wide.effect != ALLOW
    if wide.paths is not None and (narrow.paths is None or not all(
            _within(glob, wide.paths, fold=fold) for glob in narrow.paths)):
        return False
    outside = [_form(glob, fold=not fold) for glob in narrow.excepted]
    return not any(globs.witness([_form(glob, fold=not fold), _form(left_out, fold=not fold)], outside)
                   for left_out in wide.excepted for glob in narrow.paths or ("**",))


def _within(glob: str, by: Sequence[str], *, fold: bool) -> bool:
    return globs.covered(_form(glob, fold=fold), [_form(one, fold=fold) for one in by])


def _form(glob: str, *, fold: bool) -> str:
    return paths.twin_key(glob) if fold else glob


def _among(wide: Sequence[_Call] | None, narrow: Sequence[_Call] | None,
           covers_one: Callable[[_Call, _Call], bool]) -> bool:
    return wide is None or (narrow is not None and all(any(covers_one(one, other) for one in wide) for other in narrow))


def _tool_covers(wide: Tool, narrow: Tool) -> bool:
    return (globs.covered(narrow.name, [wide.name], valid=bool)
            and wide.arguments in (None, "**", narrow.arguments))


def _api_covers(wide: Api, narrow: Api) -> bool:
    return (globs.covered(narrow.host, [wide.host], valid=bool)
            and (wide.methods is None or (narrow.methods is not None and set(narrow.methods) <= set(wide.methods)))
            and wide.path in (None, "/**", narrow.path))
