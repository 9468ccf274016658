"""The policy language: `.githarness/policies/NAME.yaml` read into rules (docs/policy.md, schemas/policy.schema.json).

    version: 1
    longest-grant: 7d
    breaker: {denials: 20/10m, failures: 10/10m}
    governance: {approvers: {role: owner, count: 2}, recovery: "ssh-ed25519 AAAA…"}
    audit: {bodies: 90d}
    state: {history: 30d}
    rules:
      - {id, effect, why, agents, roles, actions, paths, except, tools, api, window, tier, approvers, limits, tests}

Nothing is guessed: a plain scalar is text, a key that is not known, a criterion that cannot apply to the rule's actions
and a test of a rule that does not hold are faults, and a file with a fault does not load.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from githarness import paths
from githarness.errors import Unavailable, Usage
from githarness.policy import rates, registry
from githarness.policy.matching import example_matches
from githarness.policy.model import ACTIONS, Approvers, Limit
from githarness.policy.rates import Rate
from githarness.policy.rules import (
    ALLOW,
    APPROVAL,
    DAYS,
    EFFECTS,
    TIERS,
    Api,
    Breaker,
    Example,
    Owners,
    PolicyFile,
    Rule,
    Tool,
    Window,
)
from githarness.policy.tables import Fault, Source, Table, instant
from githarness.seal import public

VERSION = 1
_TOP = ("version", "longest-grant", "breaker", "governance", "audit", "state", "rules")
_RULE = ("id", "effect", "why", "agents", "roles", "actions", "paths", "except", "tools", "api", "window", "tier",
         "approvers", "limits", "tests")
_EXAMPLE = ("agent", "roles", "action", "tier", "time", "path", "tool", "arguments", "host", "method")
_COUNTED = ("writes", "deletes", "calls")
_CALLS = ("exec", "tool")
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_NAME_GLOB = re.compile(r"[a-z0-9._*?-]{1,64}")
_HOST = re.compile(r"[a-z0-9.*?:\[\]-]{1,253}")
_METHOD = re.compile(r"[A-Z]{1,16}")
_FILE = re.compile(r"(?:.*/)?([a-z0-9][a-z0-9._-]{0,63})\.yaml")
_LONGEST_PATTERN = 1024


def parse(data: bytes, path: str) -> PolicyFile:
    """Raises Integrity with the first fault: its details name file, line and key; Unavailable for a newer version."""
    found, faults = check(data, path)
    for fault in faults:
        if fault.key == "version" and fault.problem.startswith("is of a newer"):
            raise Unavailable(fault.message, fix=fault.fix)
        raise fault.error()
    return found


def check(data: bytes, path: str) -> tuple[PolicyFile, list[Fault]]:
    """What could be read, and every fault; with one, the file is not to be used."""
    source = Source(data, path)
    named = _FILE.fullmatch(path)
    if not named:
        source.fault((), "is not the name of a policy file", "name it NAME.yaml, in lower case")
    if source.faults:
        return PolicyFile(path, ()), source.faults
    top = Table(source, source.top)
    if not _version(top):
        return PolicyFile(path, ()), source.faults
    longest = top.checked("longest-grant", rates.seconds, 0)
    breaker = _breaker(top.table("breaker"))
    owners = _owners(top.table("governance"))
    bodies, history = _kept(top.table("audit"), "bodies"), _kept(top.table("state"), "history")
    rules = tuple(_rules(top, named[1] if named else ""))
    top.end(_TOP)
    if not source.faults:
        _try(source, rules)
    faults = sorted(source.faults, key=lambda fault: fault.line)
    return PolicyFile(path, rules, longest or None, breaker, owners, bodies or None, history or None), faults


def _version(top: Table) -> bool:
    found = top.text("version")
    if found == str(VERSION):
        return True
    if found.isascii() and found.isdigit() and int(found[:9]) > VERSION:
        top.fault("version", "is of a newer version than this githarness knows", "pip install --upgrade githarness")
    elif top.has("version"):
        top.fault("version", f"'{found[:80]}' is not a version", f"write version: {VERSION}")
    return False


def _breaker(table: Table | None) -> Breaker:
    if table is None:
        return Breaker()
    found = [tuple(one for one in [table.checked(key, rates.rate, None)] if one) for key in ("denials", "failures")]
    if not table.has("denials") and not table.has("failures"):
        table.fault("", "breaks on nothing", "write it like {denials: 20/10m, failures: 10/10m}")
    table.end(("denials", "failures"))
    return Breaker(*found)


def _kept(table: Table | None, what: str) -> int:
    """Seconds; 0 where nothing is said."""
    if table is None:
        return 0
    found = table.needed(what, rates.seconds, 0)
    table.end((what,))
    return found


def _rules(top: Table, stem: str) -> Iterator[Rule]:
    seen: dict[str, int] = {}
    for table in top.tables("rules"):
        rule = _rule(table, stem)
        if rule.id in seen:
            table.fault("id", f"the rule of line {seen[rule.id]} has this id", "give each rule an id of its own")
        seen.setdefault(rule.id, table.line)
        yield rule


def _rule(table: Table, stem: str) -> Rule:
    name = table.needed("id", _rule_name, "")
    effect = table.one_of("effect", EFFECTS)
    actions = table.words("actions", ACTIONS)
    if actions is None:
        table.fault("actions", "'actions' is missing", f"list what the rule is about: {', '.join(ACTIONS)}")
    rule = Rule(
        f"{stem}/{name}", table.line, effect, actions or (), table.text("why", ""),
        table.texts("agents", _name_glob), table.texts("roles", registry.check_name),
        table.texts("paths", _path_glob), table.texts("except", _path_glob) or (),
        tuple(map(_tool, table.tables("tools"))) if table.has("tools") else None,
        tuple(map(_api, table.tables("api"))) if table.has("api") else None,
        _window(table.table("window")), table.one_of("tier", TIERS) if table.has("tier") else None,
        _approvers(table.table("approvers")) or (Approvers() if effect == APPROVAL else None),
        _limits(table.table("limits")), *_tests(table.table("tests")))
    table.end(_RULE)
    for key, problem, fix in _misplaced(table, rule):
        table.fault(key, problem, fix)
    return rule


def _misplaced(table: Table, rule: Rule) -> Iterator[tuple[str, str, str]]:
    """Criteria that would silently never, or always, fit some of the rule's actions."""
    if rule.tools is not None and any(action not in _CALLS for action in rule.actions):
        yield "tools", "'tools' fits the actions exec and tool alone", "give the other actions a rule of their own"
    if rule.api is not None and any(action != "api" for action in rule.actions):
        yield "api", "'api' fits the action api alone", "give the other actions a rule of their own"
    for key in ("paths", "except"):
        if table.has(key) and "api" in rule.actions:
            yield key, f"'{key}' does not fit the action api", "write the URL's path under 'api'"
    if rule.tier is not None and rule.effect != ALLOW:
        yield "tier", "'tier' stands in allow rules alone", "deny or hold whatever the tier, allow from a tier on"
    if table.has("approvers") and rule.effect != APPROVAL:
        yield "approvers", "'approvers' stands in require_approval rules alone", f"write effect: {APPROVAL}"


