"""The daemon's loop: one thread that turns the requests of many connections into groups of writes.

A turn takes what every socket has, answers what needs no lock, and hands at most one write of each connection to the
ledger as one group. Order holds within a connection; connections take turns; every wait and every buffer is bounded.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import socket
from typing import cast

from githarness import hardening, sockets
from githarness.clock import Clock
from githarness.daemon import answers, requests
from githarness.daemon.bell import PAUSE, Bell
from githarness.daemon.connection import Connection, Limits
from githarness.daemon.desk import Desk
from githarness.daemon.requests import Hello, Request
from githarness.daemon.upkeep import Upkeep
from githarness.door import Door
from githarness.errors import Denied, HarnessError, Unavailable, Usage

_SWEEP = 1.0
_RESERVED = 64  # descriptors that the ledger needs for itself
_FAREWELL = 2.0
_BUSY = "wait and repeat"
_GROUPED = ("write", "ask")


class Server:
    def __init__(self, listener: socket.socket, desk: Desk, upkeep: Upkeep, *, limits: Limits, clock: Clock) -> None:
        self._desk = desk
        self._upkeep = upkeep
        self._limits = limits
        self._clock = clock
        self._most = min(limits.connections, hardening.descriptors() - _RESERVED)
        self._selector = selectors.DefaultSelector()
        self._door = Door(listener, self._selector)
        self._wake_up, self._woken = socket.socketpair()
        self._selector.register(self._woken, selectors.EVENT_READ, None)
        self._connections: set[Connection] = set()
        self._waiting: dict[Connection, None] = {}  # whose next request is a write or an ask, in order of turns
        self._bell = Bell(desk.changes)
        self._queued = self._held = 0  # requests, and bytes received, that wait
        self._counts = {"writes": 0, "groups": 0, "largest": 0, "asks": 0}
        self._last_group = 0
        self._stopping = False

    def stop(self) -> None:
        """To be called by a signal handler: ends `run` after the group in hand."""
        self._stopping = True
        with contextlib.suppress(OSError):
            self._wake_up.send(b"!", socket.MSG_DONTWAIT)

    def run(self) -> None:
        swept = self._clock.monotonic()
        while not self._stopping:
            self._poll(0.0 if self._waiting else PAUSE if self._bell else _SWEEP)
            self._gather()
            if self._upkeep.ground.is_lost():
                break
            self._land()
            now = self._clock.monotonic()
            self._ring(now)
            self._upkeep.run_if_due(now)
            if now - swept >= _SWEEP:
                swept = now
                self._sweep(now)

    def close(self) -> None:
        """Says bye to everybody, also to who still waits to be accepted: what has no answer is not carried out."""
        why = Unavailable("the daemon stops", fix="repeat the command")
        while arrivals := self._door.arrivals():
            for sock in arrivals:
                self._admit(sock)
        self._door.shut()
        for connection in list(self._connections):
            self._bye(connection, why)
        until = self._clock.monotonic() + _FAREWELL
        while self._connections and self._clock.monotonic() < until:
            self._poll(0.1)
        for connection in list(self._connections):
            self._drop(connection)
        self._upkeep.join()
        self._door.close()
        self._selector.close()
        self._wake_up.close()
        self._woken.close()

    def _poll(self, timeout: float) -> None:
        for key, events in self._selector.select(timeout):
            if isinstance(key.data, Connection):
                self._serve(key.data, events)
            elif key.data is self._door:
                for sock in self._door.arrivals():
                    self._admit(sock)
            else:
                self._woken.recv(64)

    def _admit(self, sock: socket.socket) -> None:
        sock.settimeout(0.0)
        connection = Connection(sock, self._clock.monotonic())
        connection.watched = selectors.EVENT_READ
        self._connections.add(connection)
        self._selector.register(sock, selectors.EVENT_READ, connection)
        if sockets.peer(sock)[1] != os.getuid():
            self._bye(connection, Denied("this socket is another user's", fix="unset GITHARNESS_SOCKET"))
        elif len(self._connections) > self._most:
            self._door.turned_away += 1
            self._bye(connection, Unavailable("the daemon has as many connections as it can hold", fix=_BUSY))

    def _serve(self, connection: Connection, events: int) -> None:
        if connection not in self._connections:
            return  # dropped earlier in this turn
        try:
            if events & selectors.EVENT_WRITE and connection.flush():
                connection.touched = self._clock.monotonic()
            if events & selectors.EVENT_READ:
                self._held += connection.receive()
        except OSError:
            self._drop(connection)
            return
        self._advance(connection)

    def _advance(self, connection: Connection) -> None:
        """Takes requests out of what came, and answers from the front of the queue up to the first write."""
        try:
            while True:
                self._take_in(connection)
                if not connection.queue or len(connection.out) >= self._limits.unsent or self._waits(connection):
                    break
                self._answer(connection, connection.queue[0])
        except Usage as error:
            self._bye(connection, error)
            return
        self._watch(connection)

    def _waits(self, connection: Connection) -> bool:
        """Whether its next request is answered later."""
        if connection in self._waiting or connection in self._bell:
            return True
        verb = connection.queue[0].verb
        if verb in _GROUPED and connection.greeted:
            self._waiting[connection] = None
            return True
        return verb == "changed" and connection.greeted and self._bell.wait(connection, self._clock.monotonic())

    def _ring(self, now: float) -> None:
        for connection in self._bell.due(now):
            self._answer(connection, connection.queue[0])
            self._advance(connection)

    def _take_in(self, connection: Connection) -> None:
        while len(connection.queue) < self._limits.pipeline and not connection.closing:
            frame = connection.cutter.next()
            if frame is None:
                break
            self._held -= frame.size
            request = requests.parse(frame)
            self._held += request.size
            if self._queued >= self._limits.queue and request.verb in ("read", *_GROUPED):
                busy = Unavailable("the daemon has as many requests as it can hold", fix=_BUSY)
                request = request._replace(verb="refused", what=busy)
            connection.touched = self._clock.monotonic()
            connection.begun = None
            connection.queue.append(request)
            self._queued += 1
        if not len(connection.cutter) or len(connection.queue) >= self._limits.pipeline:
            connection.begun = None
        elif connection.begun is None:
            connection.begun = self._clock.monotonic()
        if self._held > self._limits.held and len(connection.cutter):
            self._bye(connection, Unavailable("the daemon holds as many bytes as it can", fix=_BUSY))

    def _answer(self, connection: Connection, request: Request) -> None:
        self._done(connection)
        if request.verb == "hello":
            answer, connection.greeted = self._desk.hello(request.id, cast(Hello, request.what))
        elif not connection.greeted:
            raise Usage("a connection begins with a hello", fix="see docs/protocol.md")
        elif request.verb == "status":
            answer = answers.bare(request.id, "status", self.status())
        elif request.verb == "changed":
            answer = answers.bare(request.id, "changed", {"mark": self._bell.look()})
        else:
            answer = self._desk.answer(request)
        self._send(connection, answer)

    def status(self) -> dict[str, int]:
        return {"pid": os.getpid(), "connections": len(self._connections), "queued": self._queued, "held": self._held,
                "turned_away": self._door.turned_away, **self._counts}

    def _gather(self) -> None:
        """Waits a moment for a group as large as the last one, where that pays (measured in bench/writes.py)."""
        until = self._clock.monotonic() + self._limits.gather
        if any(connection.queue[0].verb == "ask" for connection in self._waiting):
            return  # their transactions are so short that waiting for one another takes longer
        while self._limits.gather and 0 < len(self._waiting) < min(self._last_group, self._limits.group):
            left = until - self._clock.monotonic()
            if left <= 0 or self._stopping:
                break
            self._poll(left)

    def _group(self) -> tuple[str, list[Connection]]:
        """Whose turn it is: writes, or asks."""
        group: list[Connection] = []
        verb, size = "", 0
        for connection in self._waiting:
            verb = verb or connection.queue[0].verb
            if connection.queue[0].verb != verb:
                continue  # in the next turn
            size += connection.queue[0].size
            if group and (len(group) == self._limits.group or size > self._limits.group_bytes):
                break
            group.append(connection)
        return verb, group

    def _land(self) -> None:
        verb, group = self._group()
        if not group:
            return

        def deliver(frames: list[bytes]) -> None:
            for connection, frame in zip(group, frames, strict=True):
                self._done(connection)
                self._send(connection, frame)

        land = self._desk.write if verb == "write" else self._desk.ask
        known = land([connection.queue[0] for connection in group], deliver)
        self._bell.rung()
        if known and verb == "write":
            self._count(len(group))
        elif known:
            self._counts["asks"] += len(group)
        for connection in group:
            self._waiting.pop(connection, None)
            if not known:
                self._drop(connection)  # without a bye: the client knows that the outcome is open
            elif connection in self._connections:
                self._advance(connection)

    def _count(self, writes: int) -> None:
        self._last_group = writes
        self._counts["writes"] += writes
        self._counts["groups"] += 1
        self._counts["largest"] = max(self._counts["largest"], writes)
        self._upkeep.wrote(self._clock.monotonic())

    def _done(self, connection: Connection) -> None:
        self._queued -= 1
        self._held -= connection.queue.popleft().size

    def _send(self, connection: Connection, frame: bytes) -> None:
        connection.touched = self._clock.monotonic()
        connection.out += frame
        with contextlib.suppress(OSError):  # a broken connection shows itself again when it is read
            connection.flush()

    def _bye(self, connection: Connection, why: HarnessError) -> None:
        """Nothing of the connection that has no answer yet will be carried out, and its client is told so."""
        if connection.closing or connection not in self._connections:
            return
        connection.closing = True
        self._forget(connection)
        self._send(connection, answers.bye(why))
        self._watch(connection)

    def _forget(self, connection: Connection) -> None:
        self._waiting.pop(connection, None)
        self._bell.forget(connection)
        self._queued -= len(connection.queue)
        self._held -= sum(request.size for request in connection.queue) + len(connection.cutter)
        connection.queue.clear()
        connection.cutter.clear()

    def _watch(self, connection: Connection) -> None:
        if connection.finished():
            self._drop(connection)
            return
        interest = connection.interest(self._limits)
        if interest == connection.watched:
            return
        if not interest:
            self._selector.unregister(connection.sock)
        elif not connection.watched:
            self._selector.register(connection.sock, interest, connection)
        else:
            self._selector.modify(connection.sock, interest, connection)
        connection.watched = interest

    def _drop(self, connection: Connection) -> None:
        if connection in self._connections:
            self._connections.remove(connection)
            self._forget(connection)
            if connection.watched:
                self._selector.unregister(connection.sock)
            connection.sock.close()

    def _sweep(self, now: float) -> None:
        self._door.open()
        for connection in list(self._connections):
            why = connection.overdue(now, self._limits)
            if why and (connection.out or connection.closing):
                self._drop(connection)
            elif why:
                self._bye(connection, Unavailable(why, fix="repeat the command"))
