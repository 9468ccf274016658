"""What hostile, slow, many and vanishing clients can do: get an answer or an end, and nothing to others."""

from __future__ import annotations

import os
import resource
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import pytest

from githarness import frames
from githarness.daemon import requests
from githarness.daemon.client import RemoteLane
from githarness.errors import Unavailable, Usage
from githarness.frames import REQUEST
from githarness.git.repo import Repo
from githarness.work.asks import Ask, Op
from tests.fakes import FakeLane

Start = Callable[..., Any]


def write(number: int, path: str = "a.md", content: bytes = b"x") -> bytes:
    return requests.write(number, Ask("deployer", "r-1", (Op("append", path, content),), operation=None))


def wait_for_held(watcher: Any, least: int) -> None:
    """Until the daemon has read that much of what others sent."""
    for _ in range(6000):
        watcher.send(requests.bare(2, "status"))
        if watcher.answer().what["held"] >= least:
            return
        time.sleep(0.01)
    raise AssertionError(f"the daemon never held {least} bytes")


def test_answers_come_in_the_order_of_the_requests(daemon: Start, wire: Start) -> None:
    """Pipelined writes, reads and pings; a read sees the write that was asked before it."""
    client = wire(daemon())
    reads = requests.read(4, requests.ReadAsk("a.md"))
    client.send(write(2) + requests.bare(3, "ping") + reads + write(5, "bad") + requests.bare(6, "fly") + write(7))
    got = [client.answer() for _ in range(6)]
    assert [one.id for one in got] == [2, 3, 4, 5, 6, 7]
    assert [one.kind for one in got] == ["written", "pong", "doc", "error", "error", "written"]
    assert got[2].what.content == b"x"


def test_a_group_has_one_write_of_each_connection(daemon: Start, wire: Start) -> None:
    """A client with fifty requests does not stand before one with a single request."""
    served = daemon(delay=0.02, limits={"pipeline": 20})
    greedy, modest = wire(served), wire(served)
    greedy.send(b"".join(write(n) for n in range(2, 52)))
    modest.send(write(2))
    assert modest.answer().kind == "written"
    modest.send(requests.bare(3, "status"))
    assert 10 < modest.answer().what["queued"] <= 20
    assert [greedy.answer().id for _ in range(50)] == list(range(2, 52))


@pytest.mark.parametrize(("limits", "largest"), [({"group": 3}, 3), ({"group_bytes": 1500}, 2)])
def test_groups_are_bounded_by_count_and_bytes(limits: Any, largest: int, daemon: Start, wire: Start) -> None:
    """What does not fit waits for the next one, and its turn comes."""
    served = daemon(delay=0.1, limits=limits)
    clients = [wire(served) for _ in range(8)]
    for client in clients:
        client.send(write(2, content=b"x" * 600))
    assert all(client.answer().kind == "written" for client in clients)
    clients[0].send(requests.bare(3, "status"))
    status = clients[0].answer().what
    assert status["largest"] == largest and status["writes"] == 8 and status["held"] == 0


def test_a_connection_begins_with_a_hello(daemon: Start, wire: Start) -> None:
    """Without one nothing is carried out."""
    client = wire(daemon(), greet=False)
    client.send(write(1))
    assert "hello" in client.bye()


def test_another_protocol_is_refused_by_name(daemon: Start, wire: Start) -> None:
    """With an answer that a client of any version can read."""
    client = wire(daemon(), greet=False)
    client.send(frames.pack({"do": "hello", "id": 1, "protocol": [2, 3], "repository": "/"}, b"", REQUEST))
    refused = client.answer().what
    assert isinstance(refused, Unavailable) and refused.details == {"protocol": 1}


@pytest.mark.parametrize("garbage", [
    b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\0" * 64, b"\xff" * 64, struct.pack(">II", 8, 2**31) + b"{}{}",
    struct.pack(">II", 2**31, 16), struct.pack(">II", 6, 2) + b"[]", struct.pack(">II", 6, 2) + b"{}",
])  # fmt: skip
def test_garbage_ends_its_connection_only(garbage: bytes, daemon: Start, wire: Start) -> None:
    """Other clients notice nothing, and nothing of it stays."""
    served = daemon()
    other, client = wire(served), wire(served)
    client.send(garbage)
    client.bye()
    other.send(requests.bare(2, "status"))
    status = other.answer().what
    assert status["held"] == status["queued"] == 0 and status["connections"] == 1


def test_a_client_that_ends_in_mid_frame_wrote_nothing(daemon: Start, wire: Start, fallback: FakeLane) -> None:
    """Half a frame is no request; a whole one before it is."""
    served = daemon()
    client = wire(served)
    client.send(write(2) + write(3)[:-1])
    client.socket.shutdown(1)
    assert client.answer().kind == "written"
    assert client.answer().kind == "end"
    assert len(fallback.lines()) == 1


