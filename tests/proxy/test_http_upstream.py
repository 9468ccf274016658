"""Where the HTTP door connects to: only to an address that was judged, and to no private one by a name."""

from __future__ import annotations

import ipaddress
import socket

import pytest

from githarness.proxy import http_upstream
from githarness.proxy.http_upstream import Origin, Unreachable
from tests.proxy import upstream

PRIVATE = ["127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "100.64.0.1", "::1", "fd00::1", "192.0.2.1",
           "::ffff:127.0.0.1", "::ffff:10.0.0.1", "2002:7f00:1::", "64:ff9b::a00:1", "64:ff9b:1::a00:1", "::10.0.0.1",
           "198.18.0.1", "2001:db8::1", "fec0::1"]
NEVER = ["169.254.169.254", "169.254.170.2", "fd00:ec2::254", "fd20:ce::254", "168.63.129.16", "100.100.100.200",
         "192.0.0.192", "fe80::1", "0.0.0.0", "::", "224.0.0.1", "255.255.255.255", "::ffff:169.254.169.254",
         "64:ff9b::a9fe:a9fe", "2002:a9fe:a9fe::"]


@pytest.mark.parametrize("address", PRIVATE + NEVER)
def test_v44_a_name_leads_to_public_addresses_only(address: str) -> None:
    """V44: private, loopback, link-local and metadata addresses, also inside those of tunnels and translations."""
    with pytest.raises(Unreachable):
        http_upstream.judge(ipaddress.ip_address(address), named=False)


@pytest.mark.parametrize("address", NEVER)
def test_v44_metadata_is_no_upstream_of_any_record(address: str) -> None:
    """V44: what tells the machine's own credentials is refused even where the record says this address."""
    with pytest.raises(Unreachable):
        http_upstream.judge(ipaddress.ip_address(address), named=True)


@pytest.mark.parametrize("address", ["1.1.1.1", "2606:4700:4700::1111", "::ffff:1.1.1.1", "64:ff9b::101:101"])
def test_public_addresses_are_admitted(address: str) -> None:
    """The negative control: what is refused is refused for where it leads."""
    http_upstream.judge(ipaddress.ip_address(address), named=False)


def test_v44_a_name_of_this_machine_is_refused() -> None:
    """V44: `localhost` resolves, to an address that no name may lead to; nothing is connected."""
    with upstream.running() as server, pytest.raises(Unreachable, match="not a public address"):
        http_upstream.connect(Origin("http", "localhost", server.port), 5.0)
    assert server.connections == 0


def test_v44_the_address_that_was_judged_is_the_one_that_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """V44: a name that changes its mind after it was judged changes nothing: it is resolved once."""
    answers = iter(["1.1.1.1", "127.0.0.1"])
    asked = []

    def resolve(host: str, port: int, *given: object, **named: object) -> list[object]:
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (next(answers), port))]

    used = []
    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    monkeypatch.setattr(socket, "create_connection", lambda where, _: used.append(where) or _refused())
    with pytest.raises(Unreachable):
        http_upstream.connect(Origin("https", "api.example.org", 443), 5.0)
    assert (asked, used) == (["api.example.org"], [("1.1.1.1", 443)])


def _refused() -> socket.socket:
    raise ConnectionRefusedError


def test_v44_one_private_address_among_public_ones_spoils_the_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """V44: a name that leads both ways is a rebinding in the making."""
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, 443)) for each in ("1.1.1.1", "10.0.0.1")]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    with pytest.raises(Unreachable, match=r"10\.0\.0\.1"):
        http_upstream.addresses(Origin("https", "api.example.org", 443))


def test_an_address_that_the_record_says_is_used() -> None:
    """An internal service is reached where the record names its address itself."""
    with upstream.running() as server:
        http_upstream.connect(Origin("http", "127.0.0.1", server.port), 5.0).close()
