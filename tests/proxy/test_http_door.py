"""The HTTP door with its daemon, before two real servers: one is the secret's host, the other is not."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, urlsplit

import pytest

from tests.proxy import upstream
from tests.proxy.served import AGENT, VALUE, Served, eventually, served
from tests.proxy.upstream import Server


@pytest.fixture(scope="module")
def servers(_session_world: None) -> Iterator[tuple[Server, Server]]:
    with upstream.running() as ours, upstream.running() as foreign:
        yield ours, foreign


@pytest.fixture
def host(servers: tuple[Server, Server]) -> Server:
    servers[0].asked.clear()
    return servers[0]


@pytest.fixture
def foreign(servers: tuple[Server, Server]) -> Server:
    return servers[1]


@pytest.fixture(scope="module")
def vault(_fleet_template: tuple[Path, Path], servers: tuple[Server, Server],
          tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(_fleet_template, tmp_path_factory.mktemp("v")) as made:
        at = f"http://127.0.0.1:{servers[0].port}"
        made.secret("api/key", VALUE, "--mode", "proxy", "--host", at)
        made.secret("api/plain", "a-name-of-a-field", "--mode", "proxy", "--host", at)
        made.secret("api/narrow", VALUE, "--mode", "proxy", "--host", at, "--method", "GET", "--path", "/echo/**")
        yield made


@pytest.fixture
def url(vault: Served) -> str:
    return vault.url("api/key")


def _raw(url: str, data: bytes) -> bytes:
    """What the door answers to these very bytes, whether or not it takes all of them."""
    answer = b""
    place = str(urlsplit(url).hostname), urlsplit(url).port or 0
    with contextlib.suppress(ConnectionError), socket.create_connection(place, 20) as connection:
        with contextlib.suppress(ConnectionError):
            connection.sendall(data)
        while piece := connection.recv(65536):
            answer += piece
    return answer


def test_the_upstream_gets_the_secret_and_the_agent_does_not(vault: Served, host: Server, url: str) -> None:
    """The header is added, the agent's own is dropped, and Host is the upstream's."""
    answer = vault.http(url, "/echo/raw", headers={"Authorization": "Bearer mine", "X-Other": "1"})
    assert (answer.status, json.loads(answer.read())["Authorization"]) == (200, "Bearer [secret api/key]")
    fields = host.fields()
    assert (fields["authorization"], fields["x-other"]) == (f"Bearer {VALUE}", "1")
    assert fields["host"] == f"127.0.0.1:{host.port}"


@pytest.mark.parametrize("form", ["raw", "base64", "shifted", "hex", "url", "json", "gzip", "chunks", "bytes"])
def test_v41_an_echo_shows_the_secret_in_no_form(form: str, vault: Served, host: Server, url: str) -> None:
    """V41: raw, base64 at any alignment, hex, URL, JSON, gzip, split into chunks and single bytes."""
    answer = vault.http(url, f"/echo/{form}")
    body = answer.read()
    shown = b"".join(line for line in body.splitlines())
    coded = base64.b64encode(VALUE.encode()).rstrip(b"=")
    assert host.fields()["authorization"] == f"Bearer {VALUE}"
    assert (answer.status, b"[secret api/key]" in shown) == (200, True)
    for text in (VALUE.encode(), coded[:-2], VALUE.encode().hex().encode(), quote(VALUE).encode()):
        assert text not in shown


def test_v41_nor_does_a_field_of_the_answer(vault: Served, url: str) -> None:
    """V41: the fields are redacted like the body."""
    assert vault.http(url, "/field").headers["X-Said"] == "Bearer [secret api/key]"


def test_v41_nor_does_the_name_of_a_field(vault: Served, host: Server) -> None:
    """V41: a field that is called like the value does not come back."""
    host.raw = b"HTTP/1.1 200 OK\r\nX-a-name-of-a-field: 1\r\nX-Other: 2\r\nContent-Length: 0\r\n\r\n"
    assert vault.http(vault.url("api/plain"), "/raw").headers.items() == [("X-Other", "2"), ("Content-Length", "0")]


def test_v41_what_cannot_be_looked_into_is_refused(vault: Served, url: str) -> None:
    """V41: a coding that nobody asked for and that is not decoded here does not pass."""
    answer = vault.http(url, "/echo/br")
    assert (answer.status, answer.headers["X-Githarness-Error"]) == (502, "bad-gateway")


def test_v41_no_piece_of_an_answer_is_asked_for(vault: Served, host: Server, url: str) -> None:
    """V41: with ranges a secret would come in two halves, each of them no secret."""
    vault.http(url, "/echo/raw", headers={"Range": "bytes=0-40"}).read()
    assert "range" not in host.fields()


def test_the_unredacted_echo_is_what_an_agent_would_have_seen(host: Server) -> None:
    """The negative control: without the door the same endpoint shows what it was sent."""
    with socket.create_connection(("127.0.0.1", host.port), 20) as plain:
        plain.sendall(b"GET /echo/raw HTTP/1.1\r\nAuthorization: x\r\nConnection: close\r\n\r\n")
        assert b'"Authorization"' in plain.recv(65536) + plain.recv(65536)


def test_v42_a_redirect_to_another_host_is_handed_on_and_not_followed(vault: Served, host: Server, foreign: Server,
                                                                     url: str) -> None:
    """V42: the foreign host is not asked, by the door; the agent learns where it was sent."""
    answer = vault.http(url, f"/to?http://127.0.0.1:{foreign.port}/echo/raw")
    assert (answer.status, answer.headers["Location"]) == (302, f"http://127.0.0.1:{foreign.port}/echo/raw")
    assert (len(host.asked), foreign.asked) == (1, [])


@pytest.mark.parametrize("head", [
    "GET http://127.0.0.1:{foreign}/x HTTP/1.1\r\nHost: {here}", "GET {path}/x HTTP/1.1\r\nHost: 127.0.0.1:{foreign}",
    "CONNECT 127.0.0.1:{foreign} HTTP/1.1\r\nHost: {here}", "GET {path}/x HTTP/1.1\r\nHost: {here}\r\nHost: {here}",
    "GET {path}/x HTTP/1.1", "GET {path}/x HTTP/1.1\r\nHost: {here}\r\n folded: x",
    "POST {path}/x HTTP/1.1\r\nHost: {here}\r\nContent-Length: 4\r\nTransfer-Encoding: chunked",
    "POST {path}/x HTTP/1.1\r\nHost: {here}\r\nContent-Length: 4\r\nContent-Length: 5", "PRI * HTTP/2.0\r\n\r\nSM",
    "GET {path}/../x HTTP/1.1\r\nHost: {here}", "GET {path}/x HTTP/1.1\r\nHost: {here}\r\nX: a\rAuthorization: b",
    "GET {path}/x HTTP/1.1\r\nHost: {here}\r\nX: \0",
])
def test_v40_nothing_reaches_any_host_by_two_readings(head: str, vault: Served, host: Server, foreign: Server, url: str,
                                                      ) -> None:
    """V40, V45: another host, a tunnel, smuggled lengths and line ends are refused before anything is asked for."""
    parts = urlsplit(url)
    answer = _raw(url, head.format(foreign=foreign.port, here=parts.netloc, path=parts.path).encode() + b"\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert (host.asked, foreign.asked) == ([], [])


def test_v42_another_host_than_the_records_is_no_route(vault: Served, foreign: Server) -> None:
    """V40, V42: the record says where a secret goes; nobody else does."""
    done = pytest.raises(Exception, match="is not for host")
    with done:
        vault.url(f"api/key@127.0.0.1:{foreign.port}")


@pytest.mark.parametrize(("method", "path"), [("POST", "/echo/raw"), ("GET", "/status/200"), ("GET", "/echo/%2e%2e/x")])
def test_method_and_path_are_judged_for_every_request(method: str, path: str, vault: Served, host: Server) -> None:
    """On one kept route, what the record does not admit is refused and not sent."""
    url = vault.url("api/narrow")
    assert vault.http(url, "/echo/raw").status == 200
    answer = vault.http(url, path, method)
    assert answer.status in (400, 403)
    assert len(host.asked) == 1


def test_every_request_is_in_the_audit_log(vault: Served, url: str) -> None:
    """Who, which secret, where to, and how: before it was sent."""
    vault.http(url, "/echo/raw?marked", "PUT", body=b"x").read()
    assert eventually(lambda: any(
        each["agent"] == AGENT and "PUT" in json.dumps(each) and "api/key" in json.dumps(each)
        for each in vault.cli("--json", "audit", "log", "--kind", "secret").json["items"]))


def test_a_body_arrives_whole(vault: Served, host: Server, url: str) -> None:
    """With a length, in chunks, and after an expected 100-continue."""
    body = os.urandom(300_000)
    assert vault.http(url, "/status/200", "POST", body=body).status == 200
    assert vault.http(url, "/status/200", "POST", body=iter([body[:99], body[99:]]), encode_chunked=True,
                      headers={"Transfer-Encoding": "chunked"}).status == 200
    head = f"POST {urlsplit(url).path}/status/200 HTTP/1.1\r\nHost: {urlsplit(url).netloc}\r\nExpect: 100-continue\r\n"
    answer = _raw(url, head.encode() + b"Connection: close\r\nContent-Length: 2\r\n\r\nhi")
    assert answer.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 ")
    assert [asked[3] for asked in host.asked] == [body, body, b"hi"]


def test_the_rest_of_a_body_is_no_request(vault: Served, url: str) -> None:
    """An upstream that answers early and hangs up: what it did not take is not read as what the agent asks next."""
    head = f"POST {urlsplit(url).path}/early HTTP/1.1\r\nHost: {urlsplit(url).netloc}\r\nContent-Length: 20000000"
    answer = _raw(url, head.encode() + b"\r\n\r\n" + bytes(20_000_000))
    assert (answer.count(b"HTTP/1.1 "), answer[:13], b"Connection: close" in answer) == (1, b"HTTP/1.1 413 ", True)


def test_a_stream_is_not_held_back(vault: Served, host: Server, url: str) -> None:
    """An event arrives whole before the next one is sent, though its end could begin a secret's form."""
    host.go.clear()
    answer = vault.http(url, "/stream")
    first = b""
    while not first.endswith(b"\n\n"):
        first += answer.read1(100)
    host.go.set()
    assert (first, answer.read()) == (b"data: wait\n\n", b"data: end\n\n")


