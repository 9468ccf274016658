"""A client's connection to the daemon: one request, one answer, and no doubt about what was carried out.

A request that did not leave whole, or that the daemon's bye left unanswered, was not carried out (`NotDone`). Only when
it left whole and the connection then broke is the outcome open (`Lost`).
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path

from githarness import sockets
from githarness.daemon import answers, place, requests
from githarness.daemon.answers import Answer
from githarness.errors import Usage
from githarness.frames import ANSWER, Cutter
from githarness.git.repo import Repo
from githarness.settings import Settings

_HELLO_WAIT = 5.0
_ANSWER_WAIT = 60.0
_CHUNK = 1 << 18


class NotDone(Exception):
    """Nothing was carried out: the caller does it in its own process."""


class Lost(Exception):
    """The request was sent and no answer came."""


class Link:
    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected
        self._cutter = Cutter(ANSWER)
        self._number = 0
        self.owner = os.getpid()

    def ask(self, frame_of: Callable[[int], bytes]) -> Answer:
        """Raises NotDone and Lost, after which the link is closed; and what `frame_of` raises."""
        self._number += 1
        frame = frame_of(self._number)
        try:
            return self._exchange(frame)
        except BaseException:
            self.close()
            raise

    def _exchange(self, frame: bytes) -> Answer:
        try:
            self._socket.sendall(frame, socket.MSG_NOSIGNAL)
        except OSError as error:
            raise NotDone from error
        try:
            answer = self._receive()
        except (OSError, Usage) as error:
            raise Lost from error
        if answer.kind == "bye":
            raise NotDone
        if answer.id != self._number:
            raise Lost
        return answer

    def _receive(self) -> Answer:
        while True:
            frame = self._cutter.next()
            if frame is not None:
                return answers.parse(frame)
            data = self._socket.recv(_CHUNK)
            if not data:
                raise Lost
            self._cutter.feed(data)

    def close(self) -> None:
        self._socket.close()


def reach(settings: Settings, repo: Repo) -> Link | None:
    """A link to the daemon of this repository, None where none answers. GITHARNESS_SOCKET is tried before the note."""
    running = place.announced(repo)
    paths = dict.fromkeys((settings.socket, running.socket if running else None))  # a hanging daemon is tried once
    links = (_try(path, place.repository(repo)) for path in paths if path)
    return next((link for link in links if link), None)


def _try(path: Path, repository: str) -> Link | None:
    try:
        connected = sockets.connect(path, _HELLO_WAIT)
    except OSError:
        return None
    link = Link(connected)
    try:
        # Root may listen for us (socket activation); a socket of anybody else is a trap in a shared folder.
        trusted = sockets.peer(connected)[1] in (os.getuid(), 0)
        if trusted and link.ask(lambda number: requests.hello(number, repository)).kind == "hello":
            connected.settimeout(_ANSWER_WAIT)
            return link
    except (NotDone, Lost):
        return None
    link.close()
    return None
