"""`githarness-hook`: what git's hooks ask, through the shims in hooks/. Exit 1 stops a push; nothing stops a checkout.

In a clone nothing that goes wrong here may stop a person: it is said on stderr, and git goes on. In a hub everything
that goes wrong refuses the push.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from githarness import settings, wiring
from githarness.canon import printable
from githarness.checks import vault_values
from githarness.errors import HarnessError, NotFound

_MEND = "make the change anew through githarness, and push a branch without these commits; githarness verify judges it"
_MOST_LINES = 40  # of reasons; a person reads them behind `remote: `


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="githarness-hook", description="The checks behind git's hooks.")
    names = parser.add_subparsers(dest="hook", required=True, metavar="HOOK")
    push = names.add_parser("pre-push", help="judges what is pushed, and says when two clones have both written")
    push.add_argument("remote")
    push.add_argument("url", nargs="?", default="")
    checkout = names.add_parser("post-checkout", help="brings along what landed while git checked out")
    checkout.add_argument("given", nargs="*", help="as git passes it on; not looked at")
    names.add_parser("pre-receive", help="verifies what is pushed to a hub, and refuses it whole")
    options = parser.parse_args(argv)
    if options.hook == "pre-receive":
        return _pre_receive()
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
    harness, updates = _open(), sys.stdin.read()
    verdict = harness.judge_push(remote, updates)
    if verdict is not None:
        _say(f"{'error' if verdict.blocks else 'note'}: {verdict.divergence.message}")
        _say(f"hint: {verdict.divergence.fix}")
    if verdict is not None and verdict.blocks:
        return 1
    return (_refused("these commits break the rules of their own repository", harness.judge_pushed(updates), _MEND)
            or _refused("this push has secrets of the vault", vault_values.of_push(harness.repo, updates)))


def _refused(what: str, found: Sequence[str], fix: str = "") -> int:
    if found:
        _say(f"error: {what}")
    for line in found[:_MOST_LINES]:
        _say(line)
    if len(found) > _MOST_LINES:
        _say(f"and {len(found) - _MOST_LINES} more; githarness verify lists them all")
    if found and fix:
        _say(f"hint: {fix}")
    return 1 if found else 0


def _pre_receive() -> int:
    try:
        found = wiring.receive(settings.hook_git_dir() or Path.cwd(), sys.stdin.read())
    except HarnessError as error:
        found = [f"it cannot be verified: {error.message}", f"hint: {error.fix}"]
    except Exception as error:
        found = [f"it cannot be verified: internal error: {type(error).__name__}: {error}"]
    return _refused("githarness let nothing of this push in", found)


def _say(line: str) -> None:
    sys.stderr.write(printable(line.replace("\n", " ")) + "\n")


if __name__ == "__main__":
    sys.exit(main())