def _rule_name(text: str) -> str:
    if not _NAME.fullmatch(text):
        raise Usage(f"'{text[:80]}' is not an id", fix="use 1 to 64 of a-z, 0-9, '.', '_', '-'")
    return text


def _name_glob(text: str) -> str:
    if not _NAME_GLOB.fullmatch(text):
        raise Usage(f"'{text[:80]!a}' is not a name or a glob over names", fix="write it like deployer or 'ci-*'")
    return text


def _path_glob(text: str) -> str:
    if len(text) > _LONGEST_PATTERN:
        raise Usage(f"the glob is longer than {_LONGEST_PATTERN} characters", fix="write a shorter one")
    return paths.valid_glob(text)


def _tool(table: Table) -> Tool:
    tool = Tool(table.needed("name", _tool_glob, ""), table.checked("arguments", _arguments, None))
    table.end(("name", "arguments"))
    return tool


def _tool_glob(text: str) -> str:
    wrong = any("**" in part and part != "**" for part in text.split("/"))
    if not text or len(text) > 256 or wrong:
        raise Usage(f"'{text[:80]}' is not a tool's name or a glob over names",
                    fix="write it like Bash, 'mcp__github__*' or '/usr/bin/git'")
    return text


def _arguments(text: str) -> str:
    if len(text) > _LONGEST_PATTERN or "**" in text.removesuffix("**") or "***" in text:
        raise Usage(f"'{text[:80]}' is not a pattern of arguments",
                    fix="'*' stands for text that a shell does not take apart; '**', at the end alone, for any")
    return text


def _api(table: Table) -> Api:
    api = Api(table.needed("host", _host, ""), table.texts("methods", _method), table.checked("path", _url_glob, None))
    table.end(("host", "methods", "path"))
    return api


def _host(text: str) -> str:
    if not _HOST.fullmatch(text):
        raise Usage(f"'{text[:80]!a}' is not a host or a glob over hosts",
                    fix="write it in lower case, without scheme, like api.example.org or '*.example.org'")
    return text


