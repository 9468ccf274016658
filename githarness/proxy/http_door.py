"""`python -I -m githarness.proxy.http_door`: adds a secret to an agent's HTTP requests, so that the agent never has it.

A child of the vault daemon: what parses foreign HTTP and TLS shares no memory with all secrets. Descriptor 3 is the
line to the daemon, 4 the listening socket on 127.0.0.1. A thread per connection, at most `_MOST` of them; every request
asks the daemon first. When the daemon goes, so does this process, in the middle of whatever it does.
"""

from __future__ import annotations

import contextlib
import socket
import threading

from githarness import hardening
from githarness.proxy import http_exchange
from githarness.proxy.http_link import Link, Refused
from githarness.proxy.http_message import Closed, Malformed, Wire
from githarness.proxy.http_upstream import Kept

_MOST = 128
_IDLE = 30.0
_HEAD = 10.0  # for all of a request's head, however slowly it trickles
_BETWEEN = 75.0  # a kept connection without a request
_STACK = 512 * 1024
_FULL = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class Door:
    def __init__(self, listener: socket.socket, link: Link) -> None:
        self._listener = listener
        self._places = threading.BoundedSemaphore(_MOST)
        port = listener.getsockname()[1]
        self._courier = http_exchange.Courier(link, Kept(), {f"127.0.0.1:{port}", f"localhost:{port}"})

    def run(self) -> None:
        while True:
            connection, _ = self._listener.accept()
            if self._places.acquire(blocking=False):
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()
            else:
                with contextlib.suppress(OSError), connection:
                    connection.send(_FULL)

    def _serve(self, connection: socket.socket) -> None:
        wire = Wire(connection, _IDLE)
        try:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            wait = _HEAD
            while self._one(wire, wait):
                wait = _BETWEEN
        except (Closed, OSError):
            pass
        finally:
            wire.close()
            self._places.release()

    def _one(self, wire: Wire, wait: float) -> bool:
        """One request and its answer; whether another one may follow."""
        wire.ready(wait)
        wire.within(_HEAD)
        try:
            return self._courier.carry(wire, wire.head())
        except Malformed as error:
            refusal = Refused("usage", str(error), "see docs/vault-http.md")
            wire.send(http_exchange.refusal(refusal, 400))
            return False


def main() -> None:
    hardening.harden()
    link, listener = Link(socket.socket(fileno=3)), socket.socket(fileno=4)
    listener.settimeout(None)
    threading.stack_size(_STACK)
    link.until_end(Door(listener, link).run)


if __name__ == "__main__":
    main()
