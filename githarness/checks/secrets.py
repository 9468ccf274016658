"""`githarness-secrets`: tokens, keys and passwords in any text, and the vault's own values; no value is printed.

Placeholders pass. The vault's values are looked for by its daemon, in names, contents and messages; with --since also
in each commit, tag and note of the range.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from githarness.checks import door, judging
from githarness.checks.scope import Scope
from githarness.errors import NotFound
from githarness.git.repo import Repo, discover
from githarness.skills.document import Document
from githarness.skills.gates import gh050
from githarness.skills.model import Finding

_BINARY_WINDOW = 8000  # bytes in which git looks for NUL
_CONFIG = ".githarness/config.toml"  # settings.CONFIG, which is not loaded for repositories without it


def main(argv: Sequence[str] | None = None) -> int:
    return door.run(door.Parser("githarness-secrets", __doc__), _check, argv)


def _check(options: door.Options) -> list[Finding]:
    repo = _governed()
    if repo is None:
        return check(door.scope(options))
    from githarness.checks import vault_values  # sockets and their messages: only where there can be a vault

    messages = [path for path in options.files if vault_values.is_message(repo, path)]
    options.files = [path for path in options.files if path not in messages]
    scope = door.scope(options)
    texts = [(path, Path(path).read_bytes()) for path in messages]
    found = [*check(scope), *(one for path, data in texts for one in _shapes(scope, path, data))]
    return found if not vault_values.has_vault(repo) else vault_values.merged(repo, scope, texts, found)


def _governed() -> Repo | None:
    try:
        repo = discover(Path.cwd())
    except NotFound:
        return None
    return repo if os.path.exists((repo.worktree or repo.git_dir) / _CONFIG) else None


def _shapes(scope: Scope, path: str, message: bytes) -> Iterator[Finding]:
    yield from judging.findings(Document(path, message, "instructions"), judging.place(scope), [gh050.GATE])


def check(scope: Scope) -> list[Finding]:
    """Raises Integrity for a baseline that does not load."""
    return judging.forgiven(scope, [found for path in scope.paths if scope.plain(path) for found in _of(scope, path)])


def _of(scope: Scope, path: str) -> Iterator[Finding]:
    doc = judging.document(scope, path, "instructions")
    if len(doc.data) < scope.files.size(path):
        yield Finding(path, 1, gh050.GATE.id, "error", f"only {len(doc.data)} of its bytes could be read",
                      "make it readable, split it, or leave it out of this check")
    if b"\0" not in doc.data[:_BINARY_WINDOW]:
        yield from judging.findings(doc, judging.place(scope), [gh050.GATE])


if __name__ == "__main__":
    sys.exit(main())
