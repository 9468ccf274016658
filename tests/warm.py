"""Runs of the command without loading it anew: a process that has imported all of it forks for each.

Each run is a process as any other: its own environment, folder, streams and exit. What a cold start would show is
shown by the tests that start `python -m githarness` themselves, and by the whole suite under HARNESS_TESTS_COLD=1.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import json
import os
import pkgutil
import selectors
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


class Warm:
    """The end of the suite; the process goes when this does."""

    def __init__(self) -> None:
        self._line, theirs = socket.socketpair()
        with theirs:
            command = [sys.executable, str(Path(__file__)), str(theirs.fileno())]
            self._process = subprocess.Popen(command, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL,
                                             stdout=subprocess.DEVNULL)

    def run(self, args: Sequence[str], cwd: Path, *, stdin: bytes, env: Mapping[str, str],
            module: str = "githarness") -> tuple[int, bytes, bytes]:
        """Exit code (negative: the signal), stdout and stderr."""
        for text in (*args, str(cwd), *env, *env.values()):
            if b"\0" in os.fsencode(text):
                raise ValueError("embedded null byte")
        main = "githarness.__main__" if module == "githarness" else module
        asked = json.dumps({"args": args, "cwd": str(cwd), "env": dict(env), "umask": _umask(), "main": main}).encode()
        files = [_file(asked), _file(stdin), _file(b""), _file(b"")]
        ours, theirs = socket.socketpair()
        try:
            socket.send_fds(self._line, [b"x"], [theirs.fileno(), *files])
            theirs.close()
            said = ours.makefile().read()
            assert said, "the process that forks has died"
            return int(said), _content(files[2]), _content(files[3])
        finally:
            ours.close()
            for file in files:
                os.close(file)

    def close(self) -> None:
        self._line.close()
        self._process.wait()


def _umask() -> int:
    mask = os.umask(0o77)
    os.umask(mask)
    return mask


def _file(content: bytes) -> int:
    file = os.memfd_create("stream")
    os.write(file, content)
    os.lseek(file, 0, os.SEEK_SET)
    return file


def _content(file: int) -> bytes:
    return os.pread(file, os.fstat(file).st_size, 0)


def serve(line: socket.socket) -> None:
    """Forks for each line until the other end is gone; tells the code once the process is no more."""
    waiting: dict[int, int] = {}
    awake, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    with selectors.DefaultSelector() as selector:
        selector.register(line, selectors.EVENT_READ)
        selector.register(awake, selectors.EVENT_READ)
        while True:
            ready = {key.fd for key, _ in selector.select()}
            if awake in ready:
                os.read(awake, 4096)
                _reap(waiting)
            if line.fileno() in ready:
                word, files, _, _ = socket.recv_fds(line, 1, 5)
                if not word:
                    return
                process = os.fork()
                if not process:
                    selector.close()
                    _become(files, (awake, wake, line.detach(), *waiting.values()))
                waiting[process] = files[0]
                for file in files[1:]:
                    os.close(file)


def _reap(waiting: dict[int, int]) -> None:
    while waiting:
        process, status = os.waitpid(-1, os.WNOHANG)
        if not process:
            return
        os.write(waiting[process], str(os.waitstatus_to_exitcode(status)).encode())
        os.close(waiting.pop(process))


def _become(files: Sequence[int], others: Sequence[int]) -> None:
    """The command, and its end; as far as it can tell, the interpreter has just started."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    asked = json.loads(_content(files[1]))
    for number, file in enumerate(files[2:]):
        os.dup2(file, number)
    for file in (*files, *others):
        os.close(file)
    os.environ.clear()
    os.environ.update(asked["env"])
    os.umask(asked["umask"])
    os.chdir(asked["cwd"])
    time.tzset()
    _libgit2()
    module = importlib.import_module(asked["main"])
    sys.argv = [str(module.__file__), *asked["args"]]
    try:
        code: object = module.main() or 0
    except SystemExit as end:
        code = end.code or 0
    if isinstance(code, int):  # else, as where it raises anything else, the interpreter has more to say
        _end(code)
    sys.exit(str(code))


def _end(code: int) -> None:
    """What the end of the interpreter would do, but for taking all modules apart, which copies every page of them."""
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    gc.collect()
    for one in gc.get_objects():
        if isinstance(one, sqlite3.Connection):
            one.close()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code & 0xFF)


def _libgit2() -> None:
    """It looked for the homes of git's configuration when it was loaded."""
    import pygit2
    from pygit2.enums import ConfigLevel

    home = os.environ.get("HOME", "")
    pygit2.settings.search_path[ConfigLevel.GLOBAL] = home
    pygit2.settings.search_path[ConfigLevel.XDG] = (os.environ.get("XDG_CONFIG_HOME") or f"{home}/.config") + "/git"


def _load() -> None:
    """Every module, in the order of their names; the command line itself asks git nothing when it is loaded."""
    for name in ("git", "pygit2", "jsonschema", "frontmatter", "githarness"):
        importlib.import_module(name)
    package = importlib.import_module("githarness")
    for module in pkgutil.walk_packages(package.__path__, "githarness."):
        importlib.import_module(module.name)
    gc.collect()
    gc.freeze()


if __name__ == "__main__":
    sys.path[0] = str(ROOT)
    _load()
    serve(socket.socket(fileno=int(sys.argv[1])))
