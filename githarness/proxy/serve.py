"""Runs the vault daemon of one repository from start to clean end."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from pathlib import Path

from githarness import clock, flock, hardening, sockets
from githarness.errors import HarnessError, Unavailable
from githarness.git.reader import Reader
from githarness.git.repo import Repo
from githarness.proxy import spool
from githarness.proxy.connection import Limits
from githarness.proxy.desk import Desk
from githarness.proxy.door_ops import Doors
from githarness.proxy.ground import Ground
from githarness.proxy.holding import Holding
from githarness.proxy.leases import Leases
from githarness.proxy.mover import Mover
from githarness.proxy.server import Server
from githarness.proxy.spool import Spool
from githarness.settings import Settings
from githarness.store import commits
from githarness.store.db import Database
from githarness.store.keyring import Keyring
from githarness.vault import wire
from githarness.work.governance import Governed
from githarness.work.parts import Parts
from githarness.work.rulebook import POLICIES

_ENDS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_WAIT = 5.0  # a command that uses the vault in its own process is done by then
_DEFAULT = Limits()

Say = Callable[[Path, str], None]  # the socket, and why the vault is locked, empty where it is open


def serve(settings: Settings, repo: Repo, ref: str, *, say: Say, limits: Limits = _DEFAULT) -> None:
    """Returns after SIGTERM, SIGINT or SIGHUP. Raises Locked where another daemon serves already."""
    if sys.platform != "linux":
        raise Unavailable("the vault daemon runs on Linux", fix="go on without it: vault get works in process")
    hardening.harden()
    repo.home.mkdir(mode=0o700, exist_ok=True)
    with flock.exclusive(repo.home / spool.LOCK, wait=_WAIT, what="the vault daemon of this repository",
                         fix="githarness vault status says who serves; githarness vault serve --stop ends it"):
        mover = Mover(repo.home)  # has the lock too: while it works, nobody else takes up the spool
        path = wire.socket_path(settings, repo.common_dir)
        seat = sockets.handed(settings.environ) or sockets.bound(path, stop="githarness vault serve --stop")
        try:
            desk = opened(settings, parts_of(settings, repo, ref))
            server = Server(seat.listener, desk, mover, limits)
            doors = Doors(desk, settings, repo.common_dir, server.attach)
            server.tick = doors.tick
            for number in _ENDS:
                signal.signal(number, lambda *_: server.stop())
            say(seat.path, desk.holding.why_locked if desk.holding.locked else "")
            server.run()
            seat.leave()
            doors.close()
            server.close()
        finally:
            seat.leave()
            mover.close()


def opened(settings: Settings, parts: Parts) -> Desk:
    """A desk for who holds the lock: what the spool had is in the log, and the vault is open where it opens alone."""
    spool.move_all(parts.db, parts.repo.home)
    ground = Ground(parts)
    desk = Desk(ground, Holding(ground, settings), Spool(parts.repo.home), Leases(parts.repo.home))
    desk.catch_up()
    return desk


def parts_of(settings: Settings, repo: Repo, ref: str) -> Parts:
    """As wiring makes them, of what the daemon needs."""
    db, reader = Database(repo.home, clock.SYSTEM), Reader(repo)

    def had_policy(commit: str) -> bool | None:
        try:
            with db.read() as conn:
                return commits.touched(conn, commit, POLICIES)
        except HarnessError:
            return None

    return Parts(repo, ref, clock.SYSTEM, db, reader, Keyring(settings, lambda: None), Governed(reader, had_policy))
