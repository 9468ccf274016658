"""What a client says is what the daemon understands, and nothing else is."""

from __future__ import annotations

import dataclasses
import json
import struct

import pytest

from githarness.daemon import requests
from githarness.errors import Usage
from githarness.frames import REQUEST, Cutter, Frame, Oversize
from githarness.work.asks import Ask, Op, ReadAsk

FULL = Ask(
    "deployer", "r-1", (Op("write", "a/é.md", b"one\n", None, "absent", "100755"), Op("rename", "b", None, "c"),
                        Op("append", "log", b""), Op("append", "log", b"\x00two")),
    message="why\nbecause", operation="op-1", merge=True, chain=("olive", "lead"), assisted_by="tool:model", token="t",
    lease="ls-1",
)


def cut(data: bytes) -> Frame:
    cutter = Cutter(REQUEST)
    cutter.feed(data)
    frame = cutter.next()
    assert frame is not None and not len(cutter)
    return frame


def header(frame: bytes) -> dict[str, object]:
    found: dict[str, object] = json.loads(cut(frame).header)
    return found


def refusal(table: object, body: bytes = b"") -> str:
    request = requests.parse(Frame(json.dumps(table).encode(), body))
    assert request.verb == "refused" and isinstance(request.what, Usage)
    return request.what.message


def test_no_field_of_an_ask_is_lost() -> None:
    """A field that someone adds to Ask and forgets here would be a guard that the daemon never sees."""
    for field in (field for field in dataclasses.fields(FULL) if field.name != "human"):
        default = None if field.default is dataclasses.MISSING else field.default
        assert getattr(FULL, field.name) != default, f"'{field.name}' needs a value in this test"
    request = requests.parse(cut(requests.write(7, FULL)))
    assert (request.id, request.verb, request.what) == (7, "write", FULL)


def test_nobody_acts_as_a_person_through_the_daemon() -> None:
    """A request that names one is refused: the daemon signs for agents only."""
    plain = json.loads(cut(requests.write(1, Ask("olive", "r-1", (Op("delete", "a"),)))).header)
    assert requests.parse(Frame(json.dumps(plain).encode(), b"")).verb == "write"
    assert "human" in refusal({**plain, "human": "olive"})


def test_no_field_of_a_read_is_lost() -> None:
    """All fields of ReadAsk cross the socket."""
    ask = ReadAsk("a", "deployer", "r-1", "HEAD~1", "t")
    assert None not in dataclasses.astuple(ask)
    assert requests.parse(cut(requests.read(1, ask))).what == ask


def test_absent_content_is_not_empty_content() -> None:
    """`delete` has no content; a write of an empty file has some, of length 0."""
    ask = Ask("a", "r", (Op("delete", "x"), Op("write", "y", b"")))
    assert requests.parse(cut(requests.write(1, ask))).what == ask


@pytest.mark.parametrize("change", [
    {"until": "l-1"}, {"agent": None}, {"agent": 5}, {"merge": "yes"}, {"chain": "olive"}, {"chain": [1]}, {"ops": []},
    {"ops": "x"}, {"ops": [1]}, {"ops": [{"kind": "chmod", "path": "a"}]},
    {"ops": [{"kind": "write", "path": "a", "x": 1}]},
    {"ops": [{"kind": "write", "path": "a", "mode": "120000"}]}, {"ops": [{"kind": "write", "path": "a", "size": 5}]},
    {"ops": [{"kind": "write", "path": "a", "size": -1}]}, {"ops": [{"kind": "write", "path": "a", "size": True}]},
    {"ops": [{"kind": "write", "path": "a", "size": 3}]}, {"ops": [{"kind": "write", "path": None}]},
])  # fmt: skip
def test_a_header_that_says_more_less_or_other_is_refused(change: dict[str, object]) -> None:
    """Unknown keys, wrong types, and sizes that do not cut the body exactly; the connection survives."""
    good = {"do": "write", "id": 3, "agent": "a", "run": "r", "ops": [{"kind": "write", "path": "a", "size": 4}]}
    assert requests.parse(Frame(json.dumps(good).encode(), b"body")).verb == "write"
    refusal({**good, **change}, b"body")


def test_an_unknown_verb_is_refused_by_its_id() -> None:
    """So that a newer client can ask for a verb and hear that there is none."""
    assert "'fly'" in refusal({"do": "fly", "id": 3})
    assert "longer" in refusal({"do": "ping", "id": 3}, b"x")


@pytest.mark.parametrize("raw", [
    b"", b"{", b"[]", b"5", b"\xff\xfe{}", b"{}", b'{"do":"ping"}', b'{"id":1}', b'{"do":"ping","id":0}',
    b'{"do":"ping","id":true}', b'{"do":"ping","id":1.0}', b'{"do":5,"id":1}', b'{"id":1,"do":"\\ud800"}',
    b'{"id":NaN,"do":"ping"}', b'{"do":"ping","id":' + b"9" * 5000 + b"}", b"[" * 100_000,
])  # fmt: skip
def test_a_header_without_a_usable_id_ends_the_connection(raw: bytes) -> None:
    """There is no request that an answer could be given to."""
    with pytest.raises(Usage):
        requests.parse(Frame(raw, b""))


def test_an_escaped_lone_surrogate_never_reaches_the_ledger() -> None:
    """It would decode here and fail where the whole group's objects are built."""
    table = {"do": "read", "id": 1, "path": "\ud800"}
    with pytest.raises(Usage):
        requests.parse(Frame(json.dumps(table).encode(), b""))
    with pytest.raises(UnicodeEncodeError):
        requests.read(1, ReadAsk("\udcff"))


def test_frames_come_out_whole_however_they_went_in() -> None:
    """Byte by byte, or two in one piece."""
    data = requests.bare(1, "ping") + requests.write(2, FULL)
    cutter, seen = Cutter(REQUEST), []
    for byte in data:
        cutter.feed(bytes([byte]))
        while frame := cutter.next():
            seen.append(requests.parse(frame).id)
    assert seen == [1, 2] and not len(cutter)


@pytest.mark.parametrize(("length", "head"), [
    (4, 0), (0, 0), (3, 1), (2**32 - 1, 10), (10, 2**32 - 1), (10, 7), (REQUEST.header + 5, REQUEST.header + 1),
    (4 + 1 + REQUEST.body + 1, 1),
])  # fmt: skip
def test_lengths_out_of_bounds_are_refused_before_their_bytes_come(length: int, head: int) -> None:
    """Eight bytes are enough to know; nothing is allocated or awaited for the rest."""
    cutter = Cutter(REQUEST)
    cutter.feed(struct.pack(">II", length, head))
    with pytest.raises(Usage):
        cutter.next()


def test_what_fits_no_frame_is_not_packed() -> None:
    """The client then uses the lane in process."""
    with pytest.raises(Oversize):
        requests.write(1, Ask("a", "r", (Op("write", "x", bytes(REQUEST.body + 1)),)))
    with pytest.raises(Oversize):
        requests.write(1, Ask("a", "r", (Op("delete", "x"),), message="m" * REQUEST.header))
