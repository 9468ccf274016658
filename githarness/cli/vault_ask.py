"""Commands ask the vault: its daemon where one listens, else the same desk here, if the vault opens alone."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

from githarness import flock, wiring
from githarness.canon import Json
from githarness.errors import NotFound, Unavailable, VaultLocked, raised
from githarness.proxy import ops, serve
from githarness.proxy.desk import Desk, Session
from githarness.vault import wire
from githarness.vault.client import Answer, Client


class Asks(Protocol):
    def ask(self, op: str, body: bytes | bytearray | memoryview = b"", /, **fields: Json) -> Answer: ...


@dataclass(frozen=True, slots=True)
class Who:
    """An agent in a run, or a person."""

    agent: str | None = None
    run: str | None = None
    human: str | None = None
    token: str | None = None


@contextlib.contextmanager
def vault(harness: wiring.Harness, who: Who) -> Iterator[Asks]:
    """Raises VaultLocked where no daemon runs and a person has to open the vault, and what `hello` is refused with."""
    said: dict[str, Json] = {name: text for name in ("agent", "run", "human", "token") if (text := getattr(who, name))}
    with _opened(harness) as asks:
        asks.ask("hello", **said)
        yield asks


@contextlib.contextmanager
def _opened(harness: wiring.Harness) -> Iterator[Asks]:
    try:
        client = Client(harness.settings, harness.repo.common_dir)
    except NotFound:
        with _in_process(harness) as asks:
            yield asks
        return
    with client:
        yield client


@contextlib.contextmanager
def _in_process(harness: wiring.Harness) -> Iterator[Asks]:
    harness.repo.home.mkdir(mode=0o700, exist_ok=True)
    with flock.exclusive(harness.repo.home / serve.LOCK, what="the vault daemon of this repository"):
        desk = serve.opened(harness.settings, harness.parts)
        if desk.holding.locked:
            desk.holding.vault()  # says what is wrong with it, where something is
            raise VaultLocked(f"no daemon serves the vault, and here {desk.holding.why_locked}",
                              fix="githarness vault serve, then githarness vault unlock")
        try:
            yield _Desked(desk)
        finally:
            desk.settle()
            desk.holding.lock("done")


class _Desked:
    """As `Client`: nothing is handed out before it is in the spool."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._session = Session(os.getpid())

    def ask(self, op: str, body: bytes | bytearray | memoryview = b"", /, **fields: Json) -> Answer:
        self._desk.begin()
        header = wire.head({"id": 1, "op": op, **fields})[wire.LENGTHS.size :]
        reply = ops.answer(self._desk, self._session, header, bytearray(body))
        if not self._desk.spool.write():
            raise Unavailable(f"uses of secrets cannot be recorded: {self._desk.spool.blocked}",
                              fix="make room on the disk of the repository")
        found = wire.parse(reply.head[wire.LENGTHS.size :])
        if "error" in found:
            raise raised(found["error"])
        return Answer(found, bytearray(reply.value))


def values(asks: Asks, names: Iterable[str], mode: str) -> dict[str, bytes]:
    """Each in one use of its own. Raises what the first refused one is refused with."""
    found = {}
    for name in names:
        answer = asks.ask("get", name=name, mode=mode)
        found[name] = bytes(answer.body)
        answer.wipe()
    return found
