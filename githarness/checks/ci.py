"""`githarness-ci`: every check on what a range brings: skills, secrets, pins, policies, signatures; one list."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence

from githarness.checks import door, pinned, policy, policy_widening, revisions, secrets, skills
from githarness.errors import Usage
from githarness.skills.model import Finding


def main(argv: Sequence[str] | None = None) -> int:
    asked = door.Parser("githarness-ci", __doc__, files=False)
    asked.add(policy_widening.option)
    return door.run(asked, _check, argv)


def _check(options: door.Options) -> Iterator[Finding]:
    if options.since is None:
        raise Usage("--since is missing", fix="githarness-ci --since origin/main, or --since '' for everything")
    scope = revisions.since(options.since)
    judged = skills.check(scope)
    yield from judged
    known = {(finding.path, finding.line, finding.gate) for finding in judged}
    for each in (secrets.check(scope), pinned.check(scope), policy.check(scope), revisions.judged(scope)):
        yield from (one for one in each if (one.path, one.line, one.gate) not in known)
    yield from policy_widening.check(scope, options.widening)


if __name__ == "__main__":
    sys.exit(main())
