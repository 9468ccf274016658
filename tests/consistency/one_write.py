"""One write in a process that says, by two harmless system calls, where the write begins and where it is acknowledged.

one_write.py REPO OPERATION      (umask 0o123 begins, umask 0o321 ends: nothing else calls umask with these)
"""

from __future__ import annotations

import os
import sys

import githarness

with githarness.open(sys.argv[1]) as h:
    me = h.agent("agent-0", run="r-crash-" + sys.argv[2])
    me.append("warm.txt", "warm")
    before = os.umask(0o123)
    os.umask(before)
    me.append("log.txt", sys.argv[2], operation=sys.argv[2])
    os.umask(0o321)
    os.umask(before)
    print("acknowledged", flush=True)
