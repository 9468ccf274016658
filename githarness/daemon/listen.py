"""The daemon's seat: one per repository, on a socket that only its user reaches, or on one that was handed in."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

from githarness import flock, sockets
from githarness.daemon import place
from githarness.git.repo import Repo
from githarness.settings import Settings
from githarness.sockets import Seat


@contextlib.contextmanager
def taken(settings: Settings, repo: Repo) -> Iterator[Seat]:
    """Holds `daemon.lock`, listens and is announced. Raises Locked where another daemon serves the repository."""
    repo.home.mkdir(mode=0o700, exist_ok=True)
    with flock.exclusive(repo.home / "daemon.lock", wait=0.0, what="the daemon of this repository"):
        path = place.socket_path(settings, repo)
        seat = sockets.handed(settings.environ) or sockets.bound(path, stop="githarness serve --stop")
        try:
            seat.listener.settimeout(0.0)
            place.announce(repo, seat.path)
            yield seat
        finally:
            leave(seat, repo)


def leave(seat: Seat, repo: Repo) -> None:
    """Nobody finds us any more; connections that wait in the backlog can still be accepted until the socket closes."""
    running = place.announced(repo)
    if running is not None and running.pid == os.getpid():
        place.note_path(repo).unlink(missing_ok=True)
    seat.leave()
