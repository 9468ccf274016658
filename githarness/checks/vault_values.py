"""The vault's own values in what is about to be committed or pushed, asked of its daemon: no value comes here.

Only where the repository has a vault. Where its daemon does not answer, that these values were not looked for is said.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import chain
from pathlib import Path
from time import sleep

from githarness import settings
from githarness.canon import printable
from githarness.checks.scope import Scope
from githarness.errors import HarnessError, RateLimited
from githarness.git.modes import EXECUTABLE, FILE, LINK
from githarness.git.repo import Repo
from githarness.settings import CONFIG, parse_config
from githarness.skills.model import Finding
from githarness.vault import scanning
from githarness.vault.client import Client
from githarness.vault.folder import MARKER
from githarness.vault.scanning import Content, Found

GATE = "GH086"
_LARGEST = 64 << 20
_TRIES = 10  # seconds; hooks that run side by side wait for each other
_FIX = "take it out, also of commits that have it; githarness vault rotate '{}' if it has left this machine"


def has_vault(repo: Repo) -> bool:
    """As the worktree has it; where that is not known, the hub and `verify` still are there."""
    root = repo.worktree or repo.git_dir
    try:
        config = parse_config((root / CONFIG).read_bytes())
    except (OSError, HarnessError):
        return False
    return (root / config.vault / MARKER).exists()


def merged(repo: Repo, scope: Scope, messages: Iterable[tuple[str, bytes]], found: list[Finding]) -> list[Finding]:
    """What was found, and the vault's values; where a path has one, no finding shows it."""
    contents = [*contents_of(scope), *(Content(*message) for message in messages)]
    values = look(repo, chain(contents, _of_history(repo, scope)))
    shown = {one.of: one.path for one in values}
    return [*(one._replace(path=shown.get(one.path, one.path)) for one in found), *findings(values)]


def _of_history(repo: Repo, scope: Scope) -> Iterator[Content]:
    if scope.history is None:
        return
    from githarness.work import vault_contents  # libgit2 is loaded only where git's history is asked

    reader, base, head = scope.history
    hidden = [base] if base else []
    yield from vault_contents.of_commits(reader, [head], hidden)
    yield from vault_contents.of_labels(settings.load(), repo, reader, frozenset(reader.walk(head, hidden)))


def of_push(repo: Repo, updates: str) -> list[str]:
    """What git's lines for pre-push bring along of the vault's values, as lines."""
    if not has_vault(repo):
        return []
    from githarness.git.reader import Reader
    from githarness.work import vault_contents

    found = findings(look(repo, vault_contents.of_push(settings.load(), repo, Reader(repo), updates)))
    return [f"{one.path}:{one.line}: {one.message}" for one in found]


def contents_of(scope: Scope) -> Iterator[Content]:
    for path in scope.paths:
        if scope.files.mode(path) in (FILE, EXECUTABLE, LINK):
            yield Content(path, scope.files.read(path, _LARGEST))


def look(repo: Repo, contents: Iterable[Content]) -> list[Found]:
    contents = list(contents)
    try:
        for _ in range(_TRIES):
            with suppress(RateLimited), Client(settings.load(), repo.common_dir) as vault:
                return list(scanning.look(vault, contents))
            sleep(1.0)
        with Client(settings.load(), repo.common_dir) as vault:
            return list(scanning.look(vault, contents))
    except HarnessError as error:
        said = f"note: the vault's own values were not looked for: {error.message}; hint: {error.fix}"
        sys.stderr.write(printable(said.replace("\n", " ")) + "\n")
        return []


def findings(found: Iterable[Found]) -> Iterator[Finding]:
    for one in found:
        name = f"'{one.name}'" if one.name else "that you may not use"
        where = "its name has" if one.line == 0 else "has"
        yield Finding(one.path, max(one.line, 1), GATE, "error", f"{where} the value of the secret {name} ({one.form})",
                      _FIX.format(one.name or "NAME"))


def is_message(repo: Repo, path: str) -> bool:
    """Whether it is the message that git gives a commit-msg hook: such files are git's own."""
    return Path(path).resolve().is_relative_to(repo.git_dir.resolve())
