"""One request carried to its upstream and the answer back: asked for, injected, redacted, told where it was refused.

Redirects are handed to the agent, never followed. An answer is redacted as it streams; one whose coding cannot be
looked into is refused. `X-Githarness-Error` says `credential-rejected` (401, 403), `upstream-changed` (404, 410) or
the code of our own refusal.
"""

from __future__ import annotations

import json
from functools import lru_cache
from http import HTTPStatus
from typing import NamedTuple

from githarness.proxy import http_answer, http_message, http_target, http_upstream
from githarness.proxy.http_answer import Answer
from githarness.proxy.http_link import Link, Refused
from githarness.proxy.http_message import Fields, Framing, Head, Wire
from githarness.proxy.http_target import Target
from githarness.proxy.http_upstream import Kept, Unreachable
from githarness.proxy.http_use import Use, granted
from githarness.vault.redact import Patterns

_UPSTREAM_IDLE = 300.0  # a model may think for minutes before its next word
_TOTAL = 3600.0
_REPEATABLE = {"GET", "HEAD", "OPTIONS"}
_STATUSES = {"denied": 403, "quarantined": 403, "paused": 403, "not-found": 404, "usage": 400, "rate-limited": 429,
             "bad-gateway": 502}
_FIX = "ask an operator to look at the secret's record: githarness vault history NAME"


class _Request(NamedTuple):
    head: bytes
    framing: Framing


class Courier:
    """Carries requests; shared by all connections. `hosts`: what a request's field Host may say."""

    def __init__(self, link: Link, kept: Kept, hosts: set[str]) -> None:
        self._link, self._kept, self._hosts = link, kept, hosts
        self._rejected: set[tuple[str, int]] = set()

    def carry(self, agent: Wire, head: Head) -> bool:
        """Whether the agent's connection can be used again. Raises Malformed, Closed, OSError."""
        target = http_target.target(head, self._hosts)
        framing = http_message.framing(head)
        agent.behind = framing != Framing()
        try:
            use = granted(self._link.ask("use", route=target.token, method=target.method, path=target.path))
            agent.within(_TOTAL)
            if [value.lower() for value in head.all("expect")] == ["100-continue"]:
                agent.send(b"HTTP/1.1 100 Continue\r\n\r\n")
            upstream, answer = self._asked(agent, _request(head, target, use, framing), target, use)
            self._tell(target.token, use, answer.status)
            self._hand_back(agent, upstream, answer, (target.token, use))
        except Refused as refused:
            agent.send(refusal(refused, _STATUSES.get(refused.code, 503)))
            return False
        return not agent.behind and "close" not in ",".join(head.all("connection")).lower()

    def _asked(self, agent: Wire, request: _Request, target: Target, use: Use) -> tuple[Wire, Answer]:
        """The upstream's connection and the head of its answer. Raises Refused where there is none."""
        upstream = self._kept.take(target.token, use.origin)
        if upstream and (answer := _answered(upstream, request, agent, target.method)):
            return upstream, answer
        if upstream and (request.framing != Framing() or target.method not in _REPEATABLE):
            raise Refused("bad-gateway", f"'{use.origin.authority}' hung up", "see whether it was done, then repeat")
        try:
            upstream = http_upstream.connect(use.origin, _UPSTREAM_IDLE)
        except Unreachable as error:
            raise Refused("unavailable", str(error), _FIX) from error
        if answer := _answered(upstream, request, agent, target.method):
            return upstream, answer
        raise Refused("bad-gateway", f"'{use.origin.authority}' hung up", "see whether it was done, then repeat")

    def _tell(self, token: str, use: Use, status: int) -> None:
        """The daemon counts what upstreams refuse, and is told when one takes the credential again."""
        key = use.name, use.version
        if status in http_answer.TYPED:
            self._rejected.add(key)
        elif key in self._rejected:
            self._rejected.discard(key)
        else:
            return
        self._link.ask("outcome", route=token, version=use.version, status=status)

    def _hand_back(self, agent: Wire, upstream: Wire, answer: Answer, whose: tuple[str, Use]) -> None:
        token, use = whose
        try:
            http_answer.hand_back(answer, upstream, agent, _patterns(use.name, use.hidden))
        except BaseException:
            upstream.close()
            raise
        if answer.reusable and not agent.behind:  # else the next request would be the rest of this one's body
            self._kept.give(token, use.origin, upstream)
        else:
            upstream.close()


@lru_cache(maxsize=64)
def _patterns(name: str, hidden: tuple[bytes, ...]) -> Patterns:
    return Patterns([(name, value) for value in hidden])


def refusal(refused: Refused, status: int) -> bytes:
    """An answer of our own, after which the connection closes: what came may not have been read to its end."""
    error = {"code": refused.code, "message": refused.message, "fix": refused.fix}
    body = json.dumps({"error": error}).encode() + b"\n"
    fields = [("Content-Type", "application/json"), ("Content-Length", str(len(body))), ("Connection", "close"),
              ("X-Githarness-Error", refused.kind)]
    return http_message.rendered(f"HTTP/1.1 {status} {HTTPStatus(status).phrase}", fields) + body


def _request(head: Head, target: Target, use: Use, framing: Framing) -> _Request:
    fields: Fields = [("Host", use.origin.authority), *http_target.onward(head, use.field), (use.field, use.value),
                      ("Accept-Encoding", "identity")]
    if framing.chunked:
        fields.append(("Transfer-Encoding", "chunked"))
    elif head.all("content-length"):
        fields.append(("Content-Length", str(framing.length)))
    line = f"{target.method} {target.path}{target.query} HTTP/1.1"
    return _Request(http_message.rendered(line, fields), framing)


def _answered(upstream: Wire, request: _Request, agent: Wire, method: str) -> Answer | None:
    """None where the upstream hung up before it said anything. Raises Refused for an answer that is none."""
    upstream.within(_TOTAL)
    try:
        if _sent(upstream, request.head):
            for piece in agent.body(request.framing):
                if not _sent(upstream, http_message.chunk(piece) if request.framing.chunked else piece):
                    break  # an upstream may answer, and hang up, before it has read everything
            else:
                _sent(upstream, http_message.LAST_CHUNK if request.framing.chunked else b"")
        return http_answer.read(upstream, method)
    except (http_answer.Silent, OSError):
        upstream.close()
        return None
    except BaseException:
        upstream.close()
        raise


def _sent(upstream: Wire, data: bytes) -> bool:
    try:
        upstream.send(data)
    except OSError:
        return False
    return True
