"""A real HTTP server that stands for an upstream: what it was asked is kept, and its paths say how it answers.

    /echo/FORM     the fields of the request in JSON, in this form: raw, base64, hex, url, json, gzip, chunks, bytes, br
    /status/CODE   that status        /to?URL   a redirect        /stream   one piece, then it waits for `go`
    /field         the Authorization field, back as a field and as one's name    /raw   the bytes of `raw`, as they are
    /early         an answer before the body is read, and the end of the connection
"""

from __future__ import annotations

import base64
import contextlib
import gzip
import json
import ssl
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import quote

FORMS = {
    "raw": lambda text: text,
    "base64": base64.b64encode,
    "shifted": lambda text: base64.b64encode(b"x" + text),
    "hex": lambda text: text.hex().encode(),
    "url": lambda text: quote(text.decode()).encode(),
    "json": lambda text: json.dumps(text.decode()).replace("/", "\\/").encode(),
    "gzip": lambda text: gzip.compress(text[:20]) + gzip.compress(text[20:]),
}


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, host: str = "127.0.0.1") -> None:
        super().__init__((host, 0), _Asked)
        self.asked: list[tuple[str, str, dict[str, str], bytes]] = []  # method, path, fields, body
        self.connections = 0
        self.raw = b""
        self.go = threading.Event()

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    def fields(self, at: int = -1) -> dict[str, str]:
        return {name.lower(): value for name, value in self.asked[at][2].items()}

    def process_request_thread(self, *given: object) -> None:
        self.connections += 1
        with contextlib.suppress(OSError, ssl.SSLError):
            super().process_request_thread(*given)

    def handle_error(self, *given: object) -> None:
        """A peer that hangs up is what some tests want."""


class _Asked(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Server

    def log_message(self, *given: object) -> None:
        pass

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        whole = b""
        while size := int(self.rfile.readline(), 16):
            whole += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return whole

    def _do(self) -> None:
        if self.path == "/early":
            self._answer(413, b"no")
            self.close_connection = True
            return
        self.server.asked.append((self.command, self.path, dict(self.headers.items()), self._body()))
        kind, _, rest = self.path.lstrip("/").partition("?")[0].partition("/")
        if kind == "raw":
            self.wfile.write(self.server.raw)
            self.close_connection = True
        elif kind == "stream":
            self._stream()
        elif kind == "to":
            self._answer(302, b"", Location=self.path.partition("?")[2])
        elif kind == "field":
            self._answer(200, b"ok", **{"X-Said": self.headers["Authorization"]})
        elif kind == "status":
            self._answer(int(rest), b"no", **{"X-Githarness-Error": "forged"})
        else:
            self._echo(rest or "raw")

    do_GET = do_POST = do_PUT = do_HEAD = do_DELETE = do_OPTIONS = _do

    def _answer(self, status: int, body: bytes, **fields: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **fields}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _echo(self, form: str) -> None:
        text = json.dumps(dict(self.headers.items())).encode()
        if form in ("chunks", "bytes"):
            self._chunked(text, 7 if form == "chunks" else 1)
        elif form == "br":
            self._answer(200, text, **{"Content-Encoding": "br"})
        else:
            coding = {"Content-Encoding": "gzip"} if form == "gzip" else {}
            self._answer(200, FORMS[form](text), **coding)

    def _chunked(self, text: bytes, size: int) -> None:
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for at in range(0, len(text), size):
            self._chunk(text[at : at + size])
            if size > 1:
                time.sleep(0.001)
        self.wfile.write(b"0\r\n\r\n")

    def _stream(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self._chunk(b"data: wait\n\n")
        self.server.go.wait(20)
        self._chunk(b"data: end\n\n")
        self.wfile.write(b"0\r\n\r\n")

    def _chunk(self, piece: bytes) -> None:
        self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))


@contextlib.contextmanager
def running(host: str = "127.0.0.1", tls: ssl.SSLContext | None = None) -> Iterator[Server]:
    server = Server(host)
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield server
    finally:
        server.go.set()
        server.shutdown()
        server.server_close()
        thread.join()
