"""The daemon's seat: one per repository, on a socket that only its user reaches, or on one that was handed in."""

from __future__ import annotations

import contextlib
import os
import socket
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from githarness import flock
from githarness.daemon import place
from githarness.errors import Denied, Locked, Unavailable, Usage
from githarness.git.repo import Repo
from githarness.settings import Settings

_BACKLOG = 1024
_FIRST_HANDED = 3  # sd_listen_fds(3)


@dataclass(frozen=True, slots=True)
class Seat:
    listener: socket.socket
    path: Path
    ours: bool  # we made the socket file, so we remove it; with socket activation it stays


@contextlib.contextmanager
def taken(settings: Settings, repo: Repo) -> Iterator[Seat]:
    """Holds `daemon.lock`, listens and is announced. Raises Locked where another daemon serves the repository."""
    repo.home.mkdir(mode=0o700, exist_ok=True)
    with flock.exclusive(repo.home / "daemon.lock", wait=0.0, what="the daemon of this repository"):
        seat = _handed(settings) or _bound(place.socket_path(settings, repo))
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
    if seat.ours and seat.listener.fileno() >= 0:
        seat.path.unlink(missing_ok=True)


def _handed(settings: Settings) -> Seat | None:
    """The socket of socket activation, where these variables are meant for this very process."""
    if settings.environ.get("LISTEN_PID") != str(os.getpid()):
        return None
    if settings.environ.get("LISTEN_FDS") != "1":
        raise Usage("socket activation hands over exactly one socket", fix="set one ListenStream in the unit")
    try:
        listener = socket.socket(fileno=_FIRST_HANDED)
        listening = listener.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    except OSError as error:
        raise Usage("LISTEN_FDS is set, but descriptor 3 is no socket", fix="unset LISTEN_FDS") from error
    if listener.family != socket.AF_UNIX or listener.type != socket.SOCK_STREAM or not listening:
        raise Usage("the socket handed over is no listening Unix stream socket", fix="see docs/protocol.md")
    listener.set_inheritable(False)
    return Seat(listener, Path(os.fsdecode(listener.getsockname())), ours=False)


def _bound(path: Path) -> Seat:
    _private_folder(path.parent)
    _clear(path)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    before = os.umask(0o177)
    try:
        with place.address(path) as short:
            listener.bind(short)
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        raise Unavailable(f"cannot listen on '{path}': {error.strerror}", fix="set XDG_RUNTIME_DIR") from error
    finally:
        os.umask(before)
    return Seat(listener, path, ours=True)


def _private_folder(folder: Path) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or stat.S_IMODE(found.st_mode) & 0o077:
        raise Denied(f"'{folder}' is not a folder that only this user can enter", fix=f"chmod 700 {folder}")


def _clear(path: Path) -> None:
    """Takes away a socket file that nobody answers at. A live one stays, though its owner does not hold our lock."""
    try:
        place.connect(path, timeout=1.0).close()
    except FileNotFoundError:
        return
    except OSError as error:
        if isinstance(error, ConnectionRefusedError) and stat.S_ISSOCK(path.lstat().st_mode):
            path.unlink()
            return
        raise Unavailable(f"'{path}' is in the way: {error.strerror}", fix=f"look at {path}") from error
    raise Locked(f"another program listens on '{path}'", fix="githarness serve --stop")