def test_connections_are_kept_on_both_sides(vault: Served, host: Server, url: str) -> None:
    """Many requests of one agent's connection are one connection to the upstream."""
    before, parts = host.connections, urlsplit(url)
    request = f"GET {parts.path}/echo/raw HTTP/1.1\r\nHost: {parts.netloc}\r\n\r\n"
    last = request.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n")
    assert _raw(url, (request * 5 + last).encode()).count(b"HTTP/1.1 200 OK") == 6
    assert host.connections == before + 1


def test_v47_proxies_of_the_environment_are_not_asked(vault: Served, host: Server, foreign: Server, url: str) -> None:
    """V47: the agent's variables reach neither the daemon nor its door; nor would the daemon's own."""
    before = foreign.connections
    pid = vault.door("http_door").pid
    names = {line.partition(b"=")[0] for line in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0") if line}
    assert names <= {b"SSL_CERT_FILE", b"SSL_CERT_DIR", b"LC_CTYPE"}
    assert (vault.http(url, "/echo/raw").status, foreign.connections) == (200, before)


def test_revoking_ends_a_route_at_once(vault: Served, host: Server, url: str) -> None:
    """The next request on a kept connection is refused."""
    made = vault.ask("route", name="api/key")
    assert vault.http(str(made["url"]), "/echo/raw").status == 200
    vault.cli("vault", "revoke", "--lease", str(made["lease"]))
    assert vault.http(str(made["url"]), "/echo/raw").status in (403, 404)  # refused, and soon forgotten
    assert len(host.asked) == 1


def test_a_route_that_was_not_given_is_none(vault: Served, host: Server, url: str) -> None:
    """Its token is its key."""
    answer = vault.http(url[:-4] + "AAAA", "/echo/raw")
    assert (answer.status, host.asked) == (404, [])


def test_who_is_not_allowed_gets_nothing(vault: Served, host: Server) -> None:
    """A route decides nothing: each request does."""
    assert vault.http(vault.url("api/key", "scribe"), "/echo/raw").status == 403
    assert host.asked == []


def test_many_connections_at_once(vault: Served, host: Server, url: str) -> None:
    """Threads of one agent are served side by side, and each gets its own answer."""
    found: list[tuple[int, str]] = []

    def one(number: int) -> None:
        answer = vault.http(url, "/echo/raw", headers={"X-Number": str(number)})
        found.append((number, json.loads(answer.read())["X-Number"]))

    threads = [threading.Thread(target=one, args=(number,)) for number in range(40)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert sorted(found) == [(number, str(number)) for number in range(40)]


def test_a_rule_against_the_call_refuses_it(vault: Served, host: Server, url: str) -> None:
    """A deny of action api holds for what goes through the door, from the next request on."""
    assert vault.http(url, "/echo/raw", "POST", body=b"x").status == 200
    rule = ("version: 1\nrules:\n  - {id: no-post, effect: deny, why: read only, actions: [api], "
            "api: [{host: '127.0.0.1', methods: [POST]}]}\n")
    vault.cli("write", ".githarness/policies/p.yaml", "--as", "olive", stdin=rule)
    assert vault.http(url, "/echo/raw").status == 200
    assert vault.http(url, "/echo/raw", "POST", body=b"x").status == 403
    assert [asked[0] for asked in host.asked] == ["POST", "GET"]


def test_a_route_ends_with_the_command_that_it_was_for(vault: Served) -> None:
    """Its token and its lease do not outlive `vault exec --proxy`, however long they could have lasted."""
    done = vault.cli("vault", "exec", "--agent", AGENT, "--run", "r-ends", "--proxy", "BASE=api/key", "--",
                     "sh", "-c", "echo $BASE")
    assert eventually(lambda: vault.http(done.out.strip(), "/status/200").status == 404)
    leases = vault.cli("--json", "vault", "leases").json["items"]
    assert [one for one in leases if one["run"] == "r-ends"] == []
