"""Where the daemon of a repository is: its socket, and `daemon.json` beside the database, by which cron finds it too.

    {"version":1,"pid":…,"pid_start":…,"boot":"…","socket":"/run/user/1000/githarness/ledger-….sock","protocol":1}
The file is replaced atomically and is a hint: only a connection shows that a daemon is alive.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from time import sleep

from githarness import canon, clock
from githarness.daemon import frames
from githarness.git.repo import Repo
from githarness.settings import Settings

FORMAT = 1
_LONGEST = 107  # sockaddr_un holds 108 bytes, one of them the NUL


@dataclass(frozen=True, slots=True)
class Running:
    pid: int
    pid_start: int
    boot: str
    socket: Path


def repository(repo: Repo) -> str:
    return os.path.realpath(repo.common_dir)


def socket_path(settings: Settings, repo: Repo) -> Path:
    return settings.runtime_dir / f"ledger-{hashlib.sha256(repository(repo).encode()).hexdigest()[:16]}.sock"


def note_path(repo: Repo) -> Path:
    return repo.home / "daemon.json"


def announce(repo: Repo, listening: Path) -> None:
    pid = os.getpid()
    note = {"version": FORMAT, "pid": pid, "pid_start": clock.process_start(pid), "boot": clock.boot_id(),
            "socket": str(listening), "protocol": frames.VERSION}
    temporary = note_path(repo).with_suffix(f".{pid}")
    temporary.write_text(canon.dumps(note) + "\n")
    temporary.replace(note_path(repo))


def announced(repo: Repo) -> Running | None:
    """None where there is no note, or one of another version: then nothing listens as far as this program knows."""
    try:
        note = json.loads(note_path(repo).read_bytes())
        if note["version"] != FORMAT or note["protocol"] != frames.VERSION:
            return None
        return Running(int(note["pid"]), int(note["pid_start"]), str(note["boot"]), Path(note["socket"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


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
