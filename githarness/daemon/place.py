"""Where the daemon of a repository is: its socket, and `daemon.json` beside the database, by which cron finds it too.

    {"version":1,"pid":…,"pid_start":…,"boot":"…","socket":"/run/user/1000/githarness/ledger-….sock","protocol":1}
The file is replaced atomically and is a hint: only a connection shows that a daemon is alive.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path

from githarness import canon, clock, frames
from githarness.git.repo import Repo
from githarness.settings import Settings

FORMAT = 1


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
        with open(f"{repo.home}/daemon.json", "rb") as file:  # looked for at every ask
            note = json.load(file)
        if note["version"] != FORMAT or note["protocol"] != frames.VERSION:
            return None
        return Running(int(note["pid"]), int(note["pid_start"]), str(note["boot"]), Path(note["socket"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None
