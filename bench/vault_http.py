"""What the HTTP door adds to a request on a kept connection, and how the credential helper starts.

python bench/vault_http.py [--requests 2000] [--rounds 5]

One client, one upstream and the door, each a process of its own; direct requests and those through the door take turns.
`written` and `durable` say how a use is recorded before it is sent (docs/vault.md).
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from harness import ENV, command, git, machine, percentile, scratch

from githarness import settings
from githarness.vault.client import Client

_BODY = b'{"object":"list","data":[' + b",".join(b'{"id":"model-%d"}' % n for n in range(40)) + b"]}"
_UPSTREAM = """
import socket, sys, threading
answer = b"HTTP/1.1 200 OK\\r\\nContent-Type: application/json\\r\\nContent-Length: %d\\r\\n\\r\\n" % len(sys.argv[1])
answer += sys.argv[1].encode()
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
def serve(one):
    one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    held = b""
    while piece := one.recv(65536):
        held += piece
        while b"\\r\\n\\r\\n" in held:
            held = held.partition(b"\\r\\n\\r\\n")[2]
            one.sendall(answer)
while True:
    threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
"""


@contextmanager
def upstream() -> Iterator[int]:
    process = subprocess.Popen([sys.executable, "-c", _UPSTREAM, _BODY], stdout=subprocess.PIPE)
    try:
        yield int(process.stdout.readline())
    finally:
        process.kill()


@contextmanager
def daemon(folder: Path, port: int) -> Iterator[Path]:
    """A vault with a secret of each kind of audit for the upstream."""
    folder.mkdir()
    git(folder, "init", "-q", "-b", "main")
    for args in (["init", "--fleet", "bench"], ["agent", "add", "bench"], ["vault", "init"],
                 ["grant", "bench", "--allow", "secret", "--path", "**", "--for", "2h", "--why", "a measurement"]):
        command(folder, *args)
    (folder / "value").write_text("a-token-of-forty-characters-0123456789ab")
    for audit in ("written", "durable"):
        command(folder, "vault", "set", f"api/{audit}", "--mode", "proxy", "--host", f"http://127.0.0.1:{port}",
                "--audit", audit, "--from", str(folder / "value"))
    process = subprocess.Popen([sys.executable, "-m", "githarness", "vault", "serve", "--json"], cwd=folder, env=ENV,
                               stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        assert json.loads(process.stdout.readline())["event"] == "ready"
        yield folder
    finally:
        process.terminate()
        process.wait()


class Caller:
    """A client that keeps its connection."""

    def __init__(self, port: int, path: str) -> None:
        self.connection = socket.create_connection(("127.0.0.1", port))
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Bearer x\r\n\r\n".encode()
        self.times: list[float] = []

    def call(self) -> None:
        begun = time.perf_counter()
        self.connection.sendall(self.request)
        held = b""
        while not held.endswith(b"]}"):
            held += self.connection.recv(65536)
        self.times.append(time.perf_counter() - begun)
        assert held.startswith(b"HTTP/1.1 200 OK"), held[:200]


def requests(folder: Path, port: int, count: int, rounds: int) -> None:
    callers = {"direct": Caller(port, "/v1/models")}
    with Client(settings.load(ENV), folder / ".git") as client:
        client.hello("bench", "r-bench")
        for audit in ("written", "durable"):
            url = urlsplit(str(client.ask("route", name=f"api/{audit}").header["url"]))
            callers[audit] = Caller(url.port or 0, url.path + "/v1/models")
    best: dict[str, tuple[float, float, float]] = {}
    for _ in range(rounds):
        for caller in callers.values():
            caller.times.clear()
        for _ in range(count // rounds):
            for caller in callers.values():
                caller.call()
        for name, caller in callers.items():
            took = tuple(percentile(caller.times, share) * 1e6 for share in (0.5, 0.9, 0.99))
            best[name] = min(best.get(name, took), took)
    for name, (half, ninety, most) in best.items():
        print(f"{name:8} p50 {half:6.0f} us  p90 {ninety:6.0f} us  p99 {most:6.0f} us"
              f"  adds {half - best['direct'][0]:6.0f} us at the median")


def _cpu(words: list[str], folder: Path) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(words, cwd=folder, input=b"protocol=https\nhost=git.example.org\n\n", capture_output=True, env=ENV,
                   check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def helper(folder: Path) -> None:
    """User and system time, the best of 40; the helper as pip installs it, with its answer from the daemon."""
    command(folder, "vault", "set", "git/token", "--mode", "get", "--host", "git.example.org", "--from",
            str(folder / "value"))
    script = folder.parent / "git-credential-githarness"
    script.write_text(f"#!{sys.executable}\nimport sys\nfrom githarness.checks.credential import main\n"
                      "sys.exit(main())\n")
    script.chmod(0o755)
    ENV.update(GITHARNESS_AGENT="bench", GITHARNESS_RUN="r-bench")
    tried = {"python -IS -c pass": [sys.executable, "-IS", "-c", "pass"],
             "python -c pass": [sys.executable, "-c", "pass"],
             "git-credential-githarness get": [str(script), "--repo", str(folder), "get"]}
    took = {name: min(_cpu(words, folder) for _ in range(40)) for name, words in tried.items()}
    for name, seconds in took.items():
        print(f"{name:30} {seconds * 1000:5.1f} ms  {seconds / took['python -IS -c pass']:4.2f} x")


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--requests", type=int, default=2000)
    options.add_argument("--rounds", type=int, default=5)
    wanted = options.parse_args()
    print(machine(), f"load {os.getloadavg()[0]:.1f}")
    with scratch() as folder, upstream() as port, daemon(folder / "repo", port) as repo:
        requests(repo, port, wanted.requests, wanted.rounds)
        helper(repo)


if __name__ == "__main__":
    main()
