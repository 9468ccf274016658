"""What a range lets agents and people newly do, for `githarness-ci`: `githarness policy diff`, said beside the rest."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

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
    fix = f"githarness policy diff {base[:12]}..{head[:12]} shows all of it; narrow what nobody meant to open"
    try:
        wider = _wider(reader, base, head)
    except HarnessError as error:
        yield Finding(at, 1, "GH083", "error", f"what is newly allowed cannot be told: {error.message}", error.fix)
        return
    texts = [change.text for change in widening.alike(wider)]
    more = [f"{len(texts) - _MOST} more changes"] if len(texts) > _MOST else []
    for text in (*texts[:_MOST], *more):
        yield Finding(at, 1, "GH083", severity, f"wider: {text}", fix)


def _wider(reader: Reader, base: str, head: str) -> list[Change]:
    if reader.entry(base, FOLDER_NAME) is None:
        return []  # where nothing was governed everybody could do everything
    old, new = (policies.side(Governed(reader).at(commit)) for commit in (base, head))
    return [change for change in widening.compare(old, new, SYSTEM.now()) if change.wider]
