"""What a request to the HTTP door may ask for, and which of its fields go on."""

from __future__ import annotations

import pytest

from githarness.proxy import http_message, http_target
from githarness.proxy.http_message import Head, Malformed

HERE = "127.0.0.1:4711"
TOKEN = "r" * 24


def _target(path: str, method: str = "GET", **fields: str) -> http_target.Target:
    head = Head(f"{method} {path} HTTP/1.1", [("Host", HERE), *((n.replace("_", "-"), v) for n, v in fields.items())])
    return http_target.target(head, {HERE})


@pytest.mark.parametrize(("given", "sent"), [
    ("/v1/models", "/v1/models"), ("", "/"), ("/", "/"), ("/v1/", "/v1/"), ("/v1/%6dodels", "/v1/models"),
    ("/a%20b", "/a%20b"), ("/a%c3%a9", "/a%C3%A9"), ("/repo.git/info/refs", "/repo.git/info/refs"),
    ("/a/...", "/a/..."),
])
def test_the_path_that_is_judged_is_the_path_that_is_sent(given: str, sent: str) -> None:
    """Escapes of plain characters are undone, others are in capitals."""
    assert _target(f"/{TOKEN}{given}?q=1").path == sent


@pytest.mark.parametrize("path", [
    "/v1/../admin", "/v1/%2e%2e/admin", "/v1/.%2E/admin", "/v1/./x", "/v1/..;/admin", "/v1/..%3b/admin", "//admin",
    "/v1//admin", "/v1%2fadmin", "/v1%5cadmin", "/v1\\admin", "/v1/%252e%252e/admin", "/v1/%00", "/v1/%0d%0aX:1",
    "/v1/%zz", "/v1/%2", "/v1/a#b", "/v1/\u00e9", "/" + "a" * 3000,
])
def test_v40_a_path_with_two_readings_is_refused(path: str) -> None:
    """V40: no upstream can take the path for another than the one that was judged."""
    with pytest.raises(Malformed):
        _target(f"/{TOKEN}{path}")


@pytest.mark.parametrize("line", [
    "CONNECT api.example.org:443 HTTP/1.1", "GET http://evil.example/x HTTP/1.1", "GET //evil.example/x HTTP/1.1",
    "TRACE /{t}/x HTTP/1.1", "GET /{t}/x HTTP/1.0", "GET /{t}/x HTTP/2.0", "PRI * HTTP/2.0", "OPTIONS * HTTP/1.1",
    "get /{t}/x HTTP/1.1", "GET  /{t}/x HTTP/1.1", "GET /{t}/x y HTTP/1.1", "GET /short/x HTTP/1.1",
])
def test_v40_only_plain_requests_come_in(line: str) -> None:
    """V40: no tunnel, no absolute target, no other protocol."""
    with pytest.raises(Malformed):
        http_target.target(Head(line.format(t=TOKEN), [("Host", HERE)]), {HERE})


@pytest.mark.parametrize("hosts", [[], ["evil.example"], [HERE, HERE], [HERE, "evil.example"], ["127.0.0.1:1"], [""]])
def test_v40_the_field_host_names_this_door(hosts: list[str]) -> None:
    """V40: a request that names another host, none or two is refused: also a browser's, after a rebinding."""
    with pytest.raises(Malformed):
        http_target.target(Head(f"GET /{TOKEN}/x HTTP/1.1", [("Host", host) for host in hosts]), {HERE})


@pytest.mark.parametrize("field", ["X_HTTP_Method_Override", "X_Original_URL", "X_Rewrite_URL", "X_Forwarded_URI"])
def test_v40_no_field_asks_for_something_else(field: str) -> None:
    """V40: an upstream may go by these instead of the request line."""
    with pytest.raises(Malformed):
        _target(f"/{TOKEN}/x", **{field: "DELETE"})


def test_own_credentials_do_not_go_on() -> None:
    """Neither Authorization nor what is injected comes from the agent, in no spelling, nor what is for one hop only."""
    given = [("Host", HERE), ("authorization", "a"), ("X-Api-Key", "b"), ("X_Api_Key", "c"), ("Connection", "x-mine"),
             ("X-Mine", "d"), ("Transfer-Encoding", "chunked"), ("Range", "bytes=0-3"), ("Accept", "*/*"),
             ("Cookie", "e")]
    head = Head(f"GET /{TOKEN}/x HTTP/1.1", given)
    assert http_target.onward(head, "X-API-Key") == [("Accept", "*/*"), ("Cookie", "e")]


@pytest.mark.parametrize("value", ["a\r\nX-Evil: 1", "a\nb", "a\0b"])
def test_v45_no_field_is_sent_that_ends_its_line(value: str) -> None:
    """V45: whatever a value holds, it is one field or none."""
    with pytest.raises(Malformed):
        http_message.rendered("GET / HTTP/1.1", [("X", value)])
