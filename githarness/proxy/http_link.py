"""A door's line to the vault daemon: frames over the socketpair that it was started with, from many threads at a time.

    use {route, method, path} -> {name, version, scheme, host, port, header} + the value
    outcome {route, version, status} -> {}
    keys {pid} -> {keys: [{name, version}]}        key {pid, name} -> {version} + the value

Whoever waits for an answer reads for all: with one asker no other thread has to wake up.
"""

from __future__ import annotations

import itertools
import os
import select
import socket
import threading
from collections.abc import Callable
from typing import Any, NamedTuple, NoReturn

from githarness import frames
from githarness.vault import wire

_WAIT = 10.0


class Refused(Exception):
    """The daemon's answer is an error, to be told to the agent. `kind`: what stands in X-Githarness-Error."""

    def __init__(self, code: str, message: str, fix: str = "", kind: str = "") -> None:
        super().__init__(message)
        self.code, self.message, self.fix, self.kind = code, message, fix, kind or code


def _to_its_end(serve: Callable[[], None]) -> None:
    try:
        serve()
    finally:
        os._exit(1)


class Answer(NamedTuple):
    header: dict[str, Any]
    body: bytes


class Link:
    def __init__(self, connection: socket.socket) -> None:
        connection.settimeout(_WAIT)
        self._connection = connection
        self._cutter = frames.Cutter(wire.ANSWER)
        self._numbers = itertools.count(1)
        self._sending = threading.Lock()
        self._turn = threading.Condition()
        self._reading = False
        self._answers: dict[int, Answer | None] = {}  # of those who wait; None until it is there

    def ask(self, op: str, **fields: str | int) -> Answer:
        """Raises Refused."""
        number = next(self._numbers)
        self._answers[number] = None
        try:
            with self._sending:
                self._connection.sendall(wire.head({"id": number, "op": op, **fields}))
            answer = self._awaited(number)
        except OSError as error:
            raise Refused("unavailable", "the vault daemon does not answer", "githarness vault status") from error
        finally:
            del self._answers[number]
        if problem := answer.header.get("error"):
            kind = problem.get("details", {}).get("kind", "")
            raise Refused(problem["code"], problem["message"], problem["fix"], kind)
        return answer

    def until_end(self, serve: Callable[[], None]) -> NoReturn:
        """Serves until the daemon is gone; where serving fails, the daemon starts the door again.

        What a thread holds for an agent goes with the daemon that granted it.
        """
        threading.Thread(target=_to_its_end, args=(serve,), daemon=True).start()
        poll = select.poll()
        poll.register(self._connection, 0)
        poll.poll()
        os._exit(0)

    def _awaited(self, number: int) -> Answer:
        while True:
            with self._turn:
                while self._reading and self._answers[number] is None:
                    if not self._turn.wait(_WAIT):
                        raise TimeoutError
                if answer := self._answers[number]:
                    return answer
                self._reading = True
            found: dict[int, Answer] = {}
            try:
                found = self._read()
            finally:
                with self._turn:
                    self._reading = False
                    self._answers.update((each, found[each]) for each in found.keys() & self._answers.keys())
                    self._turn.notify_all()

    def _read(self) -> dict[int, Answer]:
        data = self._connection.recv(1 << 18)
        if not data:
            raise ConnectionResetError
        self._cutter.feed(data)
        found = {}
        while frame := self._cutter.next():
            header = wire.parse(frame.header)
            found[header["id"]] = Answer(header, frame.body)
        return found
