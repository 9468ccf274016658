"""Running out of descriptors, to the last one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

STARVE = """
import os, resource, selectors, socket, sys
from githarness.door import Door
listener, client = socket.socket(socket.AF_UNIX), socket.socket(socket.AF_UNIX)
listener.bind(sys.argv[1]); listener.listen(); listener.settimeout(0.0)
selector = selectors.DefaultSelector()
filling = [os.dup(0) for _ in range(40)]
door = Door(listener, selector)
client.connect(sys.argv[1])
resource.setrlimit(resource.RLIMIT_NOFILE, (20, 4096))
print(len(selector.select(0)), door.arrivals(), len(selector.select(0)))
resource.setrlimit(resource.RLIMIT_NOFILE, (4096, 4096))
door.open()
print(len(selector.select(0)), len(door.arrivals()))
"""


def test_without_a_spare_descriptor_the_listener_rests(home: Path) -> None:
    """Readable for ever and not to be accepted from, it would spin; `open` wakes it when descriptors are free."""
    root = Path(__file__).resolve().parents[2]
    command = [sys.executable, "-c", STARVE, str(home / "run" / "d.sock")]
    env = {**os.environ, "PYTHONPATH": str(root)}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=env)
    assert done.stdout.splitlines() == ["1 [] 0", "1 1"]
