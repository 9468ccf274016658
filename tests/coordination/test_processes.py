"""Holders as real processes: stopped, woken too late, killed, and many at once; a lock without tokens must fail."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from githarness.canon import Json
from githarness.errors import Denied, Usage
from githarness.work import channels, combine, coordination, leases, ops, state, tasks
from githarness.work.coordination import Act, Caller, Step
from tests.coordination.conftest import Table
from tests.coordination.holding import violations

ROOT = Path(__file__).resolve().parents[2]
Holder = subprocess.Popen[str]
Start = Callable[..., Holder]


@pytest.fixture
def start(fleet: Path) -> Iterator[Start]:
    """`start("a", "fenced", rounds=3, ttl=2.0)`: a holder, see holding.py."""
    running: list[Holder] = []

    def make(name: str, kind: str = "fenced", rounds: int = 1, ttl: float = 30.0) -> Holder:
        command = [sys.executable, "-m", "tests.coordination.holding", str(fleet), name, kind, str(rounds), str(ttl)]
        running.append(subprocess.Popen(command, cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE))
        return running[-1]

    yield make
    for one in running:
        one.kill()
        one.communicate()


def step(holder: Holder) -> str:
    """Lets it write what it is about to, and what became of it."""
    assert holder.stdin and holder.stdout
    holder.stdin.write("go\n")
    holder.stdin.flush()
    return holder.stdout.readline().strip()


def has_read(holder: Holder) -> None:
    assert holder.stdout and holder.stdout.readline() == "read\n"


def judged(table: Table) -> list[str]:
    with table.harness.db.read() as conn:
        rows = conn.execute("SELECT value FROM state WHERE key = 'counter' ORDER BY version").fetchall()
        given = conn.execute("SELECT safe FROM events WHERE kind = 'lease' AND safe LIKE '%acquire%' ORDER BY seq")
        tokens = [json.loads(row[0])["token"] for row in given]
    return violations([json.loads(row[0]) for row in rows], tokens)


def paused(table: Table, start: Start, kind: str) -> tuple[str, list[str]]:
    """A holder is stopped between reading and writing until another has had its turn: what its write becomes."""
    sleeper = start("sleeper", kind, ttl=1.0)
    has_read(sleeper)
    os.kill(sleeper.pid, signal.SIGSTOP)
    other = start("other", kind)
    has_read(other)
    assert step(other) == "set"
    os.kill(sleeper.pid, signal.SIGCONT)
    return step(sleeper), judged(table)


def test_a_holder_that_wakes_up_too_late_writes_nothing(table: Table, start: Start) -> None:
    """Its token is old: the check is in the transaction of the write."""
    assert paused(table, start, "fenced") == ("lease-lost", [])


def test_a_lock_without_tokens_loses_an_update(table: Table, start: Start) -> None:
    """The negative control: the same holder, which only trusts its time to live."""
    became, found = paused(table, start, "ttl-only")
    assert became == "set"
    assert any(one.startswith("L3") for one in found) and any(one.startswith("lost") for one in found)


def test_a_killed_holder_is_followed(table: Table, start: Start) -> None:
    """When its time is over, without anybody's help; the next one's token is greater."""
    first = start("first", ttl=1.0)
    has_read(first)
    first.kill()
    second = start("second")
    has_read(second)
    assert step(second) == "set"
    assert judged(table) == []


def test_many_holders_lose_nothing(table: Table, start: Start) -> None:
    """Each has its turn, in the order of asking, and every update counts."""
    holders = [start(f"h{number}", rounds=5) for number in range(4)]
    for one in holders:
        assert one.stdin
        one.stdin.write("go\n" * 5)
        one.stdin.flush()
    said = [one.communicate()[0].split() for one in holders]
    assert said == [["read", "set"] * 5] * 4
    assert judged(table) == [] and table.value("counter")["n"] == 20


SETTER = """\
import sys
from pathlib import Path
from githarness import settings, wiring
from githarness.work import state
from githarness.work.coordination import Caller
harness = wiring.open(Path(sys.argv[1]), settings.load())
caller = Caller("deployer", None, f"r-{sys.argv[2]}")
print("ready", flush=True)
sys.stdin.readline()
for number in range(int(sys.argv[3])):
    harness.combined.ask(caller, state.SetAsk(f"k/{sys.argv[2]}", str(number)))
    print(number, flush=True)
