"""A daemon over a fake ledger in a process of its own: `python fake_daemon.py REPO JSON`, with limits and faults.

Prints one JSON line for each thing it says. `{"at": "written", "after": 3}` kills it the third time it comes there.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from githarness import settings
from githarness.daemon.connection import Limits
from githarness.daemon.desk import Served
from githarness.daemon.serve import serve
from githarness.git.repo import discover
from tests.fakes import FakeLane, FakeTable


def main(folder: str, given: str) -> None:
    wish = json.loads(given)
    seen = 0

    def spoil(point: str) -> None:
        nonlocal seen
        if point == wish.get("at"):
            seen += 1
            if seen == wish.get("after", 1):
                os.kill(os.getpid(), getattr(signal, wish.get("signal", "SIGKILL")))
                time.sleep(0.01)

    repo = discover(Path(folder))
    lane = FakeLane(repo.common_dir / "fake", limited=True, delay=wish.get("delay", 0.0), spoil=spoil)
    counts = serve(settings.load(), repo, Served(lane, FakeTable()), limits=Limits(**wish.get("limits", {})),
                   say=lambda kind, text: print(json.dumps([kind, text]), flush=True))
    print(json.dumps(["stopped", counts]), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
