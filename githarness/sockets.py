"""Unix stream sockets of daemons: bound where only their user reaches them, and who is at the other end."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import stat
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from time import sleep

from githarness import clock
from githarness.errors import Denied, Locked, Unavailable, Usage

_LONGEST = 107  # sockaddr_un holds 108 bytes, one of them the NUL
_BACKLOG = 1024
_FIRST_HANDED = 3  # sd_listen_fds(3)


@dataclass(frozen=True, slots=True)
class Seat:
    listener: socket.socket
    path: Path
    ours: bool  # we made the socket file, so we remove it; with socket activation it stays

    def leave(self) -> None:
        """Nobody new finds us; connections that wait in the backlog can still be accepted until the socket closes."""
        if self.ours and self.listener.fileno() >= 0:
            self.path.unlink(missing_ok=True)


@contextlib.contextmanager
def address(path: Path) -> Iterator[str]:
    """What to bind or connect to: a path too long for a socket's address is reached through its open directory.

    Raises OSError.
    """
    if len(os.fsencode(path)) <= _LONGEST:
        yield str(path)
        return
    directory = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        short = f"/proc/self/fd/{directory}/{path.name}"
        if len(short) > _LONGEST:
            raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG), str(path))
        yield short
    finally:
        os.close(directory)


def connect(path: Path, timeout: float) -> socket.socket:
    """Raises OSError; the connection is closed on the way."""
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    try:
        deadline = clock.SYSTEM.monotonic() + timeout
        made.settimeout(timeout)
        with address(path) as short:
            while not _connects(made, short, deadline):
                sleep(0.01)
    except BaseException:
        made.close()
        raise
    return made


def _connects(made: socket.socket, short: str, deadline: float) -> bool:
    """False while the daemon has more callers waiting than the kernel lets wait, as where hundreds start at once."""
    try:
        made.connect(short)
    except BlockingIOError:
        if clock.SYSTEM.monotonic() > deadline:
            raise
        return False
    return True


def peer(connection: socket.socket) -> tuple[int, int]:
    """Process and user at the other end, as the kernel noted them when the connection was made."""
    packed = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    pid, uid, _ = struct.unpack("3i", packed)
    return pid, uid


def handed(environ: Mapping[str, str]) -> Seat | None:
    """The socket of socket activation, where these variables are meant for this very process. Raises Usage."""
    if environ.get("LISTEN_PID") != str(os.getpid()):
        return None
    if environ.get("LISTEN_FDS") != "1":
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


def bound(path: Path, *, stop: str) -> Seat:
    """Listens at a path that only this user reaches from its first moment on; `stop` ends who listens there already.

    Raises Denied for a folder others can enter, Locked where a program listens there, Unavailable.
    """
    _private_folder(path.parent)
    _clear(path, stop)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    before = os.umask(0o177)
    try:
        with address(path) as short:
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


def _clear(path: Path, stop: str) -> None:
    """Takes away a socket file that nobody answers at. A live one stays, though its owner does not hold our lock."""
    try:
        connect(path, timeout=1.0).close()
    except FileNotFoundError:
        return
    except OSError as error:
        if isinstance(error, ConnectionRefusedError) and stat.S_ISSOCK(path.lstat().st_mode):
            path.unlink()
            return
        raise Unavailable(f"'{path}' is in the way: {error.strerror}", fix=f"look at {path}") from error
    raise Locked(f"another program listens on '{path}'", fix=stop)
