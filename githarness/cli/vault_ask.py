"""Commands ask the vault: its daemon where one listens, else the same desk here, if the vault opens alone."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

from githarness import wiring
from githarness.canon import Json
from githarness.proxy import local
from githarness.vault.client import Answer


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
    """Raises what `hello` is refused with, Locked where another command has the vault for long."""
    said: dict[str, Json] = {name: text for name in ("agent", "run", "human", "token") if (text := getattr(who, name))}
    with local.reach(harness.settings, harness.parts) as asks:
        asks.ask("hello", **said)
        yield asks


def values(asks: Asks, names: Iterable[str], mode: str) -> dict[str, bytes]:
    """Each in one use of its own. Raises what the first refused one is refused with."""
    found = {}
    for name in names:
        answer = asks.ask("get", name=name, mode=mode)
        found[name] = bytes(answer.body)
        answer.wipe()
    return found
