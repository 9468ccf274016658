"""HTTP/1.1 read strictly: one reading or none, and within bounds."""

from __future__ import annotations

import socket

import pytest

from githarness.proxy import http_answer, http_message
from githarness.proxy.http_exchange import Courier
from githarness.proxy.http_link import Link
from githarness.proxy.http_message import Closed, Framing, Malformed, Wire
from githarness.proxy.http_upstream import Kept, Origin
from githarness.proxy.http_use import Use

LINE = b"POST / HTTP/1.1\r\n"


def _wire(data: bytes, idle: float = 5.0) -> Wire:
    ours, theirs = socket.socketpair()
    with theirs:
        theirs.sendall(data)
    wire = Wire(ours, idle)
    wire.within(5.0)
    return wire


@pytest.mark.parametrize("fields", [
    b"A : b\r\n", b" A: b\r\n", b"A: b\r\n c\r\n", b"A: b\nB: c\r\n", b"A: b\rc\r\n", b"A: \0\r\n", b"A\r\n",
    b": b\r\n",    b"A\xff: b\r\n", b"\xef\xbb\xbfA: b\r\n", b"A: b\r\r\n", b"A: \x0b\r\n",
])
def test_a_field_with_two_readings_is_refused(fields: bytes) -> None:
    """Folded lines, bare CR and LF, NUL and blanks before the colon are what smugglers use."""
    with pytest.raises(Malformed):
        _wire(LINE + fields + b"\r\n").head()


@pytest.mark.parametrize("fields", [
    b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n", b"Content-Length: 1\r\nContent-Length: 1\r\n",
    b"Content-Length: 1, 1\r\n", b"Content-Length: +1\r\n", b"Content-Length: 0x1\r\n", b"Content-Length: \r\n",
    b"Transfer-Encoding: gzip, chunked\r\n", b"Transfer-Encoding: xchunked\r\n", b"Transfer-Encoding: Chunked\r\n",
    b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", b"Transfer-Encoding: identity\r\n",
])
def test_v40_a_body_with_two_lengths_is_refused(fields: bytes) -> None:
    """V40: what follows a request cannot be taken for another one."""
    with pytest.raises(Malformed):
        http_message.framing(_wire(LINE + fields + b"\r\n").head())


@pytest.mark.parametrize("body", [
    b"-1\r\n", b"1;\na\r\n0\r\n\r\n", b"0x1\r\na\r\n", b"1\na\r\n", b"1\r\nab\r\n", b"fffffffff\r\n", b"1 \r\na\r\n",
    b"\r\n", b"1;a\0\r\na\r\n",
])
def test_a_chunk_with_two_readings_is_refused(body: bytes) -> None:
    """The framing inside a body is as strict as its head."""
    with pytest.raises(Malformed):
        list(_wire(body).body(Framing(chunked=True)))


def test_chunks_come_as_they_are_and_trailers_go() -> None:
    """What stands after the last chunk is no field of anything."""
    wire = _wire(b"3;x=y\r\nabc\r\n2\r\nde\r\n0\r\nAuthorization: x\r\n\r\nNEXT")
    assert b"".join(wire.body(Framing(chunked=True))) == b"abcde"
    assert wire.some() == b"NEXT"


@pytest.mark.parametrize("framing", [Framing(length=9), Framing(chunked=True)])
def test_a_body_that_is_cut_short_is_no_body(framing: Framing) -> None:
    """An end of the stream is not the end of a body that says its length."""
    with pytest.raises(Closed):
        list(_wire(b"5\r\nab").body(framing))


def test_a_head_is_bounded() -> None:
    """A head without end is refused before it fills the memory."""
    with pytest.raises(Malformed):
        _wire(LINE + b"A: " + b"a" * http_message.LARGEST_HEAD * 2).head()


def test_a_slow_head_ends(tmp_path: object) -> None:
    """Whoever sends byte by byte gets no longer than the whole head is given."""
    ours, theirs = socket.socketpair()
    wire = Wire(ours, idle=5.0)
    wire.within(0.05)
    theirs.sendall(LINE)
    with pytest.raises(TimeoutError):
        wire.head()


def test_a_plain_message_is_read() -> None:
    """The negative control of all that is refused here."""
    wire = _wire(LINE + b"Host: a\r\nX-Empty:\r\nContent-Length: 2\r\n\r\nhi")
    head = wire.head()
    assert head.fields == [("Host", "a"), ("X-Empty", ""), ("Content-Length", "2")]
    assert b"".join(wire.body(http_message.framing(head))) == b"hi"


@pytest.mark.parametrize("behind", [False, True])
def test_an_upstream_that_waits_for_the_rest_of_a_body_is_not_kept(*, behind: bool) -> None:
    """What is asked next would be read as that rest; one that has all of it is kept."""
    (ours, theirs), agent, kept = socket.socketpair(), _wire(b""), Kept()
    use = Use("a", 1, Origin("http", "h", 80), "X", "value", (b"a-value-of-it",))
    with theirs:
        theirs.sendall(b"HTTP/1.1 413 No\r\nContent-Length: 0\r\n\r\n")
        (upstream := Wire(ours, 5.0)).within(5.0)
        agent.behind = behind
        agent.connection, other = socket.socketpair()
        with other:
            answer = http_answer.read(upstream, "POST")
            Courier(Link(socket.socketpair()[0]), kept, set())._hand_back(agent, upstream, answer, ("r", use))
        assert (kept.take("r", use.origin) is None) == behind
