"""An upstream's answer on its way back: its head judged, its body decoded and redacted piece by piece, framed anew."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from http import HTTPStatus
from typing import NamedTuple

from githarness.proxy import http_message, http_target
from githarness.proxy.http_link import Refused
from githarness.proxy.http_message import PIECE, Closed, Framing, Head, Malformed, Wire
from githarness.vault.redact import Patterns, Redactor

TYPED = {401: "credential-rejected", 403: "credential-rejected", 404: "upstream-changed", 410: "upstream-changed"}
_WHOLE = 64 * 1024  # an answer of a known length up to this goes back with its length
_STATUS = re.compile(r"HTTP/1\.([01]) ([1-5][0-9]{2})(?: .*)?")
_PHRASES = {status.value: status.phrase for status in HTTPStatus}
_GZIP = 16 + zlib.MAX_WBITS


class Silent(Exception):
    """The upstream hung up without a word."""


class Answer(NamedTuple):
    head: Head
    status: int
    framing: Framing
    coding: str  # "" or gzip
    reusable: bool  # the connection can carry the next request once the body is read
    bodiless: bool


def read(upstream: Wire, method: str) -> Answer:
    """The final answer's head. Raises Silent, OSError, and Refused for what is no answer that can be looked into."""
    try:
        for _ in range(10):
            answer = _judged(upstream.head(), method)
            if answer.status >= 200:
                return answer
    except Closed as error:
        raise Silent from error
    except Malformed as error:
        raise Refused("bad-gateway", f"the upstream's answer is not understood: {error}") from error
    raise Refused("bad-gateway", "the upstream does not come to an answer")


def _judged(head: Head, method: str) -> Answer:
    found = _STATUS.fullmatch(head.first)
    if not found or found[2] == "101":
        raise Malformed("it does not begin with a status that may come here")
    status = int(found[2])
    framing = http_message.framing(head, response_to=method)
    coding = ",".join(head.all("content-encoding")).strip().lower().removeprefix("x-").replace("identity", "")
    if coding not in ("", "gzip"):
        raise Malformed("its coding cannot be looked into")
    reusable = found[1] == "1" and not framing.to_the_end and "close" not in ",".join(head.all("connection")).lower()
    bodiless = method == "HEAD" or status in (204, 304)
    return Answer(head, status, framing, coding, reusable, bodiless)


def hand_back(answer: Answer, upstream: Wire, agent: Wire, patterns: Patterns) -> None:
    """Raises Refused before anything was sent, Closed or OSError where either end breaks off after that."""
    first = f"HTTP/1.1 {answer.status} {_PHRASES.get(answer.status, '')}"
    fields = [(name, _hidden(value, patterns)) for name, value in http_target.back(answer.head)
              if _hidden(name, patterns) == name]
    if agent.behind:
        fields.append(("Connection", "close"))
    if kind := TYPED.get(answer.status):
        fields.append(("X-Githarness-Error", kind))
    if answer.bodiless:
        agent.send(http_message.rendered(first, fields))
        return
    hide, pieces = Redactor(patterns), _decoded(upstream.body(answer.framing), answer.coding)
    most = _WHOLE // 8 if answer.coding else _WHOLE  # it may unfold to a thousand times that
    if not answer.framing.chunked and not answer.framing.to_the_end and answer.framing.length <= most:
        try:
            whole = b"".join(map(hide.feed, pieces)) + hide.close()
        except (Closed, OSError) as error:
            raise Refused("bad-gateway", "the upstream broke off in the middle of its answer") from error
        agent.send(http_message.rendered(first, [*fields, ("Content-Length", str(len(whole)))]) + whole)
        return
    agent.send(http_message.rendered(first, [*fields, ("Transfer-Encoding", "chunked")]))
    upstream.quiet = lambda: _pass_on(agent, hide.idle())
    for piece in pieces:
        _pass_on(agent, hide.feed(piece))
    upstream.quiet = None
    _pass_on(agent, hide.close())
    agent.send(http_message.LAST_CHUNK)


def _pass_on(agent: Wire, piece: bytes) -> None:
    if piece:
        agent.send(http_message.chunk(piece))


def _hidden(text: str, patterns: Patterns) -> str:
    raw = text.encode("latin-1")
    if not patterns.begins.search(raw):
        return text
    hide = Redactor(patterns)
    return (hide.feed(raw) + hide.close()).decode("latin-1")


def _decoded(pieces: Iterator[bytes], coding: str) -> Iterator[bytes]:
    """Raises Closed for what does not decode. No piece is larger than PIECE, whatever it unfolds to."""
    try:
        yield from _unzipped(pieces) if coding == "gzip" else pieces
    except (zlib.error, Malformed) as error:
        raise Closed from error


def _unzipped(pieces: Iterator[bytes]) -> Iterator[bytes]:
    unzip = zlib.decompressobj(_GZIP)
    for piece in pieces:
        while piece:
            if unzip.eof:
                unzip = zlib.decompressobj(_GZIP)
            yield unzip.decompress(piece, PIECE)
            piece = unzip.unconsumed_tail or unzip.unused_data
