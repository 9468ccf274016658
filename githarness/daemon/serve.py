"""Runs the daemon of one repository from start to clean end, and speaks to one that runs."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from typing import Any, cast

from githarness import flock, hardening
from githarness.clock import SYSTEM, Clock
from githarness.daemon import aside, link, listen, place, requests
from githarness.daemon.connection import Limits
from githarness.daemon.desk import Desk, Served
from githarness.daemon.ground import Ground
from githarness.daemon.server import Server
from githarness.daemon.upkeep import Upkeep
from githarness.errors import NotFound, Unavailable
from githarness.git.repo import Repo
from githarness.settings import Settings

_ENDS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_STOP_WAIT = 30.0
_DEFAULT = Limits()

Say = Callable[[str, str], None]  # kind (ready, note) and text


def serve(settings: Settings, repo: Repo, served: Served, *, say: Say, limits: Limits = _DEFAULT,
          clock: Clock = SYSTEM) -> dict[str, int]:
    """Returns what was counted, after SIGTERM, SIGINT or SIGHUP.

    Raises Locked where another daemon serves already, Unavailable once the database was removed or replaced.
    """
    if sys.platform != "linux":
        raise Unavailable("the daemon runs on Linux", fix="go on without it: every command works in process")
    hardening.harden()
    with aside.started(served.ledger.maintain) as maintain, listen.taken(settings, repo) as seat:
        def note(text: str) -> None:
            say("note", text)

        desk, ground = Desk(served, place.repository(repo), note), Ground(repo)
        server = Server(seat.listener, desk, Upkeep(maintain, limits, note, ground), limits=limits, clock=clock)
        for number in _ENDS:
            signal.signal(number, lambda *_: server.stop())
        say("ready", str(seat.path))
        server.run()
        listen.leave(seat, repo)
        server.close()
        ground.check()
        return server.status()


def status(settings: Settings, repo: Repo) -> dict[str, Any]:
    """Raises NotFound where no daemon answers, Unavailable where it stops answering."""
    reached = link.reach(settings, repo)
    if reached is None:
        raise NotFound(f"no daemon serves '{place.repository(repo)}'", fix="githarness serve")
    try:
        answer = reached.ask(lambda number: requests.bare(number, "status"))
    except (link.NotDone, link.Lost) as error:
        raise Unavailable("the daemon went away", fix="githarness serve") from error
    finally:
        reached.close()
    return {name: value for name, value in cast(dict[str, Any], answer.what).items() if name not in ("is", "id")}


def stop(settings: Settings, repo: Repo) -> int:
    """Ends the daemon and waits until it is gone; its process id. Raises as `status` does, Locked if it stays."""
    pid = int(status(settings, repo)["pid"])
    os.kill(pid, signal.SIGTERM)
    with flock.exclusive(repo.home / "daemon.lock", wait=_STOP_WAIT, what="the daemon"):
        return pid
