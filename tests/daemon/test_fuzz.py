"""Bytes that nobody meant to send: parsers raise Usage and nothing else, and the daemon stays."""

from __future__ import annotations

import random
import socket
import struct
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from githarness import sockets
from githarness.daemon import answers, place, requests
from githarness.errors import Usage
from githarness.frames import ANSWER, REQUEST, Cutter
from githarness.work.asks import Ask, Op, ReadAsk, Written

Start = Callable[..., Any]
SEEDS = [
    requests.hello(1, "/srv/fleet/.git"),
    requests.write(2, Ask("a", "r", (Op("append", "log", b"12345"), Op("delete", "x")), chain=("b",))),
    requests.read(3, ReadAsk("log", "a", "r")),
    requests.bare(4, "ping"),
    requests.bare(5, "status"),
]
ANSWERS = [answers.bare(1, "hello", {"protocol": 1}), answers.written(2, Written("c", (), "o", None, "none"))]
TOKENS = [b"null", b"true", b"-1", b"1e999", b"[]", b"{}", b'""', b'"\\ud800"', b"\xff", b"\0", b'"id"', b"9" * 30]


def mutated(rng: random.Random, seed: bytes) -> bytes:
    data = bytearray(seed)
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(data) + 1)
        how = rng.randrange(5)
        if how == 0 and at < len(data):
            data[at] ^= 1 << rng.randrange(8)
        elif how == 1:
            data[at : at + rng.randint(1, 8)] = b""
        elif how == 2:
            data[at:at] = rng.randbytes(rng.randint(1, 8))
        elif how == 3:
            data[at : at + rng.randint(0, 8)] = rng.choice(TOKENS)
        else:
            data[at:at] = rng.choice(SEEDS)
    if rng.random() < 0.7:  # lengths that are right again let more of the mutation through
        body = rng.randint(0, 8)
        struct.pack_into(">II", data := data.ljust(16, b"x"), 0, len(data) - 4, max(len(data) - 8 - body, 0))
    return bytes(data)


def rounds(rng: random.Random, number: int) -> None:
    for _ in range(number):
        for seeds, bounds, parse in ((SEEDS, REQUEST, requests.parse), (ANSWERS, ANSWER, answers.parse)):
            cutter = Cutter(bounds)
            cutter.feed(mutated(rng, rng.choice(seeds)))
            try:
                while frame := cutter.next():
                    parse(frame)  # type: ignore[operator]
            except Usage:
                continue


def test_parsers_raise_usage_and_nothing_else() -> None:
    """A sample of the campaign below."""
    rounds(random.Random(2), 3000)


@pytest.mark.soak
def test_parsers_for_long() -> None:
    """A million frames."""
    rounds(random.Random(), 1_000_000)


def resident(pid: int) -> int:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * 4096


@pytest.mark.soak
def test_the_daemon_outlives_thousands_of_bad_clients(daemon: Start, wire: Start) -> None:
    """It answers everybody else, holds nothing of them, and does not grow."""
    served, rng = daemon(), random.Random()
    steady = wire(served)
    for turn in range(5_000):
        with socket.socket(socket.AF_UNIX) as client, sockets.address(served.socket) as short:
            client.connect(short)
            client.settimeout(0.02)
            parts = [requests.hello(1, place.repository(served.repo))] if rng.random() < 0.8 else []
            parts += [mutated(rng, rng.choice(SEEDS)) for _ in range(50)]
            try:
                client.sendall(b"".join(parts))
                client.recv(1 << 16)
            except OSError:
                pass
        if turn % 1000 == 0:
            steady.send(requests.bare(turn + 1, "status"))
            assert steady.answer().kind == "status"
            assert resident(served.process.pid) < 100 << 20
    time.sleep(2)
    steady.send(requests.bare(1, "status"))
    status = steady.answer().what
    assert status["queued"] == status["held"] == 0 and status["connections"] == 1
    assert served.end() == 0
