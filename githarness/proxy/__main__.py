"""`python -I -m githarness.proxy DIRECTORY REF [--json]`: the vault daemon, without whatever commands load."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from githarness import settings
from githarness.errors import HarnessError
from githarness.git.repo import discover
from githarness.proxy import serve


def main(directory: str, ref: str, *flags: str) -> int:
    as_json = "--json" in flags

    def say(path: Path, locked: str) -> None:
        if as_json:
            _write(sys.stdout.fileno(), json.dumps({"event": "ready", "pid": os.getpid(), "socket": str(path),
                                                       "state": "locked" if locked else "unlocked"}))
        elif "--quiet" not in flags:
            _write(sys.stderr.fileno(), f"serving the vault of {directory} on {path}" + (
                f"\nnote: it is locked: {locked}; githarness vault unlock" if locked else ""))

    try:
        serve.serve(settings.load(), discover(Path(directory)), ref, say=say)
    except HarnessError as error:
        if as_json:
            _write(sys.stdout.fileno(), json.dumps(error.document()))
        else:
            _write(sys.stderr.fileno(), f"error: {error.message}\nhint: {error.fix}")
        return error.exit_code
    return 0


def _write(descriptor: int, text: str) -> None:
    os.write(descriptor, text.encode("utf-8", "backslashreplace") + b"\n")


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
