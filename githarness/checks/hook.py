"""`githarness-hook`: what git's hooks ask, through the shims in hooks/. Exit 1 stops a push; nothing stops a checkout.

Nothing that goes wrong here may stop a person: it is said on stderr, and git goes on.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from githarness import settings, wiring
from githarness.errors import HarnessError, NotFound


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="githarness-hook", description="The checks behind git's hooks.")
    names = parser.add_subparsers(dest="hook", required=True, metavar="HOOK")
    push = names.add_parser("pre-push", help="says when two clones have both written the governed branch")
    push.add_argument("remote")
    push.add_argument("url", nargs="?", default="")
    checkout = names.add_parser("post-checkout", help="brings along what landed while git checked out")
    checkout.add_argument("given", nargs="*", help="as git passes it on; not looked at")
    options = parser.parse_args(argv)
    try:
        return _pre_push(options.remote) if options.hook == "pre-push" else _post_checkout()
    except NotFound:
        return 0  # not governed, or not any more
    except HarnessError as error:
        problem = error.message
    except Exception as error:
        problem = f"internal error: {type(error).__name__}: {error}"
    _say(f"note: githarness did not look after this {options.hook.partition('-')[2]}: {problem}")
    return 0


def _open() -> wiring.Harness:
    return wiring.open(settings.hook_git_dir() or Path.cwd(), settings.load())


def _post_checkout() -> int:
    """The next write would do the same; until then files would be older than the branch that is checked out."""
    _open().local.recover()
    return 0


def _pre_push(remote: str) -> int:
    verdict = _open().judge_push(remote, sys.stdin.read())
    if verdict is None:
        return 0
    _say(f"{'error' if verdict.blocks else 'note'}: {verdict.divergence.message}")
    _say(f"hint: {verdict.divergence.fix}")
    return 1 if verdict.blocks else 0


def _say(line: str) -> None:
    sys.stderr.write(line + "\n")


if __name__ == "__main__":
    sys.exit(main())
