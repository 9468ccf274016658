"""docs/protocol.md says what the code does: the vectors byte by byte, the keys and the limits by name."""

from __future__ import annotations

import ast
import dataclasses
import re
from pathlib import Path
from typing import Any, cast

import pytest

from githarness.daemon import answers, requests
from githarness.daemon.connection import Limits
from githarness.errors import HarnessError
from githarness.frames import ANSWER, REQUEST, Bounds, Cutter, Frame
from githarness.work.asks import Ask, Doc, Op, ReadAsk, Written

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "protocol.md").read_text()
VECTOR = re.compile(r"### (request|answer): (\w+)\n\n```text\n(.+)\nbody: (.+)\n\n([0-9a-f\n]+)```")
VECTORS = {(side, name): (header, body, bytes.fromhex(data)) for side, name, header, body, data in VECTOR.findall(TEXT)}


def cut(data: bytes, bounds: Bounds) -> Frame:
    cutter = Cutter(bounds)
    cutter.feed(data)
    frame = cutter.next()
    assert frame and not len(cutter)
    return frame


def said(name: str, answer: answers.Answer) -> bytes:
    if answer.kind == "done":
        return answers.done(answer.id, cast(dict[str, Any], answer.what))
    if isinstance(answer.what, Written):
        return answers.written(answer.id, answer.what)
    if isinstance(answer.what, Doc):
        return answers.doc(answer.id, answer.what)
    if isinstance(answer.what, HarnessError):
        return answers.bye(answer.what) if name == "bye" else answers.error(answer.id, answer.what)
    more = {key: value for key, value in (answer.what or {}).items() if key not in ("is", "id")}
    return answers.bare(answer.id, answer.kind, more)


def asked(request: requests.Request) -> bytes:
    if isinstance(request.what, Ask):
        return requests.write(request.id, request.what)
    if isinstance(request.what, ReadAsk):
        return requests.read(request.id, request.what)
    if isinstance(request.what, requests.Changed):
        return requests.changed(request.id, *request.what)
    if isinstance(request.what, requests.Hello):
        return requests.hello(request.id, request.what.repository)
    if isinstance(request.what, requests.Asked):
        return requests.ask(request.id, request.what)
    return requests.bare(request.id, request.verb)


@pytest.mark.parametrize("vector", VECTORS, ids=" ".join)
def test_a_vector_is_what_it_says_and_what_the_code_says(vector: tuple[str, str]) -> None:
    """Hex, header and body agree; parsing and saying it again gives the same bytes."""
    header, body, data = VECTORS[vector]
    frame = cut(data, REQUEST if vector[0] == "request" else ANSWER)
    assert frame == (header.encode(), ast.literal_eval(body))
    if vector[0] == "request":
        request = requests.parse(frame)
        assert request.verb == vector[1] and asked(request) == data
    else:
        answer = answers.parse(frame)
        assert answer.kind == vector[1] and said(vector[1], answer) == data


def test_every_key_is_documented() -> None:
    """Of asks, ops, reads and results; and there is a vector of the main kinds."""
    for kind in (Ask, Op, ReadAsk, Written):
        for field in dataclasses.fields(kind):
            assert field.name in ("content", "human") or f"`{field.name}`" in TEXT, field.name
    known = {side: {name for where, name in VECTORS if where == side} for side in ("request", "answer")}
    assert known["request"] == {"hello", "write", "read", "ping", "ask", "changed"}
    assert known["answer"] == {"hello", "written", "done", "changed", "doc", "error", "defer", "bye"}


def test_the_limits_are_documented() -> None:
    """Their numbers are part of the protocol."""
    it = Limits()
    assert (REQUEST, ANSWER.header, ANSWER.body) == ((1 << 20, 1 << 20), 16 << 20, 1 << 20)
    assert (it.hello, it.frame, it.drain, it.idle) == (10, 10, 30, 600)
    for shown in (f"{it.connections:,}", f"{it.queue:,}", f"{it.held >> 20} MiB", f"| {it.pipeline} |",
                  f"{it.unsent >> 20} MiB", f"{it.group} writes or {it.group_bytes >> 20} MiB"):
        assert shown in TEXT
