"""What the daemon does to its own process: no core dumps, no tracing by others of its user, room for connections."""

from __future__ import annotations

import ctypes
import resource
import sys

_PR_SET_DUMPABLE = 4
_ENOUGH = 4096


def harden() -> None:
    """As ssh-agent does: the daemon signs with agents' keys, so no other process of its user reads its memory."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)


def descriptors() -> int:
    """How many files this process may have open, after asking for as many as a thousand connections need."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    unlimited = resource.RLIM_INFINITY
    if soft != unlimited and soft < _ENOUGH:
        soft = _ENOUGH if hard == unlimited else min(hard, _ENOUGH)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return _ENOUGH if soft == unlimited else soft
