"""Asks of processes that wait for the lane: who has it carries them out along with its own, in one landing.

    HOME/asks/KEY         an ask that may be taken; KEY is PID-START-NUMBER of its owner
    HOME/asks/KEY.taken   somebody in the lane carries it out
    HOME/asks/KEY.done    what it became; `null`: its owner has to do it itself
    HOME/asks/KEY.bell    a pipe by which the owner is woken

An ask is taken by renaming it, so an owner that gives up either takes it back or knows that it is being carried out.
Nothing here is durable: after a crash the open intents tell what landed, and `recover` answers for who died.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import select
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from githarness import canon
from githarness.clock import process_start
from githarness.work.asks import ApprovedAsk, Ask, Landed, LeftAsk, Op, Written

_NUMBERS = itertools.count()
MOST = 127  # asks that are taken at once
_LARGEST = 1 << 20  # bytes of content that go through the folder
Found = tuple[Written | None]  # the one element None: the owner has to do it itself


def fits(ask: Ask) -> bool:
    """Not a person's: nobody else signs with that key. Not what people approved: they are told how it went."""
    if ask.human is not None or isinstance(ask, ApprovedAsk):
        return False
    return sum(len(op.content) for op in ask.ops if op.content) <= _LARGEST


class Waiting:
    def __init__(self, home: Path) -> None:
        self._folder = home / "asks"

    @contextlib.contextmanager
    def left(self, ask: Ask) -> Iterator[Left]:
        """The ask lies there for the length of the block, for others to take. Raises OSError."""
        self._folder.mkdir(mode=0o700, exist_ok=True)
        pid = os.getpid()
        file = self._folder / f"{pid}-{process_start(pid)}-{next(_NUMBERS)}"
        bell = file.with_suffix(".bell")
        os.mkfifo(bell, 0o600)
        descriptor = os.open(bell, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            _replace(file, _packed(ask))
            yield Left(file, descriptor)
        finally:
            os.close(descriptor)
            for name in (file, *map(file.with_suffix, (".taken", ".done", ".bell"))):
                name.unlink(missing_ok=True)

    def take(self) -> list[LeftAsk]:
        """Takes what lies there. For who holds the lane."""
        taken: list[LeftAsk] = []
        for file in self._each():
            if len(taken) < MOST:
                with contextlib.suppress(OSError):
                    os.rename(file, file.with_suffix(".taken"))
                    taken.append(_unpacked(file.with_suffix(".taken").read_bytes(), file.name))
        return taken

    def answer(self, key: str, done: Written | None) -> None:
        """To the owner of the ask that has `key` as `left`; nothing where it has gone. For who holds the lane."""
        file = self._folder / key
        if file.with_suffix(".taken").exists():
            with contextlib.suppress(OSError):
                _replace(file.with_suffix(".done"), canon.dumps(asdict(done) if done else None))
                _ring(file)

    def ring(self) -> None:
        """Wakes one whose ask still lies there, so that somebody takes the lane. For who has just left it."""
        for file in self._each():
            with contextlib.suppress(OSError):
                _ring(file)
                return

    def clear(self) -> None:
        """After a start of the machine: process ids name others now."""
        for file in self._listed():
            file.unlink(missing_ok=True)

    def _each(self) -> Iterator[Path]:
        """The asks that may be taken, of living owners, in no order; what dead ones left is removed."""
        dead: dict[str, bool] = {}
        for file in self._listed():
            owner = file.stem.rpartition("-")[0]
            if owner not in dead:
                pid, _, start = owner.partition("-")
                dead[owner] = str(process_start(int(pid))) != start
            if dead[owner]:
                file.unlink(missing_ok=True)
            elif not file.suffix:
                yield file

    def _listed(self) -> list[Path]:
        try:
            return [self._folder / name for name in os.listdir(self._folder)]
        except FileNotFoundError:
            return []


class Left:
    """An ask that lies in the folder, for its owner."""

    def __init__(self, file: Path, bell: int) -> None:
        self._file = file
        self._bell = bell

    def rung(self, seconds: float) -> bool:
        """Whether the bell was rung within the time: there is a result, or the lane may be free."""
        ready = bool(select.select([self._bell], [], [], seconds)[0])
        if ready:
            os.read(self._bell, 4096)
        return ready

    def result(self) -> Found | None:
        """None as long as there is none."""
        try:
            found = json.loads(self._file.with_suffix(".done").read_bytes())
        except FileNotFoundError:
            return None
        if found is None:
            return (None,)
        return (Written(**{**found, "paths": tuple(Landed(**one) for one in found["paths"])}),)

    def taken_back(self) -> bool:
        """False where somebody carries it out, or has."""
        with contextlib.suppress(FileNotFoundError):
            self._file.unlink()
            return True
        return False


def _replace(file: Path, text: str) -> None:
    fresh = file.with_suffix(".new")
    fresh.write_text(text, encoding="utf-8")
    fresh.replace(file)


def _ring(file: Path) -> None:
    descriptor = os.open(file.with_suffix(".bell"), os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        os.write(descriptor, b"!")
    finally:
        os.close(descriptor)


def _packed(ask: Ask) -> str:
    table = asdict(ask)
    for op in table["ops"]:
        op["content"] = None if op["content"] is None else op["content"].decode("latin-1")
    return canon.dumps(table)


def _unpacked(data: bytes, key: str) -> LeftAsk:
    table = json.loads(data)
    ops = tuple(Op(**{**op, "content": None if op["content"] is None else op["content"].encode("latin-1")})
                for op in table["ops"])
    return LeftAsk(**{**table, "ops": ops, "chain": tuple(table["chain"]), "left": key})