"""


def setters(fleet: Path, count: int, each: int) -> list[Holder]:
    running = []
    for number in range(count):
        command = [sys.executable, "-c", SETTER, str(fleet), str(number), str(each)]
        running.append(subprocess.Popen(command, cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE))
    for one in running:
        assert one.stdout and one.stdout.readline() == "ready\n"
    for one in running:
        assert one.stdin
        one.stdin.write("go\n")
        one.stdin.flush()
    return running


def values(table: Table, number: int) -> list[Any]:
    with table.harness.db.read() as conn:
        rows = conn.execute("SELECT value FROM state WHERE key = ? ORDER BY version", (f"k/{number}",)).fetchall()
    return [json.loads(row[0]) for row in rows]


def test_what_others_carry_out_happens_once(table: Table) -> None:
    """Eight processes at once: each of their entries is there, once, in their order."""
    said = [one.communicate()[0].split() for one in setters(table.folder, 8, 30)]
    assert all(one == [str(number) for number in range(30)] for one in said)
    assert [values(table, number) for number in range(8)] == [list(range(30))] * 8


def test_a_killed_leader_takes_nothing_acknowledged_along(table: Table) -> None:
    """Whoever is killed, at whatever point: what was acknowledged is there, in order, and the others go on."""
    running = setters(table.folder, 6, 40)
    for one in running[:3]:
        assert one.stdout
        for _ in range(5):
            one.stdout.readline()
        one.kill()
    acknowledged = [len(one.communicate()[0].split()) for one in running[3:]]
    assert acknowledged == [40] * 3
    for number in range(6):
        kept = values(table, number)
        assert kept == list(range(len(kept))) and len(kept) >= (5 if number < 3 else 40)


LEADER = """\
import os, signal, sys, time
from pathlib import Path
from githarness import settings, wiring
from githarness.work import combine, state
from githarness.work.coordination import Caller
def end(*_):
    if sys.argv[3] == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    raise KeyboardInterrupt
if sys.argv[2] == "ready":
    ready = combine._Batch._ready
    combine._Batch._ready = lambda batch, *said: (ready(batch, *said), end())
else:
    setattr(combine._Known, sys.argv[2], end)
harness = wiring.open(Path(sys.argv[1]), settings.load())
with harness.db.turn():
    print("ready", flush=True)
    while not list(harness.combined._known.asked()):
        time.sleep(0.01)
    harness.combined.ask(Caller("scribe", None, "r-scribe"), state.SetAsk("mine", "1"))
"""


@pytest.mark.parametrize(("point", "mine"), [("put", 0), ("ready", 0), ("done", 1)])
@pytest.mark.parametrize("how", ["killed", "interrupted"])
def test_who_is_served_by_a_leader_that_ends_loses_nothing(table: Table, point: str, mine: int, how: str) -> None:
    """Before its transaction ends or after: the ask happens once, and has its answer."""
    command = [sys.executable, "-c", LEADER, str(table.folder), point, how]
    with subprocess.Popen(command, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as leader:
        assert leader.stdout and leader.stdout.readline() == "ready\n"
        assert table.set("theirs") == 1
    with table.harness.db.read() as conn:
        kept = [row[0] for row in conn.execute("SELECT key FROM state ORDER BY seq")]
    assert sorted(kept) == sorted(["mine"] * mine + ["theirs"])
    assert table.set("theirs") == 2


def test_who_leads_has_its_answer_whatever_becomes_of_later_asks(table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    """An ask that came while it worked cannot be answered, as on a full disk: its owner does that itself."""
    theirs = list[int]()
    other = threading.Thread(target=lambda: theirs.append(table.set("theirs", who="scribe")))

    def no_room(place: combine._Known, text: bytes) -> None:
        raise OSError(28, "no space left on device")

    def after_ours(places: combine._Places, most: int) -> int:
        monkeypatch.setattr(combine._Places, "gathered", lambda *_: 0)
        monkeypatch.setattr(combine._Known, "put", no_room)
        other.start()
        while not list(places.asked()):
            time.sleep(0.01)
        return most + 1

    monkeypatch.setattr(combine, "_TENURE", 60.0)
    monkeypatch.setattr(combine._Places, "gathered", after_ours)
    assert table.set("mine") == 1
    other.join(20)
    assert theirs == [1]


def test_an_operators_ask_is_not_left_to_another(table: Table) -> None:
    """Who has the lock has another key, or lends its own to whoever gives a name: it refuses."""
    table.acquire()
    asks = [("olive", leases.StealAsk("deploy", "why")), ("deployer", state.SetAsk("k", "1"))]
    found = table.harness.combined.together([(table.caller(who), ask) for who, ask in asks])
    assert [isinstance(one, Denied) for one in found] == [True, False]
    assert table.ask(asks[0][1], "olive")["name"] == "deploy"


def test_a_text_that_is_no_utf8_refuses_itself_alone(table: Table) -> None:
    """Nor does a number that SQLite has no room for refuse what shares the transaction."""
    asks = [tasks.AddAsk("\udcff"), channels.ReadAsk("c", after=1 << 70), state.SetAsk("k", "1")]
    found = table.harness.combined.together([(table.caller(), ask) for ask in asks])
    assert [isinstance(one, Usage) for one in found] == [True, True, False]


def refused_late(act: Act) -> dict[str, Json]:
    leases.acquire(act, leases.AcquireAsk("late", 60.0))
    raise Usage("too late", fix="nothing")


@pytest.mark.parametrize("spent", [False, True])
@pytest.mark.parametrize("durable", [False, True])
def test_a_step_that_is_refused_after_it_has_written_leaves_nothing(table: Table, durable: bool, spent: bool) -> None:
    """What shares its transaction is done, with tokens that are nobody else's, also where it had reserved them."""
    caller, asks = table.caller(), [leases.AcquireAsk(name, 60.0) for name in ("a", "b")]
    first = table.acquire("first")["token"]
    with table.harness.db.write() as conn:
        conn.execute("UPDATE fences SET last = reserved - ?", (0 if spent else 100,))
    steps: list[tuple[Caller, Step[dict[str, Json]]]] = [(caller, refused_late), (caller, ops.step_of(asks[0])),
                                                        (caller, refused_late), (caller, ops.step_of(asks[1]))]
    found = coordination.together(table.harness.parts, steps, durable=durable)
    tokens = [first, *(one["token"] for one in found if isinstance(one, dict)), table.acquire("c")["token"]]
    assert tokens == sorted(set(tokens)) and len(tokens) == 4
    assert [one["name"] for one in table.ask(leases.ListAsk())["items"]] == ["a", "b", "c", "first"]


