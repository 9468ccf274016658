"""`githarness-attribution`: a commit that says it is an agent's carries that agent's signature, or is refused.

As commit-msg hook it reads the message of a commit that plain git is about to make, and that nobody has signed for an
agent. With --range or --since it judges commits that are there, by their signatures.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence

from githarness import settings
from githarness.checks import door
from githarness.errors import Usage
from githarness.policy import trailers
from githarness.skills.model import Finding

GATE = "GH060"
# The trailers of githarness (docs/design.md) by which a commit says that an agent wrote it under a policy.
_CLAIMS = {"agent": r"\S.*", "run": r"r-.+", "tier": r"T\d", "policy": r"sha256:[0-9a-f]{64}",
           "decision": r"(?:allow|deny|require_approval) rule=.*"}
# What git may take out of a message before it commits: by core.commentChar a line may begin with any of these.
_STRIPPED = re.compile(r"(?ms)^[#;@!$%^&|:]+ -{24} >8 -{24}$.*|^[#;@!$%^&|:][^\n]*\n?")
_FIX = "take these lines out, or let the agent write: githarness write PATH --agent NAME"


def main(argv: Sequence[str] | None = None) -> int:
    asked = door.Parser("githarness-attribution", __doc__, files=False)
    asked.add(lambda parser: parser.add_argument("message", nargs="?", metavar="MSGFILE",
                                                 help="the file with the message, as git passes it"))
    asked.add(lambda parser: parser.add_argument("--range", metavar="A..B",
                                                 help="judge the commits that B has and A has not"))
    return door.run(asked, _check, argv)


def _check(options: door.Options) -> Iterator[Finding]:
    if sum(given is not None for given in (options.message, options.range, options.since)) != 1:
        raise Usage("one of MSGFILE, --range and --since says what is checked", fix="githarness-attribution --help")
    if options.message is not None:
        return of_message(options.message, _read(options.message), settings.of_hook("GIT_AUTHOR_EMAIL") or "")
    base, dots, head = (options.range or f"{options.since}..").partition("..")
    if not dots or head.startswith("."):
        raise Usage(f"'{options.range}' is not a range of commits", fix="write it like origin/main..HEAD")
    from githarness.checks import revisions  # signatures, libgit2: nothing that a commit-msg hook needs

    return revisions.judged(revisions.since(base, head or "HEAD"))


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace", newline="") as file:
            return file.read()
    except OSError as error:
        raise Usage(f"'{path}' cannot be read: {error.strerror}", fix="name the file with the message") from error


def of_message(path: str, message: str, mail: str) -> Iterator[Finding]:
    """`mail`: the author's; agents have addresses that nobody else can have."""
    if mail.lower().endswith(".invalid"):
        yield Finding(path, 1, GATE, "error", f"the author '{mail}' is an agent, and plain git cannot sign for one",
                      "git commit --reset-author, or githarness write PATH --agent NAME", mail)
    for key, value in dict.fromkeys((*trailers.parse(message), *trailers.parse(_STRIPPED.sub("", message)))):
        if key.lower() in _CLAIMS and re.fullmatch(_CLAIMS[key.lower()], value):
            line = next((number for number, text in enumerate(message.split("\n"), 1) if text.startswith(key)), 1)
            text = f"{key}: {value}"[:100]
            yield Finding(path, line, GATE, "error", f"'{text}' says that an agent made this commit", _FIX, text)


if __name__ == "__main__":
    sys.exit(main())
