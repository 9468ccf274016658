"""A command at a terminal of its own: what it shows there, and what is typed."""

from __future__ import annotations

import contextlib
import os
import pty
import sys
from pathlib import Path


def at_terminal(*args: str, cwd: Path, typed: str = "") -> tuple[int, str]:
    """The exit code and all that a terminal shows."""
    command = [sys.executable, "-m", "githarness", *args]
    pid, master = pty.fork()
    if pid == 0:
        os.chdir(cwd)
        os.execv(command[0], command)
    os.write(master, typed.encode())
    shown = b""
    with contextlib.suppress(OSError):  # EIO: the other end is closed
        while part := os.read(master, 65536):
            shown += part
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), shown.decode().replace("\r\n", "\n")
