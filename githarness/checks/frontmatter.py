"""`githarness-frontmatter`: the block at the head of any markdown file, as every client would load it."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence

from githarness.checks import door, judging
from githarness.checks.scope import Scope
from githarness.skills.document import kind_of
from githarness.skills.gates import gh002, gh003, gh004, gh005, gh006, gh007
from githarness.skills.model import WITH_FRONTMATTER, Finding

_GATES = (gh002.GATE, gh003.GATE, gh004.GATE, gh005.GATE, gh006.GATE, gh007.GATE)
_MARKDOWN = (".md", ".mdc", ".markdown")


def main(argv: Sequence[str] | None = None) -> int:
    return door.run(door.Parser("githarness-frontmatter", __doc__), lambda options: check(door.scope(options)), argv)


def check(scope: Scope) -> Iterator[Finding]:
    """A file that begins with no fence has no block, but where its kind must have one."""
    place = judging.place(scope)
    for path in scope.paths:
        if scope.plain(path) and (scope.named or path.lower().endswith(_MARKDOWN)):
            kind = kind_of(path)
            doc = judging.document(scope, path, kind if kind in WITH_FRONTMATTER else "prompt")
            if kind in WITH_FRONTMATTER or doc.text.removeprefix("\ufeff").startswith("---"):
                yield from judging.findings(doc, place, _GATES)


if __name__ == "__main__":
    sys.exit(main())
