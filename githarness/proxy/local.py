"""The desk in the process of a command, for where no daemon runs: the same questions, decisions, events and answers."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import Any, Self

from githarness import flock, hardening
from githarness.canon import Json
from githarness.errors import NotFound, Unavailable, raised
from githarness.proxy import ops, spool
from githarness.proxy.desk import Session
from githarness.proxy.scan import Scan, scope_of
from githarness.proxy.serve import opened
from githarness.settings import Settings
from githarness.vault import wire
from githarness.vault.client import Answer, Client
from githarness.work.parts import Parts

_WAIT = 5.0


class Local:
    """As `vault.client.Client`, for who holds the vault's lock."""

    served = False

    def __init__(self, settings: Settings, parts: Parts) -> None:
        hardening.harden()
        self._desk = opened(settings, parts)
        self._session = Session(os.getpid())
        self._scan: Scan | None = None

    def hello(self, agent: str | None = None, run: str | None = None, token: str | None = None, *,
              human: str | None = None) -> dict[str, Any]:
        said = {"agent": agent, "run": run, "token": token, "human": human}
        return self.ask("hello", **{name: text for name, text in said.items() if text is not None}).header

    def ask(self, op: str, body: bytes | bytearray | memoryview = b"", /, **fields: Json) -> Answer:
        """Raises what the desk refuses with. The use is in the log before this returns."""
        self._desk.begin()
        if op == "scan":
            self._scan = self._scan or Scan(scope_of(self._desk, self._session))
            return Answer(self._scan.answer(fields, bytes(body)), bytearray())
        asked = wire.head({"id": 1, "op": op, **fields})[8:]
        reply = ops.answer(self._desk, self._session, asked, bytearray(body))
        header = wire.parse(reply.head[8:])
        self._desk.settle()
        if "error" in header:
            raise raised(header["error"])
        return Answer(header, bytearray(reply.value))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._desk.holding.lock("")
        self._desk.spool.close()


@contextlib.contextmanager
def reach(settings: Settings, parts: Parts) -> Iterator[Client | Local]:
    """The daemon where one listens, else a desk here. Raises Locked where another command's desk stays for long."""
    client = connected(settings, parts)
    if client is not None:
        with client:
            yield client
        return
    with flock.exclusive(parts.repo.home / spool.LOCK, wait=_WAIT, what="the vault"), Local(settings, parts) as local:
        yield local


def served(settings: Settings, parts: Parts, what: str) -> Client:
    """The daemon. Raises Unavailable where none listens; `what` then cannot be."""
    client = connected(settings, parts)
    if client is None:
        raise Unavailable(f"no vault daemon serves this repository: {what}", fix="githarness vault serve")
    return client


def connected(settings: Settings, parts: Parts) -> Client | None:
    """None where no daemon listens."""
    try:
        return Client(settings, parts.repo.common_dir)
    except NotFound:
        return None
