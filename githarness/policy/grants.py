"""Grants, `.githarness/grants/ID.yaml`: a time-boxed permission that an owner's signed commit adds (docs/policy.md).

    version: 1
    agent: deployer
    allow: [write]
    paths: ["runbooks/**"]   for the action secret, globs over secrets' names
    granted: 2026-01-31T12:00:00Z
    expires: 2026-01-31T14:00:00Z
    uses: 3                  optional
    why: TEXT

A grant is an allow and nothing more: it lifts a default deny, no rule that denies or asks for approval.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import lru_cache

from githarness import paths, strictyaml
from githarness.canon import Json
from githarness.errors import Unavailable, Usage
from githarness.policy import registry
from githarness.policy.matching import Test, glob_test
from githarness.policy.model import ACTIONS, Grant, Request
from githarness.policy.tables import Fault, Source, Table, instant

VERSION = 1
_KEYS = ("version", "agent", "allow", "paths", "granted", "expires", "uses", "why")
_ID = re.compile(r"(?:.*/)?([a-z0-9][a-z0-9._-]{0,63})\.yaml")


def parse(data: bytes, path: str) -> Grant:
    """Raises Integrity with the first fault: its details name file, line and key; Unavailable for a newer version."""
    grant, faults = check(data, path)
    for fault in faults:
        if fault.problem.startswith("is of a newer"):
            raise Unavailable(fault.message, fix=fault.fix)
        raise fault.error()
    return grant


def check(data: bytes, path: str) -> tuple[Grant, list[Fault]]:
    """What could be read, and every fault; with one, the grant grants nothing."""
    source = Source(data, path)
    named = _ID.fullmatch(path)
    if not named:
        source.fault((), "is not the name of a grant", "name it ID.yaml, in lower case")
    top = Table(source, source.top)
    if not source.faults:
        _version(top)
    if source.faults:
        return Grant("", "", (), (), 0.0, 0.0), source.faults
    grant = Grant(
        named[1] if named else "", top.needed("agent", registry.check_name, ""), top.words("allow", ACTIONS) or (),
        top.texts("paths", paths.valid_glob) or (), top.needed("granted", instant, 0.0),
        top.needed("expires", instant, 0.0), top.checked("uses", _uses, None), top.text("why"))
    for key in ("allow", "paths"):
        if not top.has(key):
            top.fault(key, f"'{key}' is missing", f"add '{key}: [...]'")
    if not source.faults and grant.expires <= grant.granted:
        top.fault("expires", "is not later than 'granted'", "write a later time")
    top.end(_KEYS)
    return grant, source.faults


def _version(top: Table) -> None:
    found = top.text("version")
    if found.isascii() and found.isdigit() and int(found[:9]) > VERSION:
        top.fault("version", "is of a newer version than this githarness knows", "pip install --upgrade githarness")
    elif found != str(VERSION) and top.has("version"):
        top.fault("version", f"'{found[:80]}' is not a version", f"write version: {VERSION}")


def _uses(text: str) -> int:
    if not re.fullmatch(r"[1-9][0-9]{0,8}", text):
        raise Usage(f"'{text[:40]}' is no number of uses", fix="write a whole number from 1 on")
    return int(text)


def render(grant: Grant) -> bytes:
    """Raises Usage where the file would not load again as the same."""
    table: dict[str, Json] = {
        "version": VERSION, "agent": grant.agent, "allow": list(grant.allow), "paths": list(grant.paths),
        "granted": _time(grant.granted), "expires": _time(grant.expires)}
    table |= {} if grant.uses is None else {"uses": grant.uses}
    data = strictyaml.dump(table | {"why": grant.why})
    for fault in check(data, f"{grant.id}.yaml")[1]:  # whose file and line nobody has seen
        raise Usage(fault.problem, fix=fault.fix)
    return data


def _time(instant_: float) -> str:
    return datetime.fromtimestamp(int(instant_), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def fits(grant: Grant, request: Request) -> bool:
    """Whether it allows the request at the request's time: from `granted` on, before `expires`. Uses are the caller's
    to count, and whether the path is in its one form is the evaluator's to know."""
    return (grant.agent == request.agent and request.action in grant.allow
            and grant.granted <= request.time < grant.expires and _path_test(grant.paths)(_resource(request)))


def _resource(request: Request) -> str:
    """What a grant's globs are matched with: for `api` host and path, for `exec` and `tool` the tool's name."""
    if request.action == "api":
        return request.host + request.path
    return request.tool if request.action in ("exec", "tool") else request.path


@lru_cache(maxsize=1024)
def _path_test(globs: tuple[str, ...]) -> Test:
    tests = [glob_test(glob) for glob in globs]
    return lambda path: any(test(path) for test in tests)
