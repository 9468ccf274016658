"""What in a change deserves a second look before a person approves it. Values in, values out; it decides nothing."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from githarness.git.objects import EXECUTABLE
from githarness.lines.hunk import is_binary
from githarness.policy import roles
from githarness.skills import secrets

_TEST = re.compile(r"(?i)(?:^|/)(?:tests?|specs?|__tests__)/|(?:^|/)test_[^/]*$|[._-](?:test|spec)s?\.[^/.]+$")
_CHECK = re.compile(r"\b(?:assert|expect|def test|it\(|test\(|describe\(|@Test|should\b)")
_RULE = re.compile(r"(?i)\b(?:approv|permission|polic(?:y|ies)\b|sign(?:ed|-| )?off|two[- ]person|second pair"
                   r"|reviewers?\b|must not|never|forbid|only (?:after|with)|ask (?:a|an|the)\b|escalat)")
_FEW = 5  # files deleted
_MANY = 50  # files changed
_LINES = 200  # removed
_LARGE = 100_000  # bytes of one file


class Seen(NamedTuple):
    """A path with its content and mode before and after, None where nothing is there."""

    path: str
    old: bytes | None
    new: bytes | None
    old_mode: str | None
    new_mode: str | None


class Risk(NamedTuple):
    flag: str  # tests-removed | rules-removed | secret | mass-deletion | governance | executable | large | binary
    path: str
    text: str


def of(changes: Sequence[Seen]) -> list[Risk]:
    """By path, what is about the whole change last."""
    return [risk for change in changes for risk in _of_one(change)] + list(_of_all(changes))


def _of_one(change: Seen) -> Iterator[Risk]:
    path, gone = change.path, _removed(change)
    if roles.is_protected(path):
        yield Risk("governance", path, "it governs agents, or steers git and other tools")
    if change.new_mode == EXECUTABLE and change.old_mode != EXECUTABLE:
        yield Risk("executable", path, "it becomes a program")
    if _TEST.search(path) and change.new is None:
        yield Risk("tests-removed", path, "a test is deleted")
    elif checks := sum(bool(_CHECK.search(line)) for line in gone if _TEST.search(path)):
        yield Risk("tests-removed", path, f"{checks} line(s) that test something are removed")
    if rules := [line for line in gone if _RULE.search(line)]:
        yield Risk("rules-removed", path, f"{len(rules)} line(s) about approval or rules are removed: {rules[0][:120]}")
    if change.new and is_binary(change.new):
        yield Risk("binary", path, "it is no text, and the diff does not show it")
    if change.new and len(change.new) > _LARGE:
        yield Risk("large", path, f"{len(change.new)} bytes")
    yield from _secrets(change)


def _secrets(change: Seen) -> Iterator[Risk]:
    known = Counter((one.kind, one.shown) for one in secrets.scan(_text(change.old)))
    for one in secrets.scan(_text(change.new)):
        if not known[one.kind, one.shown]:
            yield Risk("secret", change.path, f"line {one.line}: {one.kind} {one.shown}")
        known[one.kind, one.shown] -= 1


def _of_all(changes: Sequence[Seen]) -> Iterator[Risk]:
    deleted = [change.path for change in changes if change.new is None]
    lines = sum(len(_removed(change)) for change in changes)
    if len(deleted) >= _FEW or lines >= _LINES:
        yield Risk("mass-deletion", deleted[0] if deleted else changes[0].path,
                   f"{len(deleted)} file(s) and {lines} line(s) go")
    if len(changes) > _MANY:
        yield Risk("large", changes[0].path, f"{len(changes)} files")


def _removed(change: Seen) -> list[str]:
    left = Counter(_text(change.new).splitlines())
    gone = []
    for line in _text(change.old).splitlines():
        if left[line] > 0:
            left[line] -= 1
        elif line.strip():
            gone.append(line.strip())
    return gone


def _text(data: bytes | None) -> str:
    return "" if data is None or is_binary(data) else data.decode("utf-8", "replace")
