"""The daemon's side of its doors, which are processes of their own: started when needed, and again when they died.

Each has a socketpair to the daemon, on which it asks, and a listening socket, which outlives it: a base URL and a path
for SSH_AUTH_SOCK stay what they are.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import socket
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from githarness import hardening

# Isolated: nothing of the surroundings is imported; but it is of this very tree.
_START = ("import sys, runpy; root, module = sys.argv[1:]; root in sys.path or sys.path.insert(0, root); "
          "runpy.run_module(module, run_name='__main__', alter_sys=True)")
ADOPTED = "@"  # before an agent's own signing key, where a door names secrets
_LINE, _LISTENER = 3, 4  # descriptors of a door
_PASSED = ("SSL_CERT_FILE", "SSL_CERT_DIR")  # an operator's own authorities; no proxy setting is passed on


class Child:
    """`module`: what runs. `watch` is told the daemon's end of each new line, and the process at its other end."""

    def __init__(self, module: str, listener: socket.socket, environ: Mapping[str, str],
                 watch: Callable[[socket.socket, int], None]) -> None:
        self._module, self.listener, self._watch = module, listener, watch
        self._environ = {name: environ[name] for name in _PASSED if name in environ}
        self._pid = 0

    def ensure(self) -> None:
        """Starts the process, unless it runs."""
        if self._pid and _runs(self._pid):
            return
        ours, theirs = socket.socketpair()
        with theirs:
            self._pid = _spawned(self._module, theirs.fileno(), self.listener.fileno(), self._environ)
        self._watch(ours, self._pid)

    def close(self) -> None:
        self.listener.close()
        if self._pid and _runs(self._pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._pid, signal.SIGKILL)
            os.waitpid(self._pid, 0)
        self._pid = 0


def _runs(pid: int) -> bool:
    try:
        return os.waitpid(pid, os.WNOHANG) == (0, 0)
    except ChildProcessError:
        return False


def _spawned(module: str, line: int, listener: int, environ: Mapping[str, str]) -> int:
    """Nothing but the two descriptors is inherited; signals are as at the start of a process."""
    high = [fcntl.fcntl(each, fcntl.F_DUPFD_CLOEXEC, _LISTENER + 1) for each in (line, listener)]
    actions = [(os.POSIX_SPAWN_DUP2, high[0], _LINE), (os.POSIX_SPAWN_DUP2, high[1], _LISTENER),
               (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDWR, 0), (os.POSIX_SPAWN_DUP2, 0, 1)]
    try:
        words = [sys.executable, "-I", "-c", _START, str(Path(hardening.__file__).parent.parent), module]
        return os.posix_spawn(sys.executable, words, environ, file_actions=actions,
                              setsigdef=signal.valid_signals(), setsigmask=())
    finally:
        for each in high:
            os.close(each)
