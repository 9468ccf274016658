"""Connections to upstreams: a name is resolved, every address judged, and the very address that was judged is used.

An origin is `https://HOST[:PORT]`, or `http://` where the record says so. A name must lead to public addresses only. A
record may name one address by itself (`http://10.0.0.5:8080`): then that one is meant, also in a private range; never
one that tells a machine's own credentials. Proxy settings of the environment are not asked.
"""

from __future__ import annotations

import contextlib
import ipaddress
import socket
import ssl
import threading
from collections import defaultdict
from functools import cache
from typing import NamedTuple

from githarness import clock
from githarness.proxy.http_message import Wire

_CONNECT = 10.0
_KEPT = 20.0  # seconds without use; many upstreams close at 30 or 60
_MOST_KEPT = 8
_FORBIDDEN = [ipaddress.ip_network(text) for text in (
    "169.254.0.0/16", "168.63.129.16/32", "100.100.100.200/32", "192.0.0.192/32", "fe80::/10", "fd00:ec2::/32",
    "fd20:ce::/32", "0.0.0.0/8", "::/128", "224.0.0.0/4", "ff00::/8", "240.0.0.0/4")]
_UNICAST = ipaddress.ip_network("2000::/3")
_CARRIERS = [ipaddress.ip_network("64:ff9b::/96"), ipaddress.ip_network("64:ff9b:1::/48"),
             ipaddress.ip_network("::/96")]  # the last four bytes are an address of IPv4

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class Unreachable(Exception):
    """No connection, for a reason that may be told to the agent."""


class Origin(NamedTuple):
    scheme: str
    host: str
    port: int

    @property
    def authority(self) -> str:
        """As the field Host says it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == {"http": 80, "https": 443}[self.scheme] else f"{host}:{self.port}"


def judge(address: Address, *, named: bool) -> None:
    """Raises Unreachable. `named`: the record itself says this address."""
    inner = _carried(address)
    if any(each in network for each in inner for network in _FORBIDDEN if network.version == each.version):
        raise Unreachable(f"the address '{address}' is never an upstream")
    if not named and not all(each.is_global and (each.version == 4 or each in _UNICAST) for each in inner):
        raise Unreachable(f"the host leads to '{address}', which is not a public address")


def _carried(address: Address) -> list[Address]:
    """The address, and those that it wraps: a tunnel or a translation ends at the inner one."""
    found: list[Address] = [address]
    if isinstance(address, ipaddress.IPv6Address):
        inner = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
        found += [each for each in inner if each is not None]
        if any(address in network for network in _CARRIERS) and int(address) > 1:
            found.append(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
        if address.ipv4_mapped or address in _CARRIERS[0]:  # then the inner one is what counts
            found.remove(address)
    return found


def addresses(origin: Origin) -> list[Address]:
    """Every address of the origin's host, all of them judged. Raises Unreachable."""
    with contextlib.suppress(ValueError):
        address = ipaddress.ip_address(origin.host)
        judge(address, named=True)
        return [address]
    try:
        found = socket.getaddrinfo(origin.host, origin.port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    except OSError as error:
        raise Unreachable(f"the host '{origin.host}' has no address") from error
    judged = [ipaddress.ip_address(str(entry[4][0]).partition("%")[0]) for entry in found]
    for address in judged:
        judge(address, named=False)
    return list(dict.fromkeys(judged))


def connect(origin: Origin, idle: float) -> Wire:
    """A new connection to one of the addresses that were judged. Raises Unreachable."""
    problem: Exception | None = None
    for address in addresses(origin)[:4]:
        try:
            return Wire(_secured(socket.create_connection((str(address), origin.port), _CONNECT), origin), idle)
        except (OSError, ValueError) as error:
            problem = error
    raise Unreachable(f"'{origin.authority}' is not to be reached: {_why(problem)}")


def _why(problem: Exception | None) -> str:
    return problem.verify_message if isinstance(problem, ssl.SSLCertVerificationError) else type(problem).__name__


def _secured(plain: socket.socket, origin: Origin) -> socket.socket:
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if origin.scheme == "http":
        return plain
    try:
        return _context().wrap_socket(plain, server_hostname=origin.host)
    except BaseException:
        plain.close()
        raise


@cache
def _context() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    return context


class Kept:
    """Connections that wait for the next request of the same route; never shared between two routes."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._idle: dict[tuple[str, Origin], list[tuple[float, Wire]]] = defaultdict(list)
        self._pruned = 0.0

    def take(self, token: str, origin: Origin) -> Wire | None:
        """One that is still open, as far as can be told."""
        with self._lock:
            waiting = self._idle.get((token, origin), [])
            while waiting:
                since, wire = waiting.pop()
                if clock.SYSTEM.monotonic() - since < _KEPT and _is_quiet(wire):
                    return wire
                wire.close()
        return None

    def give(self, token: str, origin: Origin, wire: Wire) -> None:
        now = clock.SYSTEM.monotonic()
        with self._lock:
            waiting = self._idle[token, origin]
            waiting.append((now, wire))
            if len(waiting) > _MOST_KEPT:
                waiting.pop(0)[1].close()
            if now - self._pruned > _KEPT:
                self._pruned = now
                self._prune(now - _KEPT)

    def _prune(self, oldest: float) -> None:
        for waiting in self._idle.values():
            while waiting and waiting[0][0] < oldest:
                waiting.pop(0)[1].close()
        self._idle = defaultdict(list, {key: waiting for key, waiting in self._idle.items() if waiting})


def _is_quiet(wire: Wire) -> bool:
    """An idle connection with something to read was closed, or says what nobody asked."""
    if wire.pending:
        return False
    wire.connection.settimeout(0.0)
    try:
        wire.connection.recv(1)
    except (BlockingIOError, ssl.SSLWantReadError):
        return True
    except OSError:
        return False
    return False
