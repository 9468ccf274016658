"""Whether the process that a lease was acquired for is gone: only who can see it may say so.

Process ids mean something in one PID namespace of one boot. Who is in another, or has the /proc of another, cannot tell
a dead holder from one that it does not see, and leaves it its time.
"""

from __future__ import annotations

import contextlib
import os

from githarness import clock
from githarness.store.leases import Lease


def namespace() -> int:
    """The PID namespace whose ids this process and its /proc speak of, by its inode; 0 where that cannot be known."""
    with contextlib.suppress(OSError):
        if os.readlink("/proc/self") == str(os.getpid()):
            return os.stat("/proc/self/ns/pid").st_ino
    return 0


def is_gone(lease: Lease) -> bool:
    """Of a lease of this boot. A process that is there, but hidden from us (hidepid), is not gone."""
    if not lease.pid or not lease.pid_space or lease.pid_space != namespace():
        return False
    try:
        os.kill(lease.pid, 0)
    except ProcessLookupError:
        return True
    except OSError:
        pass
    return clock.process_start(lease.pid) > 0 and not clock.is_alive(lease.pid, lease.pid_start or 0)
