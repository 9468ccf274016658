"""A connection to the vault daemon, for commands and helpers that must start fast: it imports nothing heavy.

    with Client(settings, common_dir) as vault:
        vault.hello("deployer", run, token)
        answer = vault.ask("get", name="github/token", mode="get")      # answer.body: the value, to be wiped by wipe()
"""

from __future__ import annotations

import os
import socket
import struct
from pathlib import Path
from typing import Any, NamedTuple, Self

from githarness import sockets
from githarness.canon import Json
from githarness.errors import Denied, NotFound, Unavailable, Usage, raised
from githarness.settings import Settings
from githarness.vault import wire

_CONNECT_WAIT = 5.0
_ANSWER_WAIT = struct.pack("ll", 60, 0)  # seconds, microseconds
_ROOM = 1 << 17


class Answer(NamedTuple):
    header: dict[str, Any]
    body: bytearray

    def wipe(self) -> None:
        self.body[:] = bytes(len(self.body))


class Client:
    """One request at a time. Raises NotFound where no daemon listens, Unavailable where it goes away."""

    served = True

    def __init__(self, settings: Settings, common_dir: Path) -> None:
        path = wire.socket_path(settings, common_dir)
        self._number = 0
        self._room = bytearray(_ROOM)
        try:
            self._socket = sockets.connect(path, _CONNECT_WAIT)
        except (FileNotFoundError, ConnectionRefusedError):
            raise NotFound("no vault daemon serves this repository", fix="githarness vault serve") from None
        except OSError as error:
            raise Unavailable(f"the vault daemon at '{path}' cannot be reached: {error.strerror or error}",
                              fix="githarness vault serve --stop") from error
        if sockets.peer(self._socket)[1] not in (os.getuid(), 0):  # root may listen for us (socket activation)
            self._socket.close()
            raise Denied(f"'{path}' is another user's socket", fix="set XDG_RUNTIME_DIR to a folder of your own")
        self._socket.settimeout(None)  # the kernel's own limits: with Python's, each call polls before it begins
        for side in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
            self._socket.setsockopt(socket.SOL_SOCKET, side, _ANSWER_WAIT)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._socket.close()

    def hello(self, agent: str | None = None, run: str | None = None, token: str | None = None, *,
              human: str | None = None) -> dict[str, Any]:
        """Says who asks from here on; its tier is in what comes back. Raises Denied for who it is not."""
        said = {"agent": agent, "run": run, "token": token, "human": human}
        return self.ask("hello", **{name: text for name, text in said.items() if text is not None}).header

    def ask(self, op: str, body: bytes | bytearray | memoryview = b"", /, **fields: Json) -> Answer:
        """Raises the error that the daemon refuses with, NotFound and Unavailable."""
        self._number += 1
        header = wire.head({"id": self._number, "op": op, **fields}, len(body))
        try:
            sent = self._socket.sendmsg([header, body], [], socket.MSG_NOSIGNAL)
            if sent < len(header) + len(body):
                self._rest(header, body, sent)
            answer = self._receive()
        except (OSError, Usage) as error:
            self.close()
            raise Unavailable("the vault daemon went away before it answered", fix="githarness vault status") from error
        if answer.header["id"] != self._number and "error" not in answer.header:
            self.close()
            raise Unavailable("the vault daemon's answer is to another question", fix="githarness vault serve --stop")
        if "error" in answer.header:
            raise raised(answer.header["error"])
        return answer

    def _rest(self, header: bytes, body: bytes | bytearray | memoryview, sent: int) -> None:
        if sent < len(header):
            self._socket.sendall(header[sent:], socket.MSG_NOSIGNAL)
        self._socket.sendall(memoryview(body)[max(0, sent - len(header)):], socket.MSG_NOSIGNAL)

    def _receive(self) -> Answer:
        """The value is copied once, out of a room that is wiped, so that `Answer.wipe` leaves none here."""
        room, got, need = self._room, 0, 8
        while got < need:
            more = self._socket.recv_into(memoryview(room)[got:] if got else room)
            if not more:
                raise ConnectionResetError("the vault daemon hung up")
            got += more
            if need == 8 and got >= 8:
                head, size = wire.lengths(room, wire.ANSWER)
                need = 8 + head + size
                room.extend(bytes(max(0, need - len(room))))
        body = room[8 + head : need]
        room[8 + head : need] = bytes(size)
        return Answer(wire.parse(room[8 : 8 + head]), body)
