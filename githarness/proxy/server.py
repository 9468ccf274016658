"""The loop of the vault daemon: one thread, one round after another.

A round takes what every socket has, decides, writes the audit spool once, and only then hands out values. Every wait
and every buffer is bounded; a client that is slow, silent or malformed harms nobody but itself.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import socket
from collections.abc import Callable

from githarness import hardening, sockets
from githarness.door import Door
from githarness.errors import HarnessError, Unavailable, Usage
from githarness.proxy import ops, scan
from githarness.proxy.connection import Connection, Foreign, Limits
from githarness.proxy.desk import Desk, Reply, Session, failed, unexpected
from githarness.proxy.mover import Mover

_MOVE = 0.2  # seconds between two moves of the spool
_SWEEP = 1.0
_RESERVED = 64  # descriptors that git and the database need
_FAREWELL = 2.0


class Server:
    def __init__(self, listener: socket.socket, desk: Desk, mover: Mover, limits: Limits) -> None:
        self._desk = desk
        self._mover = mover
        self._scans = scan.Scans()
        self._limits = limits
        self._most = min(limits.connections, hardening.descriptors() - _RESERVED)
        self._selector = selectors.DefaultSelector()
        listener.settimeout(0.0)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self._door = Door(listener, self._selector)
        self._selector.register(mover.answers, selectors.EVENT_READ, mover)
        self._wake_up, self._woken = socket.socketpair()
        self._selector.register(self._woken, selectors.EVENT_READ, None)
        self._connections: set[Connection] = set()
        self._round: list[Connection] = []
        self._lines: dict[Connection, Callable[[bytes], Reply]] = {}  # to parts of the daemon
        self.tick: Callable[[], None] = lambda: None
        self._stopping = False
        self._last_move = self._last_sweep = desk.clock.monotonic()
        desk.holding.withdraw = self._withdraw
        desk.before_turn = self._settled
        desk.moving = lambda: mover.moving is not None
        desk.clients = lambda: len(self._connections)

    def attach(self, line: socket.socket, pid: int, answer: Callable[[bytes], Reply]) -> None:
        """Has `answer` asked what comes on a line to a process that is a part of the daemon."""
        made = Connection(line, self._desk.clock.monotonic())
        made.session = Session(pid)  # who made the line is this process, who speaks on it is that one
        self._lines[made] = answer
        self._connections.add(made)
        self._selector.register(line, selectors.EVENT_READ, made)

    def stop(self) -> None:
        """From a signal: what came whole is still answered."""
        self._stopping = True
        self._wake_up.send(b"!")

    def run(self) -> None:
        while not self._stopping:
            self._turn(self._timeout())
        self._door.shut()
        self._turn(0.0)  # what had come by then
        until = self._desk.clock.monotonic() + _FAREWELL
        while any(one.out for one in self._connections) and self._desk.clock.monotonic() < until:
            self._turn(0.05)

    def close(self) -> None:
        """Hangs up; what was noted becomes events."""
        for one in [*self._connections]:
            self._drop(one)
        self._door.close()
        if self._desk.spool.waiting or self._mover.moving:
            with contextlib.suppress(HarnessError):
                self._desk.settle()
        self._selector.close()

    def _timeout(self) -> float:
        return _MOVE if self._desk.spool.waiting or self._mover.moving else _SWEEP

    def _turn(self, timeout: float) -> None:
        ready = self._selector.select(timeout)
        self._begin()
        now, knocked = self._desk.clock.monotonic(), False
        for key, mask in ready:
            if isinstance(key.data, Connection):
                self._serve(key.data, mask, now)
            elif key.data is self._door:
                knocked = True
            elif key.data is self._mover:
                self._mover.done()
                if self._mover.gone:  # its pipe would be readable for ever
                    self._selector.unregister(self._mover.answers)
            else:
                self._woken.recv(4096)
        if knocked:  # now there is the room of those that have left
            self._welcome(now)
        self._answer()
        self._tend(now)

    def _begin(self) -> None:
        """Where it cannot be seen whether something has changed, nothing is given."""
        try:
            self._desk.begin()
            self._desk.trouble = ""
        except HarnessError as error:
            self._desk.trouble = error.message
        except Exception as error:
            self._desk.trouble = type(error).__name__

    def _welcome(self, now: float) -> None:
        for sock in self._door.arrivals():
            if sockets.peer(sock)[1] != os.getuid() or len(self._connections) >= self._most:
                sock.close()
                continue
            made = Connection(sock, now)
            self._connections.add(made)
            self._selector.register(sock, selectors.EVENT_READ, made)

    def _serve(self, one: Connection, mask: int, now: float) -> None:
        one.touched = now
        try:
            if mask & selectors.EVENT_WRITE:
                one.flush()
                self._watch(one)
            if mask & selectors.EVENT_READ:
                one.receive()
                self._take(one, now)
        except (OSError, Foreign):
            self._drop(one)
            return
        except HarnessError as error:  # no frame: nothing more of it can be told apart
            one.replies.append(failed(0, error))
            one.ended = True
            self._round.append(one)
        if one.ended and not one.replies and not one.out:
            self._drop(one)

    def _take(self, one: Connection, now: float) -> None:
        """All whole requests of a connection."""
        while (found := one.request()) is not None:
            one.used = True
            header, body = found
            reply = self._desk.quick(one.session, header)
            if reply is None and scan.is_asked(header) and one not in self._lines:
                reply = self._handed_over(one, header, body)
                if reply is None:
                    return
            if reply is None:
                reply = self._considered(one, header, body)
            if not one.replies:
                self._round.append(one)
            one.replies.append(reply)
        one.begun = (one.begun or now) if one.got else None

    def _handed_over(self, one: Connection, header: bytes, body: bytearray) -> Reply | None:
        """None where a process of its own serves the connection from here on."""
        if one.replies or one.out or one.got:  # what was asked before or after it would never be answered
            return failed(scan.number_of(header), Usage("a scan is asked with nothing else on its way",
                                                        fix="take the answers first, or connect once more"))
        try:
            self._scans.hand_over(one.sock, scan.scope_of(self._desk, one.session), header, body)
        except HarnessError as error:
            return failed(scan.number_of(header), error)
        self._drop(one)
        return None

    def _considered(self, one: Connection, header: bytes, body: bytearray) -> Reply:
        try:
            if one in self._lines:
                return self._lines[one](header)
            return ops.answer(self._desk, one.session, header, body)
        except Exception as error:
            return unexpected(0, error)

    def _answer(self) -> None:
        """Nothing leaves that is not in the spool."""
        if not self._round:
            return
        recorded = self._desk.spool.write()
        served, self._round = self._round, []
        for one in served:
            if not recorded:
                self._take_back(one, f"uses of secrets cannot be recorded: {self._desk.spool.blocked}")
            try:
                one.deliver()
            except OSError:
                self._drop(one)
                continue
            if one.out:
                self._watch(one)
            elif one.ended:
                self._drop(one)

    def _take_back(self, one: Connection, why: str) -> None:
        refusal = Unavailable(why, fix="githarness vault status", details={"state": self._desk.state})
        one.replies = [failed(reply.id, refusal) if reply.value else reply for reply in one.replies]

    def _withdraw(self) -> None:
        """No value that is on its way arrives, but for what the kernel has already."""
        for one in self._round:
            self._take_back(one, "the secret was withdrawn")
        for one in [one for one in self._connections if one.out]:
            self._drop(one)

    def _watch(self, one: Connection) -> None:
        """Who does not take answers is not asked for more requests."""
        self._selector.modify(one.sock, selectors.EVENT_WRITE if one.out else selectors.EVENT_READ, one)

    def _drop(self, one: Connection) -> None:
        if one in self._connections:
            self._connections.discard(one)
            self._lines.pop(one, None)
            self._selector.unregister(one.sock)
            one.sock.close()
            one.replies, one.out = [], type(one.out)()

    def _tend(self, now: float) -> None:
        if now - self._last_move >= _MOVE:
            self._last_move = now
            self._move()
        if now - self._last_sweep >= _SWEEP:
            self._last_sweep = now
            self._sweep(now)

    def _move(self) -> None:
        if not self._mover.idle:
            return
        if self._mover.moving:
            self._mover.start(self._mover.moving)
        elif self._desk.spool.waiting:
            self._mover.start(self._desk.spool.turn())

    def _settled(self) -> None:
        if not self._mover.wait():
            raise Unavailable(f"uses of secrets do not become events: {self._mover.problem}", fix="githarness doctor")

    def _sweep(self, now: float) -> None:
        self._door.open()
        self._scans.reap()
        self._desk.spool.try_again()
        self._desk.leases.sweep(self._desk.booted)
        with contextlib.suppress(OSError):  # no door can be started for now
            self.tick()
        for one in [one for one in self._connections - self._lines.keys() if one.overdue(now, self._limits)]:
            self._drop(one)
        held = sum(len(one.held) for one in self._connections)
        while held > self._limits.held:
            largest = max(self._connections, key=lambda one: len(one.held))
            held -= len(largest.held)
            self._drop(largest)
