"""`githarness-pinned`: every `rev:` of pre-commit and every `uses:` of GitHub Actions is a full commit id.

A tag or a branch can be moved to other code by whoever can push there. `docker://` images are pinned by their digest;
what begins with `./` or `$/` belongs to the repository itself.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence

from githarness import strictyaml
from githarness.checks import door, judging
from githarness.checks.scope import Scope
from githarness.errors import Integrity
from githarness.skills.document import Document
from githarness.skills.model import EVERY, Finding, Found, Gate, Place

_FILES = re.compile(r"(?:^|/)(?:\.pre-commit-config|action|\.(?:github|gitea|forgejo)/workflows/[^/]+)\.ya?ml$")
_COMMIT = re.compile(r"[0-9a-f]{40}")
_IMAGE = re.compile(r"docker://\S+@sha256:[0-9a-f]{64}")


def main(argv: Sequence[str] | None = None) -> int:
    return door.run(door.Parser("githarness-pinned", __doc__), lambda options: check(door.scope(options)), argv)


def check(scope: Scope) -> Iterator[Finding]:
    for path in scope.paths:
        if scope.plain(path) and (scope.named or _FILES.search(path)):
            yield from judging.findings(judging.document(scope, path, "instructions"), judging.place(scope), [_GATE])


def _found(doc: Document, _: Place) -> Iterator[Found]:
    try:
        for key, value, line in strictyaml.pairs(doc.data, doc.path):
            if key == "rev" and not _COMMIT.fullmatch(value):
                yield Found(line, f"rev '{value[:80]}' is no full commit id", "pre-commit autoupdate --freeze")
            elif key == "uses" and not _is_pinned(value):
                yield Found(line, f"uses '{value[:120]}', which names no full commit id", _fix(value))
    except Integrity as error:
        yield Found(1, error.message, error.fix)


def _is_pinned(uses: str) -> bool:
    if uses.startswith("docker://"):
        return _IMAGE.fullmatch(uses) is not None
    return uses.startswith(("./", "$/")) or _COMMIT.fullmatch(uses.rpartition("@")[2]) is not None


def _fix(uses: str) -> str:
    name, _, ref = uses.rpartition("@")
    if uses.startswith("docker://"):
        return "docker buildx imagetools inspect shows the digest; write docker://NAME@sha256:DIGEST"
    where = re.fullmatch(r"([\w.-]+/[\w.-]+)(/[\w./-]+)?", name)
    if not where or not re.fullmatch(r"[\w./-]+", ref):
        return "write OWNER/NAME@COMMIT, the commit as 40 hexadecimal digits"
    return f"git ls-remote https://github.com/{where[1]} {ref} {ref}^{{}} shows it; write {name}@COMMIT # {ref}"


_GATE = Gate("GH055", "error", _found, kinds=EVERY)


if __name__ == "__main__":
    sys.exit(main())
