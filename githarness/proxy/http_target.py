"""What a request asks for: `/<route token>/<path>?<query>` in one reading only, and which of its fields go on.

The path that is judged is the path that is sent: escapes of plain characters are undone, and what an upstream could
undo or fold once more (`..`, `//`, `%2f`, `%5c`, `%25` before two hex digits, `;` behind dots) is Malformed.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from githarness.proxy.http_message import Fields, Head, Malformed

_LINE = re.compile(r"([A-Z][A-Z-]{0,19}) (/[!-~]*) HTTP/1\.1")
_TOKEN = re.compile(r"[A-Za-z0-9_-]{20,100}")
_PATH = re.compile(r"(?:[A-Za-z0-9\-._~!$&'()+*,;=:@/]|%[0-9A-F]{2})*")
_QUERY = re.compile(r"(?:[A-Za-z0-9\-._~!$&'()+*,;=:@/?\[\]|{}\"^`<>]|%[0-9A-Fa-f]{2})*")
_TWICE = re.compile(r"%(?:2F|5C|[01][0-9A-F]|7F|25[0-9A-Fa-f]{2})")
_DOTS = re.compile(r"\.{1,2}(?:(?:;|%3B).*)?")
_LONGEST = 2000  # of a path: it stands in the audit log
_NEVER = {"CONNECT", "TRACE"}  # one opens a tunnel, the other sends the request's own fields back
# By these an upstream could take the request for one of another method, path or host than was judged.
_DISGUISES = {"x-http-method-override", "x-http-method", "x-method-override", "x-forwarded-method", "x-original-url",
              "x-original-uri", "x-rewrite-url", "x-forwarded-uri", "x-forwarded-prefix", "x-original-host", "x-host"}
# Of one connection only, of credentials that the agent has no business sending, and of pieces: an answer in ranges
# could bring a secret's two halves apart.
_DROPPED = {"connection", "keep-alive", "proxy-connection", "te", "trailer", "upgrade", "expect", "host",
            "authorization", "proxy-authorization", "proxy-authenticate", "content-length", "transfer-encoding",
            "accept-encoding", "range", "if-range", "forwarded", "via", "x-forwarded-for", "x-forwarded-host",
            "x-forwarded-proto", "x-real-ip", "http2-settings"}
_NOT_RETURNED = {"connection", "keep-alive", "proxy-connection", "proxy-authenticate", "te", "trailer", "upgrade",
                 "transfer-encoding", "content-length", "content-encoding", "accept-ranges", "x-githarness-error"}


class Target(NamedTuple):
    method: str
    token: str
    path: str  # normalised, begins with '/'
    query: str  # with its '?', or empty


def target(head: Head, allowed_hosts: set[str]) -> Target:
    """Raises Malformed. `allowed_hosts`: what the field Host may say, this door's own address."""
    found = _LINE.fullmatch(head.first)
    if not found or found[1] in _NEVER:
        raise Malformed("the request line is not 'METHOD /path HTTP/1.1'")
    hosts = head.all("host")
    if len(hosts) != 1 or hosts[0].lower() not in allowed_hosts:
        raise Malformed("the field Host names another host")
    if disguise := _DISGUISES & {name.lower().replace("_", "-") for name, _ in head.fields}:
        raise Malformed(f"the field '{min(disguise)}' would ask for something else than the request line")
    path, mark, query = found[2].partition("?")
    _, token, *rest = path.split("/", 2)
    if not _TOKEN.fullmatch(token):
        raise Malformed("the path does not begin with a route")
    if not _QUERY.fullmatch(query):
        raise Malformed("the query holds what it may not")
    return Target(found[1], token, _normal("/" + (rest[0] if rest else "")), mark + query)


def _normal(path: str) -> str:
    plain = re.sub(r"%([0-9A-Fa-f]{2})", _undone, path)
    names = plain.split("/")[1:]
    if len(plain) > _LONGEST or not _PATH.fullmatch(plain) or _TWICE.search(plain):
        raise Malformed("the path holds what could be read in two ways")
    if any(not name for name in names[:-1]) or any(_DOTS.fullmatch(name) for name in names):
        raise Malformed("the path has an empty name or dots")
    return plain


def _undone(escape: re.Match[str]) -> str:
    char = chr(int(escape[1], 16))
    return char if re.fullmatch(r"[A-Za-z0-9\-._~]", char) else escape[0].upper()


def onward(head: Head, injected: str) -> Fields:
    """The fields of a request that go on to the upstream; an own field of the injected one's name never does."""
    taken = _DROPPED | _listed(head) | {injected.lower().replace("_", "-")}
    return [(name, value) for name, value in head.fields if name.lower().replace("_", "-") not in taken]


def back(head: Head) -> Fields:
    """The fields of an answer that go back to the agent."""
    taken = _NOT_RETURNED | _listed(head)
    return [(name, value) for name, value in head.fields if name.lower() not in taken]


def _listed(head: Head) -> set[str]:
    """What the sender itself says is meant for one connection only."""
    return {name.strip().lower() for value in head.all("connection") for name in value.split(",")}