@pytest.mark.parametrize(("limits", "why"), [
    ({"hello": 0.1}, "no hello"), ({"idle": 0.1}, "for long"), ({"frame": 0.1}, "incomplete"),
])  # fmt: skip
def test_who_keeps_the_daemon_waiting_is_ended(limits: Any, why: str, daemon: Start, wire: Start) -> None:
    """No hello, no request, or a request that drips."""
    client = wire(daemon(limits=limits), greet="hello" not in limits)
    for byte in write(2)[:20] if "frame" in limits else b"":
        client.send(bytes([byte]))
        time.sleep(0.02)
    assert why in client.bye()


def test_who_does_not_take_answers_is_not_read_from_and_then_ended(daemon: Start, wire: Start) -> None:
    """The daemon's memory does not grow with a reader that sleeps."""
    served = daemon(limits={"drain": 2.5, "unsent": 1 << 16})
    filled = wire(served)
    filled.send(write(2, content=b"y" * 500_000))
    assert filled.answer().kind == "written"
    client = wire(served)
    client.socket.settimeout(0.5)
    with pytest.raises(TimeoutError):  # its requests are not taken any more
        for number in range(2, 100_000):
            client.send(requests.read(number, requests.ReadAsk("a.md")))
    client.socket.settimeout(10.0)
    with pytest.raises((BrokenPipeError, ConnectionResetError)):
        client.send(bytes(1 << 20))


def test_who_asks_faster_than_the_ledger_writes_is_not_read_from(daemon: Start, wire: Start) -> None:
    """What it has to say waits in its own socket, not in the daemon."""
    served = daemon(delay=0.2)
    client, watcher = wire(served), wire(served)
    client.socket.settimeout(1.0)
    with pytest.raises(TimeoutError):
        for number in range(2, 5000):
            client.send(write(number, content=bytes(5000)))
    watcher.send(requests.bare(2, "status"))
    status = watcher.answer().what
    assert 50 < status["queued"] <= 64 and status["held"] < 1 << 20


def test_too_many_waiting_requests_are_answered_unavailable(daemon: Start, wire: Start) -> None:
    """By name, at once, and the connection goes on."""
    client = wire(daemon(delay=0.1, limits={"queue": 3}))
    client.send(b"".join(write(n) for n in range(2, 12)))
    got = [client.answer() for _ in range(10)]
    refused = [one.what for one in got if one.kind == "error"]
    assert len(refused) == 7 and all(isinstance(one, Unavailable) for one in refused)
    client.send(write(12))
    assert client.answer().kind == "written"


def test_too_many_waiting_bytes_end_the_connection_that_brings_them(daemon: Start, wire: Start) -> None:
    """Frames that are begun by many at once and never finished do not fill the memory."""
    served = daemon(limits={"held": 100_000})
    first, second, watcher = wire(served), wire(served), wire(served)
    first.send(write(2, content=b"x" * 90_000)[:-1])
    wait_for_held(watcher, 90_000)
    second.send(write(2, content=b"x" * 90_000)[:-1])
    assert "bytes" in second.bye()
    first.socket.close()
    assert wire(served).socket


def test_a_thousand_connections(daemon: Start, wire: Start, fallback: FakeLane) -> None:
    """All greeted, each write lands once, in few groups."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 4096), hard))
    served = daemon(limits={"group": 500})
    clients = [wire(served) for _ in range(1000)]
    for client in clients:
        client.send(write(2))
    assert all(client.answer().kind == "written" for client in clients)
    assert len(fallback.lines()) == 1000
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_one_connection_too_many_is_told_so(daemon: Start, wire: Start, lane: RemoteLane, fallback: FakeLane) -> None:
    """And its client works in process."""
    served = daemon(limits={"connections": 2})
    kept = [wire(served), wire(served)]
    assert "connections" in wire(served, greet=False).bye()
    lane.write(Ask("deployer", "r-1", (Op("append", "a", b"x"),)))
    assert fallback.groups == [1] and len(kept) == 2


def test_out_of_descriptors_a_client_is_hung_up_on_and_the_daemon_goes_on(daemon: Start, wire: Start) -> None:
    """The listener does not spin, and serves again when descriptors are free."""
    served = daemon()
    kept = [wire(served) for _ in range(3)]
    pid = served.process.pid
    used = len(os.listdir(f"/proc/{pid}/fd"))
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (used, 4096))
    assert wire(served, greet=False).answer().kind == "end"
    kept[0].send(requests.bare(2, "status"))
    assert kept[0].answer().what["turned_away"] == 1
    kept.pop().socket.close()
    while len(os.listdir(f"/proc/{pid}/fd")) >= used:
        time.sleep(0.01)
    assert wire(served)


def test_a_client_that_vanishes_takes_nobody_along(daemon: Start, wire: Start, fallback: FakeLane) -> None:
    """Its write was asked for, so it lands; its answer goes nowhere; the others of its group get theirs."""
    served = daemon(delay=0.2)
    first, second, third = wire(served), wire(served), wire(served)
    first.send(write(2))
    second.send(write(2))
    third.send(write(2))
    second.socket.close()
    assert first.answer().kind == third.answer().kind == "written"
    assert len(fallback.lines()) == 3


def test_sigterm_answers_what_is_in_hand_and_says_bye_to_the_rest(
    daemon: Start, wire: Start, fallback: FakeLane
) -> None:
    """Acknowledged is landed, and landed is acknowledged, on every connection."""
    served = daemon(delay=0.2)
    clients = [wire(served) for _ in range(3)]
    for client in clients:
        client.send(b"".join(write(n) for n in range(2, 12)))
    assert clients[0].answer().kind == "written"
    time.sleep(0.1)
    late = wire(served, greet=False)  # the next group is in hand, so it is not accepted yet
    assert served.end() == 0
    landed = 1
    for client in clients:
        while (found := client.answer()).kind == "written":
            landed += 1
        assert found.kind == "bye"
    assert landed == len(fallback.lines()) < 30
    assert late.answer().kind == "bye"
    assert not served.socket.exists() and not (served.repo.home / "daemon.json").exists()


CLIENT = """
import sys
sys.path[:0] = [sys.argv[1]]
from pathlib import Path
from githarness import settings
from githarness.daemon.client import Line, RemoteLane
from githarness.errors import HarnessError
from githarness.git.repo import discover
from githarness.work.asks import Ask, Op
from tests.fakes import FakeLane
repo = discover(Path(sys.argv[2]))
own = FakeLane(repo.common_dir / "fake")
lane = RemoteLane(Line(settings.load(), repo), lambda: own)
for number in range(40):
    name = f"{sys.argv[3]}-{number}"
    ask = Ask("a", "r", (Op("append", "log", b"x"),), operation=name if sys.argv[4] == "keyed" else None, message=name)
    try:
        lane.write(ask)
        print("ok", name, flush=True)
    except HarnessError as error:
        print(error.details.get("outcome"), name, flush=True)
