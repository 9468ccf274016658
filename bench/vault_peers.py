"""What the vault is measured beside: `latchkey` from PyPI, in an environment of its own, and OpenSSH's ssh-agent."""

from __future__ import annotations

import base64
import json
import os
import socket
import struct
import subprocess
import sys
import time
from pathlib import Path

from harness import ENV

_VALUE = "a password of twenty-four"


def recv_line(sock: socket.socket) -> bytes:
    data = b""
    while not data.endswith(b"\n"):
        chunk = sock.recv(65536)
        if not chunk:
            break
        data += chunk
    return data


class Latchkey:
    """Installed by pip, or at `python` already; raises SystemExit where it cannot be."""

    def __init__(self, folder: Path, python: str | None = None) -> None:
        self.home = folder / "latchkey-home"
        self.home.mkdir()
        self.python = python or self._installed(folder / "latchkey-venv")
        self.env = {**ENV, "HOME": str(self.home)}
        self.env.pop("PYTHONPATH")
        self.store = self.home / ".latchkey"
        self.socket = str(self.store / "latchkey.sock")
        self.process: subprocess.Popen[bytes] | None = None

    @staticmethod
    def _installed(place: Path) -> str:
        subprocess.run([sys.executable, "-m", "venv", str(place)], check=True, capture_output=True)
        python = str(place / "bin" / "python")
        done = subprocess.run([python, "-m", "pip", "install", "-q", "latchkey"], capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"latchkey cannot be installed here: {done.stderr.strip().splitlines()[-1]}")
        return python

    def run(self, code: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([self.python, "-c", code], env=self.env, capture_output=True, text=True)

    def fill(self, number: int) -> None:
        done = self.run(f"from latchkey.core import CredentialStore\nstore = CredentialStore()\n"
                        f"for n in range({number}): store.add(f'svc/{{n:04}}', 'user', {_VALUE!r} + str(n))")
        if done.returncode:
            raise SystemExit(f"latchkey: {done.stderr}")

    def start(self) -> float:
        """Seconds until it answers."""
        begun = time.perf_counter()
        self.process = subprocess.Popen([self.python, "-m", "latchkey.daemon"], env=self.env, stderr=subprocess.DEVNULL)
        while time.perf_counter() - begun < 20:
            try:
                if "status" in self.ask({"action": "ping"}):
                    return time.perf_counter() - begun
            except (OSError, ValueError):
                time.sleep(0.01)
        raise SystemExit("latchkey does not answer")

    def stop(self) -> None:
        if self.process:
            self.process.terminate()
            self.process.wait()
            self.process = None

    def send(self, data: bytes, timeout: float = 30.0) -> bytes:
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(timeout)
            sock.connect(self.socket)
            sock.sendall(data)
            return recv_line(sock)

    def ask(self, request: object, timeout: float = 30.0) -> dict[str, object]:
        return json.loads(self.send(json.dumps(request).encode() + b"\n", timeout))

    def get(self, name: str, timeout: float = 30.0) -> str | None:
        found = self.ask({"action": "get", "service": name}, timeout)
        return str(found["password"]) if "password" in found else None

    def rss(self) -> float:
        return rss(self.process.pid)


def rss(pid: int) -> float:
    """MB."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS"))


class SshAgent:
    """One Ed25519 key, and requests to sign over a kept connection."""

    def __init__(self, folder: Path) -> None:
        key, self.path = folder / "agent-key", str(folder / "agent.sock")
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
        self.process = subprocess.Popen(["ssh-agent", "-D", "-a", self.path], stdout=subprocess.DEVNULL)
        while not os.path.exists(self.path):
            time.sleep(0.01)
        subprocess.run(["ssh-add", "-q", str(key)], check=True, env={**ENV, "SSH_AUTH_SOCK": self.path})
        blob = self._string(base64.b64decode(key.with_suffix(".pub").read_text().split()[1]))
        body = b"\x0d" + blob + self._string(b"x" * 100) + struct.pack(">I", 0)
        self.request = self._string(body)

    @staticmethod
    def _string(data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + data

    def connect(self) -> socket.socket:
        sock = socket.socket(socket.AF_UNIX)
        sock.connect(self.path)
        return sock

    def sign(self, sock: socket.socket) -> None:
        sock.sendall(self.request)
        data = sock.recv(4096)
        while len(data) < 4 or len(data) < 4 + struct.unpack(">I", data[:4])[0]:
            data += sock.recv(4096)
        assert data[4] == 0x0E, data

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait()
