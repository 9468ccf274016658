"""Credentials from the vault beside `latchkey` from PyPI and OpenSSH's ssh-agent: latency, rate, start, memory.

python bench/vault.py [--gets 20000] [--records 1000] [--connections 1000] [--latchkey PYTHON] [--attacks] [--all]

All in one run on one machine. A get of ours is decided by policy and recorded before it is answered; latchkey's is
neither. ssh-agent signs, which is what it is for. `written` and `durable` say how a use is recorded (docs/vault.md).
HTTP and git are measured by vault_http.py, scans by vault_scan.py; --all runs these too.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import selectors
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
import vault_attacks
from harness import ENV, command, git, machine, percentile, scratch
from vault_peers import Latchkey, SshAgent, rss

from githarness import settings
from githarness.seal import kdf
from githarness.vault import wire
from githarness.vault.client import Client

AGENT, RUN = "bench", "r-bench"
RULES = """\
  - id: secrets
    effect: allow
    agents: [bench]
    actions: [secret]
    paths: ["**"]
"""
_LOAD = """
import time
from pathlib import Path
from githarness import settings
from githarness.git.repo import discover
from githarness.proxy import serve
found = settings.load()
repo = discover(Path("."))
begun, spent = time.perf_counter(), time.process_time()
desk = serve.opened(found, serve.parts_of(found, repo, "refs/heads/main"))
print(f"{time.perf_counter() - begun:.2f} s, CPU {time.process_time() - spent:.2f} s, {desk.state}")
"""
_FILL = """
import sys
from pathlib import Path
from githarness import settings, wiring
from githarness.cli.identities import desk
from githarness.cli.vault_shown import unlocked
from githarness.work.vault_write import Item, Terms, put
harness = wiring.open(Path("."), settings.load())
for audit in ("written", "durable"):
    items = [Item(f"{audit}/s{n:04}", b"a password of twenty-four%d" % n, Terms(("get",), audit=audit))
             for n in range(int(sys.argv[1]) // 2)]
    put(desk(harness), harness.settings, items, unlocked(harness))
"""


class Ours:
    """A governed repository with a vault, and its daemon."""

    def __init__(self, folder: Path, records: int) -> None:
        self.repo = folder / "ours"
        self.repo.mkdir()
        git(self.repo, "init", "-q", "-b", "main")
        for args in (["init", "--fleet", "bench"], ["agent", "add", AGENT], ["vault", "init"]):
            command(self.repo, *args)
        rules = command(self.repo, "policy", "show", "default").decode() + RULES
        (folder / "rules.yaml").write_text(rules)
        command(self.repo, "write", ".githarness/policies/rules.yaml", "--as", "bench", "--from",
                str(folder / "rules.yaml"))
        subprocess.run([sys.executable, "-c", _FILL, str(records)], cwd=self.repo, env=ENV, check=True)
        self.socket = str(wire.socket_path(settings.load(ENV), self.repo / ".git"))
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> float:
        """Seconds until it serves."""
        begun = time.perf_counter()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "githarness", "vault", "serve", "--json"], cwd=self.repo, env=ENV,
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        said = json.loads(self.process.stdout.readline() or "{}")
        if said.get("event") != "ready":
            raise SystemExit(f"the vault daemon did not start: {said}")
        return time.perf_counter() - begun

    def stop(self) -> None:
        if self.process:
            self.process.terminate()
            self.process.wait()
            self.process = None

    def connect(self) -> socket.socket:
        sock = socket.socket(socket.AF_UNIX)
        sock.settimeout(60)
        sock.connect(self.socket)
        sock.sendall(wire.head({"id": 1, "op": "hello", "agent": AGENT, "run": RUN}))
        if b'"error"' in recv_frame(sock):
            raise SystemExit("the vault daemon did not take the agent")
        return sock

    @staticmethod
    def frame(header: dict[str, object]) -> bytes:
        return wire.head(header)

    def request(self, name: str) -> bytes:
        return wire.head({"id": 2, "op": "get", "name": name, "mode": "get"})

    def get(self, sock: socket.socket, name: str) -> None:
        sock.sendall(self.request(name))
        assert b'"error"' not in (answer := recv_frame(sock)), answer


def recv_frame(sock: socket.socket) -> bytes:
    data = sock.recv(65536)
    while data and len(data) < 4 + struct.unpack(">I", data[:4])[0]:
        data += sock.recv(65536)
    if not data:
        raise ConnectionResetError
    return data


def timed(count: int, call: Callable[[], object]) -> list[float]:
    took = []
    for _ in range(count):
        begun = time.perf_counter()
        call()
        took.append(time.perf_counter() - begun)
    return took


def shown(what: str, took: list[float]) -> float:
    print(f"{what:44} p50 {percentile(took, 0.5) * 1e6:7.0f} us   p99 {percentile(took, 0.99) * 1e6:7.0f} us")
    return percentile(took, 0.5)


def rate(sockets: list[socket.socket], request: bytes, seconds: float, complete: Callable[[bytes], bool]) -> float:
    """Answers a second where each connection asks again as soon as it was answered; one process, which costs too."""
    chosen, done, held = selectors.EpollSelector(), 0, {sock: b"" for sock in sockets}
    for sock in sockets:
        chosen.register(sock, selectors.EVENT_READ)
        sock.sendall(request)
    begun = time.perf_counter()
    while (now := time.perf_counter()) - begun < seconds:
        for key, _ in chosen.select(1):
            held[key.fileobj] += key.fileobj.recv(4096)
            if complete(held[key.fileobj]):
                held[key.fileobj], done = b"", done + 1
                key.fileobj.sendall(request)
    return done / (now - begun)


def whole(data: bytes) -> bool:
    return len(data) >= 4 and len(data) >= 4 + int.from_bytes(data[:4])


def latencies(ours: Ours, peer: Latchkey | None, agent: SshAgent, gets: int) -> None:
    """Interleaved in slices, so that what else the machine does hits all alike."""
    kept, signing = ours.connect(), agent.connect()
    client = Client(settings.load(ENV), ours.repo / ".git")
    client.hello(AGENT, RUN)
    calls: dict[str, Callable[[], object]] = {
        "vault get, kept connection, written": lambda: ours.get(kept, "written/s0001"),
        "the same by githarness.vault.client": lambda: client.ask("get", name="written/s0001", mode="get").wipe(),
        "vault get, kept connection, durable": lambda: ours.get(kept, "durable/s0001"),
        "vault get, a connection each, written": lambda: once(ours),
        "ssh-agent sign, kept connection": lambda: agent.sign(signing)}
    if peer:
        calls["latchkey get (a connection each)"] = lambda: peer.get("svc/0001")
    took: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(20):
        for name, call in calls.items():
            took[name] += timed(gets // 20, call)
    middle = {name: shown(name, times) for name, times in took.items()}
    if peer:
        ratio = middle["latchkey get (a connection each)"] / middle["vault get, kept connection, written"]
        print(f"{'latchkey / vault at the median':44} {ratio:.1f} x")


def once(ours: Ours) -> None:
    with ours.connect() as sock:
        ours.get(sock, "written/s0001")


def synced(folder: Path, seconds: float = 1.0) -> float:
    """Times a second that 4 KiB are written in place and brought to disk: without groups durable gets are no faster."""
    file, done, begun = os.open(folder / "synced", os.O_RDWR | os.O_CREAT), 0, time.perf_counter()
    for _ in range(2):  # the second time over blocks that are there
        done, begun = 0, time.perf_counter()
        while time.perf_counter() - begun < seconds:
            os.pwrite(file, b"x" * 4096, done % 256 * 4096)
            os.fdatasync(file)
            done += 1
    os.close(file)
    return done / (time.perf_counter() - begun)


def rates(ours: Ours, peer: Latchkey | None) -> None:
    found = {}
    floor = max(synced(ours.repo) for _ in range(3))
    print(f"{'write and fdatasync, one after another':44} {floor:8.0f}/s")
    for kind in ("written", "durable"):
        sockets = [ours.connect() for _ in range(32)]
        request = wire.head({"id": 2, "op": "get", "name": f"{kind}/s0002", "mode": "get"})
        found[kind] = max(rate(sockets, request, 3.0, whole) for _ in range(3))
        print(f"{f'vault, 32 clients, {kind}':44} {found[kind]:8.0f} gets/s")
        for sock in sockets:
            sock.close()
    if peer:
        begun, done = time.perf_counter(), 0
        while time.perf_counter() - begun < 3:
            done += peer.get("svc/0002") is not None
        times = found["written"] / done * 3
        print(f"{'latchkey, one after another':44} {done / 3:8.0f} gets/s, of which ours are {times:.1f} x")


def connections(ours: Ours, number: int) -> None:
    """All open at once, each answered."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    begun, errors, opened = time.perf_counter(), 0, []
    for _ in range(number):
        try:
            opened.append(ours.connect())
        except (OSError, SystemExit):
            errors += 1
    for sock in opened:
        try:
            ours.get(sock, "written/s0003")
        except (OSError, AssertionError):
            errors += 1
    print(f"{f'{number} connections at once, a get each':44} {errors} errors, {time.perf_counter() - begun:.2f} s, "
          f"daemon {rss(ours.process.pid):.0f} MB")
    for sock in opened:
        sock.close()


@contextmanager
def peers(folder: Path, python: str | None, records: int) -> Iterator[tuple[Latchkey | None, SshAgent]]:
    agent = SshAgent(folder)
    try:
        peer: Latchkey | None = Latchkey(folder, python)
        peer.fill(records)
    except SystemExit as why:
        print(f"no latchkey: {why}")
        peer = None
    yield peer, agent
    agent.stop()
    if peer:
        peer.stop()


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--gets", type=int, default=20_000)
    options.add_argument("--records", type=int, default=1000)
    options.add_argument("--connections", type=int, default=1000)
    options.add_argument("--latchkey", metavar="PYTHON", help="where latchkey is installed already")
    options.add_argument("--attacks", action="store_true", help="the table of attacks only")
    options.add_argument("--all", action="store_true", help="also vault_http.py and vault_scan.py")
    wanted = options.parse_args()
    print(machine())
    with scratch() as folder, peers(folder, wanted.latchkey, wanted.records) as (peer, agent):
        ours = Ours(folder, wanted.records)
        if not wanted.attacks:
            measure(ours, peer, agent, wanted)
        vault_attacks.table(ours, peer)
        ours.stop()
    for script in ("vault_http.py", "vault_scan.py") if wanted.all else ():
        print(f"\n{script}", flush=True)
        subprocess.run([sys.executable, str(Path(__file__).with_name(script))], check=False)


def measure(ours: Ours, peer: Latchkey | None, agent: SshAgent, wanted: argparse.Namespace) -> None:
    took = timed(5, lambda: kdf.from_passphrase(b"a passphrase of some length", b"s" * 16, kdf.Cost()))
    print(f"{'Argon2id of a passphrase':44} {min(took):.2f} s")
    print(f"{f'start until ready, {wanted.records} records':44} {min(started(ours) for _ in range(3)):.2f} s")
    loads = [subprocess.run([sys.executable, "-c", _LOAD], cwd=ours.repo, env=ENV, capture_output=True, text=True,
                            check=True).stdout.strip() for _ in range(3)]
    print(f"{f'of that, {wanted.records} records opened':44} {min(loads)}")
    ours.start()
    if peer:
        print(f"{'latchkey, start until it answers':44} {peer.start():.2f} s")
    print(f"{'daemon':44} {rss(ours.process.pid):.0f} MB" + (f", latchkey {peer.rss():.0f} MB" if peer else ""))
    latencies(ours, peer, agent, wanted.gets)
    rates(ours, peer)
    connections(ours, wanted.connections)


def started(ours: Ours) -> float:
    took = ours.start()
    ours.stop()
    return took


if __name__ == "__main__":
    main()
