"""Where the daemon sits: alone, found by its note, on a socket that only its user reaches."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from githarness import clock, settings
from githarness.daemon import link, place
from githarness.git.repo import Repo

Start = Callable[..., Any]


def refused(daemon: Start) -> str:
    """What a daemon that does not start says."""
    with pytest.raises(AssertionError) as failure:
        daemon()
    return str(failure.value)


def test_the_note_says_who_serves_where(daemon: Start) -> None:
    """Enough to tell a living daemon from a process that has its number now."""
    served = daemon()
    note = json.loads((served.repo.home / "daemon.json").read_bytes())
    pid = served.process.pid
    assert note == {"version": 1, "pid": pid, "pid_start": clock.process_start(pid), "boot": clock.boot_id(),
                    "socket": str(served.socket), "protocol": 1}


def test_only_its_user_reaches_the_socket(daemon: Start) -> None:
    """A 0700 folder, a 0600 socket, whatever the umask."""
    before = os.umask(0)
    try:
        served = daemon()
    finally:
        os.umask(before)
    assert stat.S_IMODE(served.socket.stat().st_mode) == 0o600
    assert stat.S_IMODE(served.socket.parent.stat().st_mode) == 0o700
    assert stat.S_IMODE(served.repo.home.stat().st_mode) == 0o700


def test_a_runtime_folder_that_others_enter_is_refused(daemon: Start, home: Path) -> None:
    """Somebody else could have put a socket there."""
    (home / "run" / "githarness").mkdir(mode=0o755)
    (home / "run" / "githarness").chmod(0o755)
    assert "only this user can enter" in refused(daemon)


def test_a_second_daemon_is_locked_out(daemon: Start) -> None:
    """And leaves the first one's socket and note alone."""
    served = daemon()
    assert "Held" in refused(daemon)
    assert link.reach(settings.load(), served.repo) is not None


def test_what_a_killed_daemon_left_is_replaced(daemon: Start) -> None:
    """Its socket file refuses connections, so it is nobody's."""
    first = daemon()
    first.end(signal.SIGKILL)
    assert first.socket.exists()
    second = daemon()
    assert second.socket == first.socket and place.announced(second.repo).pid == second.process.pid


def test_a_live_socket_is_never_unlinked(daemon: Start, place_of: Repo) -> None:
    """Also where its owner holds no lock of ours."""
    path = place.socket_path(settings.load(), place_of)
    path.parent.mkdir(mode=0o700)
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(path))
        other.listen()
        assert "another program listens" in refused(daemon)
        assert path.exists()


def test_a_file_in_the_way_is_not_removed(daemon: Start, place_of: Repo) -> None:
    """It is no socket, so it is not ours."""
    path = place.socket_path(settings.load(), place_of)
    path.parent.mkdir(mode=0o700)
    path.write_text("mine")
    refused(daemon)
    assert path.read_text() == "mine"


def test_a_long_runtime_folder(daemon: Start, wire: Start, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """107 bytes are all that a socket's address holds."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(home / "run" / ("long" * 30)))
    served = daemon()
    assert len(str(served.socket)) > 120
    assert wire(served)
    assert served.end() == 0 and not served.socket.exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_an_idle_daemon_ends_cleanly_and_at_once(number: int, daemon: Start) -> None:
    """Exit code 0, nothing left behind."""
    served = daemon()
    assert served.end(number) == 0
    assert not served.socket.exists() and not (served.repo.home / "daemon.json").exists()


def test_it_is_not_dumpable(daemon: Start) -> None:
    """No core dumps; files of /proc/PID that show memory belong to root."""
    served = daemon()
    limits = Path(f"/proc/{served.process.pid}/limits").read_text()
    assert next(line for line in limits.splitlines() if line.startswith("Max core")).split()[4] == "0"
    if os.getuid():
        assert Path(f"/proc/{served.process.pid}/environ").stat().st_uid == 0
    else:
        code = "import ctypes, resource as r, githarness.hardening as p; r.setrlimit(r.RLIMIT_CORE, (9, 9)); " \
               "p.harden(); print(ctypes.CDLL(None).prctl(3), r.getrlimit(r.RLIMIT_CORE)[0])"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert done.stdout.split() == ["0", "0"]


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")
def test_another_user_is_refused(daemon: Start) -> None:
    """Even where file modes would let it in."""
    served = daemon()
    served.socket.parent.chmod(0o755)
    served.socket.chmod(0o666)
    code = "import os, socket, sys; os.setuid(65534); s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); " \
           "s.settimeout(5); print(s.recv(4096)[8:].decode()); print(s.recv(10) == b'')"
    command = [sys.executable, "-c", code, served.socket.name]
    done = subprocess.run(command, cwd=served.socket.parent, capture_output=True, text=True, check=False)
    said, ended = done.stdout.splitlines()
    assert json.loads(said)["error"]["code"] == "denied" and ended == "True"


ACTIVATE = """
import os, socket, sys
listener = socket.socket(socket.AF_UNIX)
listener.bind(sys.argv[1])
listener.listen(64)
os.dup2(listener.fileno(), 3)
os.set_inheritable(3, True)
os.environ["LISTEN_PID"], os.environ["LISTEN_FDS"] = sys.argv[2].replace("me", str(os.getpid())), sys.argv[3]
os.execv(sys.executable, [sys.executable, *sys.argv[4:]])
"""


def activated(repo: Repo, path: Path, pid: str, count: str = "1") -> subprocess.Popen[str]:
    script = str(Path(__file__).with_name("fake_daemon.py"))
    command = [sys.executable, "-c", ACTIVATE, str(path), pid, count, script, str(repo.common_dir), "{}"]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_socket_activation(place_of: Repo, home: Path) -> None:
    """The socket that was handed in is served, announced, and left in place."""
    path = home / "run" / "given.sock"
    process = activated(place_of, path, "me")
    assert process.stdout and json.loads(process.stdout.readline()) == ["ready", str(path)]
    reached = link.reach(settings.load(), place_of)
    assert reached
    reached.close()
    process.terminate()
    process.communicate()
    assert process.returncode == 0 and path.exists() and place.announced(place_of) is None


def test_activation_meant_for_another_process_is_ignored(place_of: Repo, home: Path) -> None:
    """The variables are inherited by children of a service."""
    process = activated(place_of, home / "run" / "given.sock", "1")
    assert process.stdout and json.loads(process.stdout.readline())[1].endswith(".sock")
    assert place.announced(place_of).socket == place.socket_path(settings.load(), place_of)  # type: ignore[union-attr]
    process.terminate()
    process.communicate()


def test_activation_with_two_sockets_is_refused(place_of: Repo, home: Path) -> None:
    """Nothing says which is which."""
    process = activated(place_of, home / "run" / "given.sock", "me", "2")
    assert "exactly one socket" in process.communicate()[1] and process.returncode
