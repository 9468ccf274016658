"""`githarness-skills`: every gate on the skills that changed, and on other files that agents take instructions from."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence

from githarness.checks import door, judging
from githarness.checks.scope import Scope
from githarness.skills import judge, portability
from githarness.skills.catalogue import GATES
from githarness.skills.document import kind_of
from githarness.skills.model import Finding, Place


def main(argv: Sequence[str] | None = None) -> int:
    asked = door.Parser("githarness-skills", __doc__)
    asked.add(lambda parser: parser.add_argument("--profile", action="append", metavar="P",
                                                 help="judge by what this client expects; repeatable"))
    return door.run(asked, lambda options: check(door.scope(options), options.profile), argv)


def check(scope: Scope, profiles: Sequence[str] | None = None) -> list[Finding]:
    """Raises Usage for a profile that is none, Integrity for a baseline that does not load."""
    names = portability.by_name(scope.tracked)
    places = [judging.place(scope, profile, names) for profile in profiles or ("agentskills",)]
    return judging.forgiven(scope, [found for path in _targets(scope) for found in _judged(scope, places, path)])


def _targets(scope: Scope) -> list[str]:
    """What changed and is judged itself, and the skill whose folder holds what changed."""
    found: dict[str, None] = {}
    for path in scope.paths:
        if scope.files.mode(path) is not None and kind_of(path) is not None:
            found[path] = None
        folder = path
        while folder := folder.rpartition("/")[0]:
            if scope.files.mode(f"{folder}/SKILL.md") is not None:
                found[f"{folder}/SKILL.md"] = None
                break
    return list(found)


def _judged(scope: Scope, places: Sequence[Place], path: str) -> Iterator[Finding]:
    kind = kind_of(path) or "skill"
    doc = judging.document(scope, path, kind)
    before = None
    if scope.base is not None and scope.base.mode(path) is not None:
        before = judging.document(scope._replace(files=scope.base), path, kind)
    found = judge.once(each for place in places
                       for each in judging.findings(doc, place._replace(before=before), GATES))
    yield from found
    if before is not None:
        old = judge.once(each for place in places for each in judging.findings(before, place, GATES))
        yield from judge.regressions(found, old)


if __name__ == "__main__":
    sys.exit(main())
