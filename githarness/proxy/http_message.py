"""HTTP/1.1 as two ends may send it through the door, read strictly (RFC 9112): heads, and bodies as they come.

What two parsers could read in different ways is Malformed: bare LF or CR, NUL, folded lines, blanks around a field's
name, a length twice, a length beside a transfer coding, a coding other than `chunked`. Everything is bounded.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Iterator
from typing import NamedTuple

from githarness import clock

LARGEST_HEAD = 64 * 1024
PIECE = 64 * 1024
_FIELD = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*([\x21-\x7e\x80-\xff](?:[\t\x20-\x7e\x80-\xff]*"
                    rb"[\x21-\x7e\x80-\xff])?)?[ \t]*")
_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,8})(?:;[\t\x20-\x7e\x80-\xff]*)?")
_LENGTH = re.compile(r"[0-9]{1,18}")
_LONGEST_LINE = 1024
_MOMENT = 0.05
LAST_CHUNK = b"0\r\n\r\n"

Fields = list[tuple[str, str]]


class Malformed(Exception):
    """The message is not to be understood in one way only; the connection is of no use after it."""


class Closed(Exception):
    """The other end went away before, or in the middle of, a message."""


class Head(NamedTuple):
    first: str  # the request line or the status line
    fields: Fields  # as they came, names in their own spelling

    def all(self, name: str) -> list[str]:
        return [value for given, value in self.fields if given.lower() == name]


class Framing(NamedTuple):
    """How long a body is: a length, in chunks, or until the other end closes."""

    length: int = 0
    chunked: bool = False
    to_the_end: bool = False


class Wire:
    """One connection, read through a buffer; `idle` bounds every wait, `until` the head or body that is read now."""

    def __init__(self, connection: socket.socket, idle: float) -> None:
        self.connection = connection
        self.idle = idle
        self.quiet: Callable[[], None] | None = None  # called when nothing came for a moment
        self.behind = False  # before the end of a body: what comes next is no head
        self._until = 0.0
        self._held = bytearray()

    def within(self, seconds: float) -> None:
        """Everything until the next call has to be over by then. A wait that is too long raises TimeoutError."""
        self._until = clock.SYSTEM.monotonic() + seconds

    def ready(self, seconds: float) -> None:
        """Waits for the first byte of what comes next. Raises Closed, TimeoutError."""
        if not self._held:
            self.connection.settimeout(seconds)
            self._held += self.connection.recv(PIECE)
            if not self._held:
                raise Closed

    def _wait(self) -> None:
        left = min(self.idle, self._until - clock.SYSTEM.monotonic())
        if left <= 0:
            raise TimeoutError("it took too long")
        self.connection.settimeout(left)

    def _more(self) -> bool:
        if self.quiet:
            try:
                self.connection.settimeout(_MOMENT)
                piece = self.connection.recv(PIECE)
                self._held += piece
                return bool(piece)
            except TimeoutError:
                self.quiet()
        self._wait()
        piece = self.connection.recv(PIECE)
        self._held += piece
        return bool(piece)

    def send(self, data: bytes) -> None:
        while data:
            self._wait()
            data = data[self.connection.send(data) :]

    def head(self) -> Head:
        """Raises Closed, Malformed, TimeoutError, OSError."""
        seen = 0
        while (end := self._held.find(b"\r\n\r\n", max(0, seen - 3))) < 0 and (seen := len(self._held)) <= LARGEST_HEAD:
            if not self._more():
                raise Closed
        if not 0 <= end <= LARGEST_HEAD:
            raise Malformed("the head is too large")
        raw = bytes(self._held[:end])
        del self._held[: end + 4]
        return _parsed(raw)

    def some(self, most: int = PIECE) -> bytes:
        """What is there, at least a byte; nothing at the end of the stream."""
        if not self._held and not self._more():
            return b""
        piece = bytes(self._held[:most])
        del self._held[:most]
        return piece

    def body(self, framing: Framing) -> Iterator[bytes]:
        """Pieces as they arrive. Raises Closed where the body is cut short."""
        if framing.chunked:
            yield from self._chunks()
        elif framing.to_the_end:
            while piece := self.some():
                yield piece
        else:
            yield from self._exactly(framing.length)
        self.behind = False

    def _exactly(self, size: int) -> Iterator[bytes]:
        while size:
            piece = self.some(min(size, PIECE))
            if not piece:
                raise Closed
            size -= len(piece)
            yield piece

    def _chunks(self) -> Iterator[bytes]:
        while size := self._chunk_size():
            yield from self._exactly(size)
            if self._line():
                raise Malformed("a chunk is longer than it says")
        for _ in range(100):  # trailers are read and dropped
            if not self._line():
                return
        raise Malformed("there are too many trailers")

    def _chunk_size(self) -> int:
        found = _CHUNK.fullmatch(self._line())
        if not found:
            raise Malformed("a chunk does not say its size")
        return int(found[1], 16)

    def _line(self) -> bytes:
        while (end := self._held.find(b"\n")) < 0:
            if len(self._held) > _LONGEST_LINE:
                raise Malformed("a line in the body's framing is too long")
            if not self._more():
                raise Closed
        line = bytes(self._held[: end + 1])
        del self._held[: end + 1]
        if not line.endswith(b"\r\n"):
            raise Malformed("a line of the body's framing does not end in CR LF")
        return line[:-2]

    @property
    def pending(self) -> bool:
        """Whether bytes are here that nobody asked for."""
        return bool(self._held)

    def close(self) -> None:
        self.connection.close()


def _parsed(raw: bytes) -> Head:
    first, *lines = raw.split(b"\r\n")
    if not first or not first.isascii() or re.search(rb"[\x00-\x1f\x7f]", first):
        raise Malformed("the first line holds what it may not")
    fields: Fields = []
    for line in lines:
        found = _FIELD.fullmatch(line)
        if not found:
            raise Malformed("a header field is not of the form 'name: value'")
        fields.append((found[1].decode(), (found[2] or b"").decode("latin-1")))
    return Head(first.decode(), fields)


def framing(head: Head, *, response_to: str | None = None) -> Framing:
    """How the body of a request is framed, or of the response to a request of this method. Raises Malformed."""
    lengths, codings = head.all("content-length"), head.all("transfer-encoding")
    if len(lengths) > 1 or (lengths and codings):
        raise Malformed("the length of the body is told twice")
    if codings and codings != ["chunked"]:
        raise Malformed("the body has a transfer coding other than 'chunked'")
    if lengths and not _LENGTH.fullmatch(lengths[0]):
        raise Malformed("the length of the body is no number")
    if response_to == "HEAD" or (response_to and head.first[9:12] in ("204", "304")):
        return Framing()
    if lengths:
        return Framing(length=int(lengths[0]))
    return Framing(chunked=True) if codings else Framing(to_the_end=response_to is not None)


def chunk(piece: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(piece), piece)


def rendered(first: str, fields: Fields) -> bytes:
    """A head to send. Text that would end its line is a defect of the caller."""
    lines = [first, *(f"{name}: {value}" for name, value in fields)]
    text = "\r\n".join(lines)
    if text.count("\r") != len(fields) or text.count("\n") != len(fields) or "\0" in text:
        raise Malformed("a header field holds the end of a line")
    return (text + "\r\n\r\n").encode("latin-1")
