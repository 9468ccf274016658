"""One client of the daemon: its bytes on the way in, its requests in order, its answers on the way out, its waits."""

from __future__ import annotations

import contextlib
import selectors
import socket
from collections import deque
from dataclasses import dataclass

from githarness.daemon.requests import Request
from githarness.frames import REQUEST, Cutter

_CHUNK = 1 << 18


@dataclass(frozen=True, slots=True)
class Limits:
    connections: int = 1024
    queue: int = 4096  # requests of all connections that wait
    held: int = 64 << 20  # bytes of all connections received and not yet carried out
    pipeline: int = 64  # requests of one connection; past that it is not read from
    unsent: int = 2 << 20  # bytes of answers that one connection has not taken; past that it is not read from
    group: int = 128  # writes that land together
    group_bytes: int = 8 << 20
    gather: float = 0.002  # seconds to wait for a group as large as the last one
    hello: float = 10.0  # seconds until the first request, for a frame once begun, for taking answers, between requests
    frame: float = 10.0
    drain: float = 30.0
    idle: float = 600.0
    quiet: float = 2.0  # seconds without a write before maintenance
    fold: int = 64  # groups after which maintenance runs also without quiet


class Connection:
    __slots__ = ("begun", "closing", "cutter", "ended", "greeted", "out", "queue", "sock", "touched", "watched")

    def __init__(self, sock: socket.socket, now: float) -> None:
        self.sock = sock
        self.cutter = Cutter(REQUEST)
        self.queue: deque[Request] = deque()
        self.out = bytearray()
        self.greeted = False
        self.ended = False  # the client sends nothing more
        self.closing = False  # we said bye; only its delivery is left
        self.begun: float | None = None  # since when a frame is incomplete
        self.touched = now
        self.watched = 0

    def receive(self) -> int:
        """How many bytes came. Raises OSError where the connection broke."""
        try:
            data = self.sock.recv(_CHUNK)
        except BlockingIOError:
            return 0
        self.ended = not data
        self.cutter.feed(data)
        return len(data)

    def flush(self) -> int:
        """How many bytes went. Raises OSError where the connection broke."""
        with contextlib.suppress(BlockingIOError):
            if self.out:
                sent = self.sock.send(self.out)
                del self.out[:sent]
                return sent
        return 0

    def open_for(self, limits: Limits) -> bool:
        """Whether more of its requests are taken now; else they wait in the socket, which is what slows the client."""
        room = len(self.queue) < limits.pipeline and len(self.out) < limits.unsent
        return room and not self.ended and not self.closing

    def interest(self, limits: Limits) -> int:
        reading = selectors.EVENT_READ if self.open_for(limits) else 0
        return reading | (selectors.EVENT_WRITE if self.out else 0)

    def finished(self) -> bool:
        return (self.ended or self.closing) and not self.queue and not self.out

    def overdue(self, now: float, limits: Limits) -> str | None:
        """Why the connection has to end, if it has."""
        quiet = now - self.touched
        if self.out:
            return "answers were not taken" if quiet > limits.drain else None
        if self.queue:
            return None
        if self.begun is not None and now - self.begun > limits.frame:
            return "a request stayed incomplete"
        if not self.greeted and quiet > limits.hello:
            return "no hello came"
        return "nothing was asked for long" if quiet > limits.idle else None