print("own", len(own.groups))
"""


def load(repo: Any, root: str, how: str, clients: int = 6) -> list[subprocess.Popen[str]]:
    command = [sys.executable, "-c", CLIENT, root, str(repo.common_dir)]
    return [subprocess.Popen([*command, str(n), how], stdout=subprocess.PIPE, text=True) for n in range(clients)]


@pytest.mark.parametrize(("number", "how"), [(signal.SIGTERM, "bare"), (signal.SIGKILL, "keyed")])
def test_restarts_under_load_lose_and_repeat_nothing(
    number: int, how: str, daemon: Start, fallback: FakeLane, request: pytest.FixtureRequest
) -> None:
    """By SIGTERM nothing needs an operation; by SIGKILL an operation makes every write land exactly once."""
    served = daemon(delay=0.02)
    clients = load(served.repo, str(request.config.rootpath), how)
    for landed in (30, 90, 150):
        while len(fallback.lines()) < landed:
            time.sleep(0.02)
        served.end(number)
        served = daemon(delay=0.02)
    said = "".join(client.communicate()[0] for client in clients).split("\n")
    assert sum(line.startswith("ok") for line in said) == 240
    assert len(fallback.lines()) == 240
    assert len({line["pid"] for line in fallback.lines()}) >= 4  # every daemon served some of the load
    if how == "keyed":
        assert len({line["operation"] for line in fallback.lines()}) == 240


def test_maintenance_runs_beside_the_loop_after_a_pause(daemon: Start, wire: Start) -> None:
    """Once per pause; a fault in it is noted and ends nothing."""
    served = daemon(limits={"quiet": 0.1}, at="maintain", signal="SIGTERM")
    client = wire(served)
    client.send(write(2))
    assert client.answer().kind == "written"
    assert served.next("stopped")["writes"] == 1  # the fake's maintenance asks the daemon to stop


def test_a_bad_frame_is_usage() -> None:
    """The fault is the sender's."""
    with pytest.raises(Usage):
        frames.parse(b"5")


@pytest.mark.parametrize("how", ["removed", "replaced", "without-folder"])
def test_a_daemon_whose_database_is_another_ends(
    how: str, daemon: Start, lane: RemoteLane, fallback: FakeLane, place_of: Repo,
) -> None:
    """What it would answer from, nobody else sees: the client is told so, and does the write in its own process."""
    home = place_of.home
    home.mkdir()
    (home / "harness.db").touch()
    served = daemon()
    lane.write(Ask("deployer", "r-1", (Op("append", "a.md", b"1"),), operation="o-1"))
    if how == "without-folder":
        home.rename(home.with_name("elsewhere"))
    else:
        (home / "harness.db").rename(home / "elsewhere")
    if how == "replaced":
        (home / "harness.db").touch()
    lane.write(Ask("deployer", "r-1", (Op("append", "a.md", b"2"),), operation="o-2"))
    assert fallback.groups == [1]
    assert served.process.wait(60) and "removed or replaced" in served.process.communicate()[1]
    assert not served.socket.exists()


def test_a_daemon_ends_without_its_database_also_where_nobody_asks(daemon: Start, place_of: Repo) -> None:
    """It would hold its socket for ever, and nothing could find it to end it."""
    place_of.home.mkdir()
    (place_of.home / "harness.db").touch()
    served = daemon()
    (place_of.home / "harness.db").unlink()
    assert served.process.wait(60)
