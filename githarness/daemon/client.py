"""The lane through the daemon: the same results as the lane in process, which it falls back to.

The lane in process does what no daemon takes: when none listens, when contents are large, and when the daemon said that
it did not carry a request out. A write whose answer got lost is repeated there only where its `operation` makes that
safe.
"""

from __future__ import annotations

import contextlib
import math
import os
import threading
from collections.abc import Callable
from typing import cast

from githarness.daemon import link, requests
from githarness.daemon.answers import Answer
from githarness.daemon.link import Link, Lost, NotDone
from githarness.errors import HarnessError, Unavailable
from githarness.frames import REQUEST, Oversize
from githarness.git.repo import Repo
from githarness.settings import Settings
from githarness.work.asks import Ask, Doc, Lane, ReadAsk, Written

_LISTEN = 25.0  # seconds of one question to the daemon whether something changed


class Line:
    """What leads to the daemon of a repository, for several threads, each with a connection of its own; forks too."""

    def __init__(self, settings: Settings, repo: Repo) -> None:
        self._settings = settings
        self._repo = repo
        self._kept = threading.local()

    def ask(self, frame_of: Callable[[int], bytes]) -> Answer | None:
        """None: to be done in process. Raises what the daemon refused with, and Lost."""
        try:
            answer = self._exchange(frame_of)
        except (Oversize, UnicodeEncodeError):
            return None
        if answer and answer.kind == "error":
            raise cast(HarnessError, answer.what)
        return answer if answer and answer.kind != "defer" else None

    def close(self) -> None:
        """Ends this thread's connection; the next call makes a new one."""
        found = self._link()
        if found:
            found.close()
        self._kept.link = None

    def _exchange(self, frame_of: Callable[[int], bytes]) -> Answer | None:
        """A connection that ended while it was idle is replaced: the same daemon, or the next, may listen by now."""
        for found in (self._link(), None):
            found = found or link.reach(self._settings, self._repo)
            self._kept.link = found
            if found is None:
                return None
            with contextlib.suppress(NotDone):
                return found.ask(frame_of)
        return None

    def _link(self) -> Link | None:
        found: Link | None = vars(self._kept).get("link")
        return found if found and found.owner == os.getpid() else None


class RemoteLane:
    def __init__(self, line: Line, fallback: Callable[[], Lane]) -> None:
        self._line = line
        self._fallback = fallback

    def write(self, ask: Ask) -> Written:
        large = sum(len(op.content) for op in ask.ops if op.content) > REQUEST.body
        if large or ask.human:  # a person's key is not the daemon's to use
            return self._fallback().write(ask)
        try:
            answer = self._line.ask(lambda number: requests.write(number, ask))
        except Lost as lost:
            if ask.operation is None:
                raise _unknown() from lost
            answer = None
        return cast(Written, answer.what) if answer else self._fallback().write(ask)

    def read(self, ask: ReadAsk) -> Doc:
        try:
            answer = self._line.ask(lambda number: requests.read(number, ask))
        except Lost:
            answer = None
        return cast(Doc, answer.what) if answer else self._fallback().read(ask)


class RemoteBell:
    """Waiting until something changed, by the daemon."""

    def __init__(self, line: Line) -> None:
        self._line = line

    def changed(self, mark: int | None, seconds: float) -> int | None:
        """The mark as of now, as soon as it is another one, or the time (of which a part may do) is over.

        None where no daemon tells.
        """
        wait = math.ceil(min(seconds, _LISTEN) * 1000)
        try:
            answer = self._line.ask(lambda number: requests.changed(number, mark, wait))
        except (Lost, HarnessError):
            return None
        return cast(dict[str, int], answer.what)["mark"] if answer else None


def _unknown() -> Unavailable:
    return Unavailable("the daemon went away before it answered: whether the write landed is not known",
                       fix="look with githarness log -n 5; a write with --operation is repeated safely",
                       details={"outcome": "unknown"})
