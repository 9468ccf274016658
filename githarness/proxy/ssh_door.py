"""`python -I -m githarness.proxy.ssh_door`: an ssh-agent over secrets of mode sign (OpenSSH's PROTOCOL.agent).

A child of the vault daemon: descriptor 3 is the line to it, 4 the listening Unix socket. It lists keys and signs;
whatever else is asked, adding and locking included, is refused. Who asks is told by the kernel, and the daemon decides
for every signature. Only Ed25519 keys sign here; a key's public part is kept, its private part is not.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading

from githarness import clock, hardening, sockets
from githarness.errors import HarnessError
from githarness.proxy.doors import ADOPTED
from githarness.proxy.http_link import Link, Refused
from githarness.seal import keys, public, wire

_FAILED = b"\5"
_LIST, _LISTED = 11, b"\x0c"
_SIGN, _SIGNED = 13, b"\x0e"
_LARGEST = 256 * 1024
_MOST = 64
_IDLE = 600.0
_WHOLE = 10.0  # for all of one request
_KIND = "ssh-ed25519 "
# What an agent's own signing key signs: for git and for githarness, and nothing else.
_COMMITS = (b"SSHSIG" + wire.string(b"git"), *(b"SSHSIG\0\0\0%cgitharness" % size for size in range(10, 40)))


class Door:
    def __init__(self, listener: socket.socket, link: Link) -> None:
        self._listener, self._link = listener, link
        self._places = threading.BoundedSemaphore(_MOST)
        self._known: dict[tuple[str, int], str] = {}  # public key of a secret's version, empty where it has none

    def run(self) -> None:
        while True:
            connection, _ = self._listener.accept()
            pid, uid = sockets.peer(connection)
            if uid == os.getuid() and self._places.acquire(blocking=False):
                threading.Thread(target=self._serve, args=(connection, pid), daemon=True).start()
            else:
                connection.close()

    def _serve(self, connection: socket.socket, pid: int) -> None:
        try:
            with connection:
                while request := _request(connection):
                    connection.settimeout(_WHOLE)
                    connection.sendall(wire.string(self._answer(request, pid)))
        except OSError:
            pass
        finally:
            self._places.release()

    def _answer(self, request: bytes, pid: int) -> bytes:
        fields = wire.Reader(request, "a request")
        try:
            kind = fields.byte()
            if kind == _LIST:
                held = [wire.string(public.blob_of(key)) + wire.string(name.encode()) for name, key in self._keys(pid)]
                return _LISTED + len(held).to_bytes(4, "big") + b"".join(held)
            if kind == _SIGN:
                return _SIGNED + wire.string(self._sign(pid, public.of_blob(fields.string()), fields.string()))
        except (HarnessError, Refused):
            return _FAILED
        return _FAILED

    def _keys(self, pid: int) -> list[tuple[str, str]]:
        """Names and public keys that this process may use. Raises Refused."""
        found = []
        for item in self._link.ask("keys", pid=pid).header["keys"]:
            if "public" in item:
                found.append((item["name"], item["public"]))
                continue
            known = item["name"], item["version"]
            if known not in self._known:
                with contextlib.suppress(HarnessError, Refused):
                    self._known[known] = self._private(pid, item["name"]).public
            if self._known.get(known, "").startswith(_KIND):
                found.append((item["name"], self._known[known]))
        return found

    def _sign(self, pid: int, key: str, data: bytes) -> bytes:
        """Raises Refused, HarnessError."""
        name = next((name for name, one in self._keys(pid) if one == key), None)
        if name is None or (name.startswith(ADOPTED) and not data.startswith(_COMMITS)):
            raise Refused("not-found", "there is no such key, or it does not sign this")
        private = self._private(pid, name)
        if private.public != key:
            raise Refused("not-found", "the key was replaced")
        return private.sign(data)

    def _private(self, pid: int, name: str) -> keys.PrivateKey:
        return keys.load(self._link.ask("key", pid=pid, name=name).body)


def _request(connection: socket.socket) -> bytes:
    """Nothing where the other end is done. Raises OSError, also for a request that is too large or too slow."""
    connection.settimeout(_IDLE)
    first = connection.recv(1)
    until = clock.SYSTEM.monotonic() + _WHOLE
    size = int.from_bytes(first + _exactly(connection, 3, until), "big") if first else 0
    if size > _LARGEST:
        raise ConnectionError("no request is so long")
    return _exactly(connection, size, until)


def _exactly(connection: socket.socket, size: int, until: float) -> bytes:
    data = b""
    while len(data) < size:
        connection.settimeout(max(0.001, until - clock.SYSTEM.monotonic()))
        piece = connection.recv(size - len(data))
        if not piece:
            raise ConnectionError("the other end hung up")
        data += piece
    return data


def main() -> None:
    hardening.harden()
    link, listener = Link(socket.socket(fileno=3)), socket.socket(fileno=4)
    listener.settimeout(None)
    link.until_end(Door(listener, link).run)


if __name__ == "__main__":
    main()
