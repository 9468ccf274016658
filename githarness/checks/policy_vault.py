"""What is staged of the vault's records, held against HEAD. Loads libgit2, and only where one of them is named."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from githarness.checks import revisions
from githarness.checks.scope import Scope
from githarness.errors import HarnessError
from githarness.settings import CONFIG, RepoConfig, parse_config
from githarness.skills.model import Finding
from githarness.vault import folder
from githarness.work import judge_vault

_LARGEST = 1 << 20


def folder_of(scope: Scope) -> str:
    try:
        return parse_config(scope.files.read(CONFIG, _LARGEST)).vault
    except HarnessError:
        return RepoConfig("", "").vault


def check(scope: Scope) -> Iterator[Finding]:
    """Of files that are named, as they are staged against HEAD."""
    if scope.base is None:
        scope = revisions.staged()
    at = folder_of(scope)
    for path in scope.paths:
        if path.startswith(at + "/"):
            yield from _faults(scope, path, folder.name_of(at, path))


def _faults(scope: Scope, path: str, name: str | None) -> Iterator[Finding]:
    before: Sequence[bytes] = [scope.base.read(path, _LARGEST)] if scope.base and scope.base.mode(path) else []
    now = scope.files.read(path, _LARGEST) if scope.files.mode(path) is not None else None
    for fault in judge_vault.versions(path, name, before, now):
        yield Finding(path, 1, "GH084", "error", f"{fault.code}: {fault.message}",
                      f"git restore --staged --worktree '{path}', then githarness vault set", path)
