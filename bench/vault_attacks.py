"""The cases of docs/attacks.md that make sense for any store of credentials, tried on ours and on latchkey, as a table.

A case returns True where the attack came to nothing: refused, or without effect.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from harness import ENV, git

A, B, VALUE = "attack/a", "attack/b", "the-first-value-of-all"


def table(ours: Any, peer: Any) -> None:
    print(f"\n{'case':5} {'attack':64} {'vault':9} latchkey")
    both = (_Ours(ours), _Latchkey(peer) if peer else None)
    for case, what in CASES.items():
        said = [_tried(each, case.lower()) if each else "-" for each in both]
        print(f"{case[:3]:5} {what:64} {said[0]:9} {said[1]}")


def _tried(on: Any, case: str) -> str:
    try:
        on.ready()
        held = getattr(on, case)()
    except (OSError, ValueError, KeyError, subprocess.SubprocessError) as error:
        return "BROKEN, it ended" if on.ended else f"error {type(error).__name__}"
    return "-" if held is None else "held" if held else "BROKEN"


CASES = {
    "V01": "ciphertext swapped between two names", "V02": "an older version put back",
    "V03": "the unencrypted part edited (host)", "V05": "a removed secret put back",
    "V08": "a record cut short is told as an error, not as a value",
    "V10": "the key is gone: no new store is begun in silence", "V13": "a key that everybody can read is refused",
    "V18": "no core dump", "V19": "the value is not in the daemon's memory after a get (root)",
    "V20": "a value is not given on the command line", "V25": "a client that says nothing delays nobody else",
    "V26": "malformed, deep and foreign requests; the daemon goes on",
    "V26b": "a client that hangs up before its answer; the daemon goes on",
    "V27": "who asks without a name gets nothing", "V36": "a list shows only what the caller may use",
    "V38": "each use is on record",
}


def memory_has(pid: int, value: bytes) -> bool:
    with open(f"/proc/{pid}/mem", "rb", 0) as memory:
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            low, high = (int(end, 16) for end in line.split()[0].split("-"))
            if line.split()[1][0] != "r" or high - low > 1 << 30:
                continue
            try:
                memory.seek(low)
                if value in memory.read(high - low):
                    return True
            except (OSError, OverflowError, ValueError):
                continue
    return False


def no_core(pid: int) -> bool:
    limits = Path(f"/proc/{pid}/limits").read_text()
    return re.search(r"Max core file size +0 +0 ", limits) is not None


class _Latchkey:
    def __init__(self, peer: Any) -> None:
        self.peer = peer
        self.sql = "import sqlite3, os; c = sqlite3.connect(os.path.expanduser('~/.latchkey/credentials.db'))\n"
        peer.run(f"from latchkey.core import CredentialStore as S; s = S(); s.add({A!r}, 'u', {VALUE!r}, url='a.org')\n"
                 f"s.add({B!r}, 'u', 'another-value-of-b', url='b.org')")
        if not peer.process:
            peer.start()

    def ready(self) -> None:
        """An attack before this one may have ended it."""
        with contextlib.suppress(OSError, ValueError):
            self.peer.ask({"action": "ping"}, timeout=15)  # what it still has in hand may end it too
            return
        self.peer.stop()
        self.peer.start()
        self._fresh()

    @property
    def ended(self) -> bool:
        time.sleep(0.5)
        return self.peer.process.poll() is not None

    def _sql(self, code: str) -> None:
        done = self.peer.run(self.sql + code + "\nc.commit()")
        assert done.returncode == 0, done.stderr

    def v01(self) -> bool:
        self._sql(f"rows = dict(c.execute('select service, password_encrypted from credentials'))\n"
                  f"c.execute('update credentials set password_encrypted=? where service=?', (rows[{B!r}], {A!r}))")
        got = self.peer.get(A)
        self._fresh()
        return got not in ("another-value-of-b",)

    def _fresh(self) -> None:
        self.peer.run(f"from latchkey.core import CredentialStore as S; S().add({A!r}, 'u', {VALUE!r}, url='a.org')")

    def v02(self) -> bool:
        self._sql(f"old = c.execute('select password_encrypted from credentials where service=?', ({A!r},))\n"
                  "old = old.fetchone()[0]\nopen(os.path.expanduser('~/old'), 'w').write(old)")
        self.peer.run(f"from latchkey.core import CredentialStore as S; S().add({A!r}, 'u', 'the-second-value')")
        self._sql(f"c.execute('update credentials set password_encrypted=? where service=?', "
                  f"(open(os.path.expanduser('~/old')).read(), {A!r}))")
        return self.peer.get(A) != VALUE

    def v03(self) -> bool:
        self._sql(f"c.execute('update credentials set url=? where service=?', ('evil.org', {A!r}))")
        return self.peer.ask({"action": "get", "service": A}).get("url") != "evil.org"

    def v05(self) -> bool:
        self._sql(f"row = c.execute('select * from credentials where service=?', ({A!r},)).fetchone()\n"
                  f"c.execute('delete from credentials where service=?', ({A!r},))\n"
                  "c.execute('insert into credentials values (?,?,?,?,?,?,?,?)', row)")
        return self.peer.get(A) is None

    def v08(self) -> bool:
        self._sql("c.execute('update credentials set password_encrypted=substr(password_encrypted,1,20) "
                  f"where service=?', ({A!r},))")
        got = self.peer.get(A)
        self._fresh()
        return got is None

    def v10(self) -> bool:
        key = self.peer.store / ".master_key"
        kept = key.read_bytes()
        key.unlink()
        done = self.peer.run("from latchkey.core import CredentialStore as S; S()")
        made = key.exists()
        key.write_bytes(kept)
        return done.returncode != 0 or not made

    def v13(self) -> bool:
        key = self.peer.store / ".master_key"
        key.chmod(0o644)
        done = self.peer.run(f"from latchkey.core import CredentialStore as S; assert S().get({A!r})")
        key.chmod(0o600)
        return done.returncode != 0

    def v18(self) -> bool:
        return no_core(self.peer.process.pid)

    def v19(self) -> bool | None:
        if os.geteuid():
            return None
        self.peer.get(A)
        return not memory_has(self.peer.process.pid, VALUE.encode())

    def v20(self) -> bool:
        """Its command has no other way."""
        done = subprocess.run([self.peer.python, "-m", "latchkey.cli", "add", "--help"], env=self.peer.env,
                              capture_output=True, text=True)
        return "password" not in done.stdout.split("\n\n")[0]

    def v25(self) -> bool:
        with socket.socket(socket.AF_UNIX) as silent:
            silent.connect(self.peer.socket)
            begun = time.perf_counter()
            try:
                self.peer.get(A, timeout=2)
            except TimeoutError:
                return False
            return time.perf_counter() - begun < 1

    def v26(self) -> bool:
        for data in (b"\xff\xfe\n", b"[1]\n", b"[" * 90_000 + b"\n", b'{"action": {}}\n', b"GET / HTTP/1.1\n"):
            self.peer.send(data)
        return self.peer.get(A) is not None

    def v26b(self) -> bool:
        for _ in range(50):
            with socket.socket(socket.AF_UNIX) as sock:
                sock.connect(self.peer.socket)
                sock.sendall(json.dumps({"action": "list"}).encode() + b"\n")
        time.sleep(1)
        alive = self.peer.process.poll() is None
        if not alive:
            self.peer.start()
        return alive

    def v27(self) -> bool:
        return self.peer.get(A) is None

    def v36(self) -> bool:
        return A not in self.peer.ask({"action": "list"}).get("services", [])

    def v38(self) -> bool:
        self.peer.get(A)
        return any(A.encode() in path.read_bytes() for path in self.peer.store.iterdir()
                   if path.is_file() and not path.name.startswith("credentials.db"))


class _Ours:
    """The daemon takes up what git's head has, so that an attack is a commit by whoever may commit."""

    def __init__(self, ours: Any) -> None:
        self.ours, self.repo = ours, ours.repo
        self._set(A, VALUE)
        self._set(B, "another-value-of-b")
        self._set("attack/hosted", "the-value-for-one-host", "--mode", "proxy", "--host", "a.example.org")
        if not ours.process:
            ours.start()

    def ready(self) -> None:
        """Nothing ends it."""

    @property
    def ended(self) -> bool:
        return self.ours.process.poll() is not None

    def _command(self, *args: str, given: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run([sys.executable, "-m", "githarness", *args], cwd=self.repo, env=ENV, input=given,
                              capture_output=True, text=True)

    def _set(self, name: str, value: str, *more: str) -> None:
        done = self._command("vault", "set", name, *more, given=value)
        assert done.returncode == 0, done.stderr

    def _got(self, name: str) -> bool:
        with self.ours.connect() as sock:
            try:
                self.ours.get(sock, name)
            except AssertionError:
                return False
            return True

    def _file(self, name: str) -> Path:
        return self.repo / ".githarness" / "vault" / name

    def _committed(self, change: Callable[[], object], name: str) -> bool:
        """Whether the secret is refused with the change at head; the branch is put back."""
        before = git(self.repo, "rev-parse", "HEAD").decode().strip()
        assert self._got(name) or name == "attack/removed"
        change()
        git(self.repo, "commit", "-q", "-a", "--no-verify", "-m", "attack")
        refused = not self._got(name)
        git(self.repo, "reset", "-q", "--hard", before)
        return refused

    def v01(self) -> bool:
        def swap() -> None:
            one, other = self._file(A).read_bytes(), self._file(B).read_bytes()
            self._file(A).write_bytes(other)
            self._file(B).write_bytes(one)
        return self._committed(swap, A)

    def v02(self) -> bool:
        old = self._file(A).read_bytes()
        self._set(A, VALUE)
        return self._committed(lambda: self._file(A).write_bytes(old), A)

    def v03(self) -> bool:
        def edit() -> None:
            text = self._file(B).read_text()
            self._file(B).write_text(text.replace("modes: exec, get", "modes: exec, get, sign"))
        return self._committed(edit, B)

    def v05(self) -> bool:
        self._set("attack/removed", "this-one-is-removed")
        self._command("vault", "rm", "attack/removed")
        return self._committed(lambda: git(self.repo, "revert", "--no-commit", "HEAD"), "attack/removed")

    def v08(self) -> bool:
        return self._committed(lambda: self._file(B).write_bytes(self._file(B).read_bytes()[:300]), B)

    def _keys(self) -> Path:
        return next(Path(ENV["XDG_DATA_HOME"], "githarness", "vault").glob("v-*"))

    def _without_daemon(self, *args: str) -> subprocess.CompletedProcess[str]:
        self.ours.stop()
        return self._command("vault", *args, given="a value of some length")

    def v10(self) -> bool:
        keys = self._keys() / "keyslots.json"
        kept = keys.rename(keys.with_name("kept"))
        done = self._without_daemon("set", A)
        made = keys.exists()
        kept.rename(keys)
        self.ours.start()
        return done.returncode != 0 and not made

    def v13(self) -> bool:
        keyfile = self._keys() / "keyfile"
        keyfile.chmod(0o644)
        done = self._without_daemon("set", A)
        keyfile.chmod(0o600)
        self.ours.start()
        return done.returncode != 0

    def v18(self) -> bool:
        return no_core(self.ours.process.pid)

    def v19(self) -> bool | None:
        if os.geteuid():
            return None
        assert self._got(A)
        return not memory_has(self.ours.process.pid, VALUE.encode())

    def v20(self) -> bool:
        return self._command("vault", "set", A, "value-in-argv").returncode == 2

    def v25(self) -> bool:
        with socket.socket(socket.AF_UNIX) as silent:
            silent.connect(self.ours.socket)
            begun = time.perf_counter()
            return self._got(A) and time.perf_counter() - begun < 1

    def v26(self) -> bool:
        for data in (b"\xff" * 64, b"\0\0\0\x05\0\0\0\x01[", b"GET / HTTP/1.1\r\n\r\n", b"[" * 90_000):
            with socket.socket(socket.AF_UNIX) as sock:
                sock.settimeout(5)
                sock.connect(self.ours.socket)
                sock.sendall(data)
                sock.shutdown(socket.SHUT_WR)
                with contextlib.suppress(OSError):
                    sock.recv(4096)
        return self._got(A)

    def v26b(self) -> bool:
        for _ in range(50):
            sock = self.ours.connect()
            sock.sendall(b"".join(self.ours.request(A) for _ in range(20)))
            sock.close()
        time.sleep(1)
        return self.ours.process.poll() is None and self._got(A)

    def v27(self) -> bool:
        with socket.socket(socket.AF_UNIX) as sock:
            sock.connect(self.ours.socket)
            sock.sendall(self.ours.request(A))
            return b'"error"' in sock.recv(4096)

    def v36(self) -> bool:
        self._command("agent", "add", "stranger")
        with socket.socket(socket.AF_UNIX) as sock:
            sock.connect(self.ours.socket)
            sock.sendall(self.ours.frame({"id": 1, "op": "hello", "agent": "stranger", "run": "r-stranger"}))
            sock.recv(4096)
            sock.sendall(self.ours.frame({"id": 2, "op": "list"}))
            return A.encode() not in sock.recv(1 << 20)

    def v38(self) -> bool:
        assert self._got(A)
        time.sleep(1)
        done = self._command("audit", "log", "--kind", "secret", "-n", "2000", "--json")
        return any(one.get("secret") == A for one in json.loads(done.stdout)["items"])
