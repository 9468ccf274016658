"""One client of the vault daemon: whole requests out of its bytes, answers as far as it takes them, its waits.

Each message has to come from the process that made the connection, as the kernel says it (SCM_CREDENTIALS): a
descriptor that was handed to another process, or taken by it, is worth nothing there.
"""

from __future__ import annotations

import itertools
import socket
import struct
from collections import deque
from dataclasses import dataclass

from githarness import sockets
from githarness.proxy.desk import Reply, Session
from githarness.vault import wire

_ROOM = 4096
_AT_ONCE = 64  # answers in one call
_CREDENTIALS = struct.Struct("3i")
_SPACE = socket.CMSG_SPACE(_CREDENTIALS.size)


@dataclass(frozen=True, slots=True)
class Limits:
    connections: int = 1200
    held: int = 64 << 20  # bytes of all requests that are incomplete
    first: float = 10.0  # seconds until the first request, for one that has begun, for taking answers, between two
    frame: float = 10.0
    drain: float = 30.0
    idle: float = 3600.0


class Foreign(Exception):
    """A message came from another process than the one that connected."""


class Connection:
    __slots__ = ("begun", "ended", "got", "held", "out", "replies", "session", "sock", "touched", "used")

    def __init__(self, sock: socket.socket, now: float) -> None:
        sock.settimeout(0.0)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self.sock = sock
        self.session = Session(sockets.peer(sock)[0])
        self.held = bytearray(_ROOM)
        self.got = 0
        self.replies: list[Reply] = []
        self.out: deque[memoryview | bytes] = deque()
        self.ended = False
        self.used = False
        self.begun: float | None = None  # since when a request is incomplete
        self.touched = now

    def receive(self) -> None:
        """Takes what is there. Raises OSError where it broke, Foreign."""
        try:
            size, said, _, _ = self.sock.recvmsg_into([memoryview(self.held)[self.got :]], _SPACE)
        except BlockingIOError:
            return
        self.ended = not size
        self.got += size
        if size and (not said or _CREDENTIALS.unpack_from(said[0][2])[0] != self.session.pid):
            raise Foreign

    def request(self) -> tuple[bytes, bytearray] | None:
        """The next whole request, header and body, or None until more has come. Raises Usage for what is none."""
        if self.got < 8:
            return None
        head, size = wire.lengths(self.held, wire.REQUEST)
        end = 8 + head + size
        if self.got < end:
            if end > len(self.held):
                self.held.extend(bytes(end - len(self.held)))
            return None
        header, body = bytes(self.held[8 : 8 + head]), self.held[8 + head : end] if size else bytearray()
        rest = self.got - end
        if rest:
            self.held[:rest] = self.held[end : self.got]
        if size:  # it could have been a passphrase
            self.held[rest : self.got] = bytes(end)
        if len(self.held) > _ROOM and rest < _ROOM:
            self.held = self.held[:_ROOM]
        self.got = rest
        return header, body

    def deliver(self) -> None:
        """Hands over what was answered; what the client does not take now waits. Raises OSError."""
        if len(self.replies) == 1 and not self.out:
            head, value, _ = self.replies.pop()
            sent = self._send([head, value])
            if sent == len(head) + len(value):
                return
            self.out.extend([memoryview(head)[sent:]] if sent < len(head) else [])
            self.out.append(memoryview(value)[max(0, sent - len(head)) :])
            return
        for reply in self.replies:
            self.out.append(reply.head)
            if reply.value:
                self.out.append(reply.value)
        self.replies = []
        self.flush()

    def flush(self) -> None:
        """Raises OSError."""
        while self.out:
            sent = self._send([*itertools.islice(self.out, _AT_ONCE)])
            if not sent:
                return
            while self.out and sent >= len(self.out[0]):
                sent -= len(self.out.popleft())
            if sent:
                self.out[0] = memoryview(self.out[0])[sent:]

    def _send(self, parts: list[memoryview | bytes]) -> int:
        """How many bytes went; 0 where the client has to take some first."""
        try:
            return self.sock.sendmsg(parts, (), socket.MSG_NOSIGNAL)
        except BlockingIOError:
            return 0

    def overdue(self, now: float, limits: Limits) -> bool:
        quiet = now - self.touched
        if self.out:
            return quiet > limits.drain
        if self.begun is not None and now - self.begun > limits.frame:
            return True
        return quiet > (limits.idle if self.used else limits.first)
