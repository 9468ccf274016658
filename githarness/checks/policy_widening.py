"""What a range lets agents and people newly do, for `githarness-ci`: `githarness policy diff`, said beside the rest."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from itertools import groupby

from githarness.checks.scope import Scope
from githarness.clock import SYSTEM
from githarness.errors import HarnessError
from githarness.git.reader import Reader
from githarness.policy import widening
from githarness.policy.widening import Change
from githarness.skills.model import Finding, Severity
from githarness.work import policies
from githarness.work.governance import FOLDER_NAME, Governed

_MOST = 20  # findings: GitHub shows ten of a step, and nobody reads more
_FIX = "githarness policy diff {}..{} shows all of it; narrow what nobody meant to open"


def option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--policy-widening", choices=("warning", "error"), default="warning", dest="widening",
                        help="what it is if the range allows more than was allowed")


def check(scope: Scope, severity: Severity) -> Iterator[Finding]:
    """Nothing where the range has no start, or changes no governance. What cannot be compared is an error."""
    changed = [path for path in scope.paths if path.startswith(f"{FOLDER_NAME}/")]
    reader, landing, head = scope.history or (None, None, "")
    if reader is None or landing is None or not changed:
        return
    base = reader.merge_base(landing, head) or landing
    at = next((path for path in changed if path.startswith(f"{FOLDER_NAME}/policies/")), changed[0])
    fix = _FIX.format(base[:12], head[:12])
    try:
        wider = _wider(reader, base, head)
    except HarnessError as error:
        yield Finding(at, 1, "GH083", "error", f"what is newly allowed cannot be told: {error.message}", error.fix)
        return
    texts = [_text(list(alike)) for _, alike in groupby(sorted(wider, key=_key), _key)]
    for text in texts[:_MOST]:
        yield Finding(at, 1, "GH083", severity, f"wider: {text}", fix)
    if len(texts) > _MOST:
        yield Finding(at, 1, "GH083", severity, f"wider: {len(texts) - _MOST} more changes", fix)


def _wider(reader: Reader, base: str, head: str) -> list[Change]:
    governed = Governed(reader)
    if reader.entry(base, FOLDER_NAME) is None:
        return []  # where nothing was governed everybody could do everything
    old, new = (policies.side(governed.at(commit)) for commit in (base, head))
    return [change for change in widening.compare(old, new, SYSTEM.now()) if change.wider]


def _key(change: Change) -> tuple[str, str, str]:
    return change.action, change.before, change.after


def _text(alike: list[Change]) -> str:
    """Agents to whom the same happens, in one line."""
    others = f"; so for {len(alike) - 1} more" if len(alike) > 1 else ""
    return f"{alike[0].text}{others}"
