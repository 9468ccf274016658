"""Runs the command of `notify`: without a shell, with the message on its stdin, for a few seconds at most."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

TIMEOUT = 10.0  # seconds


def tell(command: Sequence[str], message: bytes, *, directory: Path, environ: Mapping[str, str]) -> str:
    """Why it failed, empty where it did not; what it started is ended with it where it takes too long."""
    try:
        child = subprocess.Popen(command, cwd=directory, env=dict(environ), stdin=subprocess.PIPE,
                                 stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True)
    except OSError as error:
        return f"'{command[0]}' cannot be started: {error.strerror}"
    with child:
        try:
            said = child.communicate(message, TIMEOUT)[1]
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            return f"'{command[0]}' took longer than {TIMEOUT:.0f} seconds"
    words = said.decode(errors="replace").strip()[-300:]
    return f"'{command[0]}' ended with {child.returncode}: {words}" if child.returncode else ""
