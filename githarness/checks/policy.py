"""`githarness-policy`: policy files and grants that load, and what an agent staged is in its scope.

Files that are named, staged or in the range are read as the evaluator reads them; one that does not load refuses the
commit, a rule that looks wrong is a warning. Where GITHARNESS_AGENT names who is at work, everything that the next
commit changes is judged too: deletions, both sides of a rename, modes and submodules, by the policy of HEAD.
"""

from __future__ import annotations

import contextlib
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from githarness import settings
from githarness.checks import door
from githarness.checks.scope import Scope
from githarness.clock import rfc3339
from githarness.errors import NotFound, Unavailable
from githarness.git.repo import discover
from githarness.policy import grants, language, lint
from githarness.policy.rules import PolicyFile
from githarness.policy.tables import Fault
from githarness.skills.model import Finding
from githarness.strictyaml import LARGEST

_POLICIES = ".githarness/policies/"
_GRANTS = ".githarness/grants/"
_FILES = re.compile(r"\.githarness/(?:policies|grants)/(?!.*\.md$).*", re.IGNORECASE)

_KNOWN = re.compile(r"\.githarness/(?:(?:agents|approvals|grants|humans|logs|policies)/|[^/]*$)")


def main(argv: Sequence[str] | None = None) -> int:
    return door.run(door.Parser("githarness-policy", __doc__), _check, argv)


def _check(options: door.Options) -> Iterator[Finding]:
    agent = settings.load().agent
    if options.files or options.staged or options.since is not None:
        yield from check(door.scope(options))
    if agent is not None and options.since is None:
        from githarness.checks import policy_scope  # libgit2, governance: only where an agent is at work

        for path, why in policy_scope.out_of_scope(agent):
            yield Finding(path, 1, "GH082", "error", f"agent '{agent}' may not: {why}",
                          f"git restore --staged '{path}', or githarness policy explain --agent {agent}", path)
    if options.since is None:
        yield from _leased(agent)


def _leased(agent: str | None) -> Iterator[Finding]:
    """Nothing outside of a repository, or where its database cannot be asked: leases are advisory for git itself."""
    with contextlib.suppress(NotFound, Unavailable):
        if not (discover(settings.hook_git_dir() or Path.cwd()).home / "harness.db").exists():
            return
        from githarness.checks import leased  # the database: only in a clone that writes

        for path, lease in leased.by_others(agent):
            yield Finding(path, 1, "GH085", "error", f"it is leased by {lease.holder} until {rfc3339(lease.expires)}",
                          "wait for it (githarness lease list), or commit the rest", path)


def check(scope: Scope) -> Iterator[Finding]:
    """Faults of what changed, and of the policy as a whole what looks wrong there."""
    if any(path.startswith(".githarness/") and not _KNOWN.match(path) for path in scope.paths):
        from githarness.checks import policy_vault

        yield from policy_vault.check(scope)
    changed = [path for path in scope.paths if scope.files.mode(path) and (scope.named or _FILES.fullmatch(path))]
    loaded: list[PolicyFile] = []
    for path in dict.fromkeys((*changed, *_beside(scope, changed))):
        found = _faults(scope, path)
        if path in changed:
            yield from (Finding(path, fault.line, "GH080", "error", _text(fault), fault.fix) for fault in found)
        if not found and not _is_grant(path):
            loaded.append(language.parse(scope.files.read(path, LARGEST + 1), path))
    for note in lint.lint(loaded):
        if note.file in changed:
            yield Finding(note.file, note.line, "GH081", "warning", f"{note.kind}: rule '{note.rule}' {note.message}",
                          note.fix)


def _beside(scope: Scope, changed: Sequence[str]) -> Iterator[str]:
    """The other policy files, where one of them changed."""
    if any(path.startswith(_POLICIES) for path in changed):
        yield from (path for path in scope.tracked
                    if path.startswith(_POLICIES) and _FILES.fullmatch(path) and scope.plain(path))


def _faults(scope: Scope, path: str) -> Sequence[Fault]:
    if not scope.plain(path):
        return [Fault(path, 1, "", "is no plain file", "put a file NAME.yaml in its place")]
    data = scope.files.read(path, LARGEST + 1)
    return (grants.check if _is_grant(path) else language.check)(data, path)[1]


def _is_grant(path: str) -> bool:
    return path.rpartition("/")[0].endswith("grants")


def _text(fault: Fault) -> str:
    return f"'{fault.key}': {fault.problem}" if fault.key else fault.problem


if __name__ == "__main__":
    sys.exit(main())