def test_what_a_refused_step_reserved_is_no_obstacle_after_a_start(table: Table, reboot: Callable[[str], None]) -> None:
    """The counter stays within what is reserved, or the machine that started anew could not count on."""
    first = table.acquire()["token"]
    with table.harness.db.write() as conn:
        conn.execute("UPDATE fences SET last = reserved")
    found = coordination.together(table.harness.parts, [(table.caller(), refused_late)], durable=False)
    assert isinstance(found[0], Usage)
    reboot("b2")
    assert table.acquire()["token"] > first


@pytest.mark.parametrize("command", [("channel", "publish", "c"), ("state", "set", "k"), ("task", "done", "t")])
def test_input_without_end_is_refused(fleet: Path, command: tuple[str, ...]) -> None:
    """Instead of being read into memory first."""
    with open("/dev/zero", "rb") as endless:
        run = subprocess.run([sys.executable, "-m", "githarness", "-C", str(fleet), *command], cwd=ROOT, check=False,
                             stdin=endless, capture_output=True)
    assert run.returncode == 2 and b"larger than 4,000,000 bytes" in run.stderr


GONE = """\
import sys
from pathlib import Path
from githarness import settings, wiring
from githarness.work import combine, state
from githarness.work.coordination import Caller
combine.WAIT = 0.5
harness = wiring.open(Path(sys.argv[1]), settings.load())
harness.combined.ask(Caller("scribe", None, "r-scribe"), state.SetAsk("theirs", "1"))
"""


def test_nothing_is_carried_out_for_who_is_long_gone(table: Table) -> None:
    """An ask that its owner's death left behind is not found, and done, by whoever comes along later."""
    combined = table.harness.combined
    with table.harness.db.turn():
        gone = subprocess.Popen([sys.executable, "-c", GONE, str(table.folder)], cwd=ROOT)
        while not list(combined._known.asked()):
            time.sleep(0.01)
        gone.kill()
        gone.wait()
        while list(combined._known.asked()):
            time.sleep(0.05)
        table.set("mine")
    assert [one["key"] for one in table.ask(state.ListAsk())["items"]] == ["mine"]


def test_without_room_for_an_ask_its_owner_waits_for_the_lock(table: Table) -> None:
    """As on a full disk, or where something else stands in the folder's place."""
    (table.harness.repo.home / "desk").write_text("")
    held, let_go = threading.Event(), threading.Event()

    def hold() -> None:
        with table.harness.db.turn():
            held.set()
            let_go.wait(20)

    threading.Thread(target=hold).start()
    assert held.wait(20)
    threading.Timer(0.2, let_go.set).start()
    assert table.set("k") == 1


def test_a_crowd_takes_no_more_descriptors_than_there_are(table: Table) -> None:
    """Of a thousand places so many are open at once that the rest of the program has room."""
    combined, folder = table.harness.combined, table.harness.combined._folder
    folder.mkdir(parents=True)
    for number in range(1000):
        (folder / f"1-1-{number}").write_bytes(bytes(20))
        os.mkfifo(folder / f"1-1-{number}.bell")
    table.set("k")
    assert len(os.listdir("/proc/self/fd")) < 512
    assert len(combined._known._places) == 128