def _method(text: str) -> str:
    if not _METHOD.fullmatch(text):
        raise Usage(f"'{text[:80]!a}' is not a method", fix="write it in upper case, like GET")
    return text


def _url_glob(text: str) -> str:
    if not text.startswith("/"):
        raise Usage(f"'{text[:80]!a}' is not a URL's path", fix="begin it with '/', like '/v1/**'")
    return "/" + _path_glob(text[1:]) if text != "/" else text


def _window(table: Table | None) -> Window | None:
    if table is None:
        return None
    days = table.words("days", DAYS)
    window = Window(table.checked("from", instant, None), table.checked("until", instant, None),
                    frozenset(map(DAYS.index, days)) if days else None, table.checked("hours", _hours, None))
    if window == Window():
        table.fault("", "is a window without bounds", "write from, until, days or hours, or leave the window out")
    if window.since is not None and window.until is not None and window.since >= window.until:
        table.fault("until", "is not later than 'from'", "write a later time")
    table.end(("from", "until", "days", "hours"))
    return window


def _hours(text: str) -> tuple[int, int]:
    found = re.fullmatch(r"([01][0-9]|2[0-3]):([0-5][0-9])-(?:([01][0-9]|2[0-3]):([0-5][0-9])|24:00)", text)
    if not found:
        raise Usage(f"'{text[:40]}' is no span of hours", fix="write it like \"09:00-17:00\", in UTC")
    start = int(found[1]) * 60 + int(found[2])
    end = int(found[3]) * 60 + int(found[4]) if found[3] else 1440
    if start == end:
        raise Usage(f"'{text}' spans nothing", fix="leave 'hours' out for all day")
    return start, end


def _approvers(table: Table | None) -> Approvers | None:
    if table is None:
        return None
    role = table.one_of("role", ("operator", "owner"), "operator")
    count = table.checked("count", _count, 1)
    table.end(("role", "count"))
    return Approvers(role, count)


def _owners(table: Table | None) -> Owners | None:
    """People who change governance are owners; how many, is what a file may ask for."""
    if table is None:
        return None
    approvers = _approvers(table.table("approvers")) or Approvers("owner", 1)
    if approvers.role != "owner" or approvers.count < 2:
        table.fault("approvers", "asks for no second owner", "write approvers: {role: owner, count: 2}")
    key = table.checked("recovery", public.line, "")
    table.end(("approvers", "recovery"))
    return Owners(approvers, (key,) if key else ())


def _count(text: str) -> int:
    if not re.fullmatch(r"[1-9]", text):
        raise Usage(f"'{text[:40]}' is no count of people", fix="write 1 to 9")
    return int(text)


def _limits(table: Table | None) -> tuple[Limit, ...]:
    if table is None:
        return ()
    tree = table.one_of("per", ("agent", "tree"), "agent") == "tree"
    stops = table.one_of("then", ("quarantine", "refuse"), "quarantine") == "quarantine"
    found: list[tuple[str, Rate | None]] = [(key, table.checked(key, rates.rate, None)) for key in _COUNTED]
    if not any(table.has(key) for key in _COUNTED):
        table.fault("", "limits nothing", "write it like {writes: 60/10m}")
    table.end((*_COUNTED, "per", "then"))
    return tuple(Limit(key, rate.most, rate.seconds, tree, stops) for key, rate in found if rate)


def _tests(table: Table | None) -> tuple[tuple[Example, ...], tuple[Example, ...]]:
    if table is None:
        return (), ()
    lists = [tuple(map(_example, table.tables(key))) if table.has(key) else () for key in ("match", "no_match")]
    table.end(("match", "no_match"))
    return lists[0], lists[1]


def _example(table: Table) -> Example:
    texts = {key: table.text(key, "") for key in ("path", "tool", "arguments", "host", "method")}
    example = Example(
        table.line, table.checked("agent", registry.check_name, None), table.texts("roles", registry.check_name),
        table.one_of("action", ACTIONS) if table.has("action") else None,
        table.one_of("tier", TIERS) if table.has("tier") else None, table.checked("time", instant, None), **texts)
    table.end(_EXAMPLE)
    return example


def _try(source: Source, rules: tuple[Rule, ...]) -> None:
    for rule in rules:
        for wanted, examples in ((True, rule.match), (False, rule.no_match)):
            for example in examples:
                if example_matches(rule, example) != wanted:
                    what = "does not match" if wanted else "matches"
                    source.faults.append(Fault(
                        source.file, example.line, f"rules.{rules.index(rule) + 1}.tests",
                        f"the rule '{rule.id}' {what} this request of its tests", "mend the rule, or the test"))
