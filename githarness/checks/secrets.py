"""`githarness-secrets`: tokens, keys and passwords in any text; placeholders pass, and no value is printed."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence

from githarness.checks import door, judging
from githarness.checks.scope import Scope
from githarness.skills.gates import gh050
from githarness.skills.model import Finding

_BINARY_WINDOW = 8000  # bytes in which git looks for NUL


def main(argv: Sequence[str] | None = None) -> int:
    return door.run(door.Parser("githarness-secrets", __doc__), lambda options: check(door.scope(options)), argv)


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
