"""The verbs of coordination through the daemon; the same results as in process, where they are done without one."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from githarness.canon import Json
from githarness.daemon import requests
from githarness.daemon.client import Line
from githarness.daemon.link import Lost
from githarness.errors import Unavailable
from githarness.work import ops
from githarness.work.combine import Combined
from githarness.work.coordination import Caller


class RemoteTable:
    def __init__(self, line: Line, fallback: Callable[[], Combined]) -> None:
        self._line = line
        self._fallback = fallback

    def ask(self, caller: Caller, what: object) -> dict[str, Json]:
        """The answer of the verb that `what` belongs to; raises what it raises, Unavailable where that is not known."""
        name, answer = ops.name_of(what), None
        try:
            if not ops.is_own(caller, what):
                answer = self._line.ask(lambda number: requests.ask(
                    number, requests.Asked(name, ops.named(caller), ops.named(what))))
        except Lost as lost:
            if not ops.VERBS[name].repeats:
                raise Unavailable("the daemon went away before it answered: whether it happened is not known",
                                  fix="look whether it has; ask again only if it has not",
                                  details={"outcome": "unknown"}) from lost
        return cast(dict[str, Json], answer.what) if answer else self._fallback().ask(caller, what)
