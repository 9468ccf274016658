"""`scan`: whether contents have values of the vault, told by a process that goes with what it made of them.

    scan {"more": true} + body     the content goes on with the next one      → {}
    scan {} + body                 the content ends                           → {"findings": [{name, form, offset,
                                                                                              length}]}

The first such request hands the connection over to a child that is forked with the arena; nothing but more of them may
follow on it. So the daemon is never busy with a scan, and the encoded forms of its values never are in its memory.
Names out of the asker's scope are not told.
"""

from __future__ import annotations

import gc
import os
import resource
import signal
import socket
from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

from githarness.canon import Json
from githarness.errors import HarnessError, RateLimited, Usage, VaultLocked
from githarness.proxy import ops
from githarness.proxy.desk import Desk, Session, failed
from githarness.vault import search, wire

_AT_ONCE = 8
_CONTENT, _NEXT = 10, 30  # seconds for a content to come, and for the next one to begin
_TIME = 60  # seconds of processor time for one connection
LARGEST = 48 << 20  # bytes of one content
Values = Sequence[tuple[str, memoryview]]


class Scope(NamedTuple):
    values: Values  # all that there are
    shown: Collection[str]  # the names that may be told
    whose: str | int  # the run that asks, or the process of none


class Scans:
    """The children that look through contents now, one for each run, and for each process that is of none."""

    def __init__(self) -> None:
        self._children: dict[int, str | int] = {}

    def hand_over(self, connection: socket.socket, scope: Scope, header: bytes, body: bytes | bytearray) -> None:
        """The child answers, and goes on with what comes; the connection is no longer ours. Raises RateLimited."""
        self.reap()
        if len(self._children) >= _AT_ONCE or scope.whose in self._children.values():
            raise RateLimited("the vault daemon looks through other contents", fix="try again in a moment")
        if pid := os.fork():
            self._children[pid] = scope.whose
            return
        try:
            _alone(connection)
            _serve(connection, Scan(scope), header, bytes(body))
        except (OSError, HarnessError):
            pass
        finally:
            os._exit(0)

    def reap(self) -> None:
        self._children = {pid: whose for pid, whose in self._children.items() if os.waitpid(pid, os.WNOHANG) == (0, 0)}


class Scan:
    """The contents of one asker. What it makes of values is in this process."""

    def __init__(self, scope: Scope) -> None:
        self._sought = search.sought((name, bytes(value)) for name, value in scope.values)
        self._shown = scope.shown
        self._content = bytearray()

    @property
    def has_part(self) -> bool:
        return bool(self._content)

    def answer(self, said: dict[str, Any], body: bytes) -> dict[str, Json]:
        """Raises Usage for a content that is too large."""
        if len(self._content) + len(body) > LARGEST:
            raise Usage(f"a content has {LARGEST} bytes at most", fix="scan it in parts that overlap")
        self._content += body
        if said.get("more") is True:
            return {}
        content, self._content = bytes(self._content), bytearray()
        return {"findings": [
            {"name": hit.name if hit.name in self._shown else "", "form": hit.form, "offset": hit.offset,
             "length": hit.length} for hit in search.search(self._sought, content)]}


def scope_of(desk: Desk, session: Session) -> Scope:
    """Raises VaultLocked, Denied."""
    caller = desk.introduced(session)
    if desk.holding.locked:
        raise VaultLocked(desk.holding.why_locked, fix=desk.holding.fix or "githarness vault unlock")
    return Scope([*desk.holding.values()], {header.name for header in ops.in_scope(desk, session)},
                 caller.run or caller.within or caller.pid)


def number_of(header: bytes) -> int:
    """The request's number, 0 where it has none."""
    try:
        return int(wire.parse(header)["id"])
    except (HarnessError, KeyError, TypeError, ValueError):
        return 0


def is_asked(header: bytes) -> bool:
    return b'"op":"scan"' in header


def _alone(connection: socket.socket) -> None:
    """No other client's connection, nor the daemon's signals, stay with this process."""
    gc.disable()  # a collection touches all objects of the daemon, so that each page would be copied
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    kept = connection.fileno()
    os.closerange(3, kept)
    os.closerange(kept + 1, os.sysconf("SC_OPEN_MAX"))
    resource.setrlimit(resource.RLIMIT_CPU, (_TIME, _TIME))
    connection.settimeout(_CONTENT)


def _serve(connection: socket.socket, scan: Scan, header: bytes, body: bytes) -> None:
    with connection.makefile("rb") as incoming:
        while True:
            left, _ = signal.setitimer(signal.ITIMER_REAL, 0)  # which would end us; processor time bounds a search
            connection.sendall(_answered(scan, header, body))
            signal.setitimer(signal.ITIMER_REAL, (left or _CONTENT) if scan.has_part else _NEXT)
            begin = incoming.read(wire.LENGTHS.size)
            if len(begin) < wire.LENGTHS.size:
                return
            head, size = wire.lengths(begin, wire.REQUEST)
            header, body = incoming.read(head), incoming.read(size)
            if len(body) < size or not is_asked(header):
                return


def _answered(scan: Scan, header: bytes, body: bytes) -> bytes:
    try:
        return wire.head({"id": number_of(header), **scan.answer(wire.parse(header), body)})
    except HarnessError as error:
        return failed(number_of(header), error).head
