"""Coordination by several processes at once: leases, durable state entries, tasks, and each one's share.

    python bench/coordination.py [--processes 8] [--seconds 3] [--quick] [--only NAME]

Every process works through the library, first without a daemon, then (`served`) with one. `leases`: pairs of acquire
and release a second, each process on a name of its own; `one lease`: all on one name, waiting in turn; `state`: entries
a second that are on disk when they are acknowledged, each process on a key of its own; `plain`: such a row by itself
with BEGIN IMMEDIATE and nothing else, as a program would by hand. `share` is what the slowest process did against the
fastest. `claims`: tasks that are claimed and done; `wake-up`: from before a message is published, which waits for the
disk, to its reader having it; `beats`: of runs, with what 1,000 agents that beat every 5 s cost.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import resource
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.synchronize import Barrier
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from harness import ENV, command, machine, percentile, scratch, skills

from githarness import settings, wiring
from githarness.clock import process_start
from githarness.errors import NotFound
from githarness.work import channel_wait, guard, leases, runs, state, tasks
from githarness.work.channels import AckAsk, PublishAsk, ReadAsk
from githarness.work.coordination import Caller

Work = Callable[[wiring.Harness, Caller, int], None]


def lease_pair(harness: wiring.Harness, caller: Caller, number: int) -> None:
    found = harness.table.ask(caller, leases.AcquireAsk(f"bench/{number}", 60.0))
    harness.table.ask(caller, leases.ReleaseAsk(str(found["lease"])))


def one_lease(harness: wiring.Harness, caller: Caller, number: int) -> None:  # noqa: ARG001
    ask = leases.AcquireAsk("bench/one", 60.0, waiter=os.getpid(), waiter_start=process_start(os.getpid()))
    found = leases.wait_for(harness.parts, caller, ask, harness.table.ask, wait=30.0)
    harness.table.ask(caller, leases.ReleaseAsk(str(found["lease"])))


def state_set(harness: wiring.Harness, caller: Caller, number: int) -> None:
    harness.table.ask(caller, state.SetAsk(f"bench/{number}", '{"step":3}'))


def plain(harness: wiring.Harness, caller: Caller, number: int) -> None:
    if caller.name not in _PLAIN:
        conn = sqlite3.connect(harness.repo.home.parent / "plain.db", timeout=60.0, isolation_level=None)
        conn.execute("PRAGMA journal_mode = WAL")
        conn.execute("PRAGMA synchronous = FULL")
        conn.execute("CREATE TABLE IF NOT EXISTS state (seq INTEGER PRIMARY KEY, key, value)")
        _PLAIN[caller.name] = conn
    conn = _PLAIN[caller.name]
    conn.execute("BEGIN IMMEDIATE")
    conn.execute("INSERT INTO state (key, value) VALUES (?, ?)", (f"bench/{number}", '{"step":3}'))
    conn.execute("COMMIT")


_PLAIN: dict[str, sqlite3.Connection] = {}


def beat(harness: wiring.Harness, caller: Caller, number: int) -> None:
    if number not in _RUNS:
        row = runs.start(harness.parts, caller.name, head=harness.head(), runner=runs.Runner(os.getpid(), ()))
        _RUNS[number] = row.id
    guard.beat(harness.parts, _RUNS[number])


_RUNS: dict[int, str] = {}


def worker(folder: str, number: int, seconds: float, work: Work, barrier: Barrier, told: object) -> None:
    harness = wiring.open(Path(folder), settings.load())
    caller = Caller("deployer", None, f"r-bench-{number}")
    work(harness, caller, number)
    barrier.wait()
    end, done, worst = time.monotonic() + seconds, 0, 0.0
    while (before := time.monotonic()) < end:
        work(harness, caller, number)
        worst = max(worst, time.monotonic() - before)
        done += 1
    told.put((done, worst))  # type: ignore[attr-defined]


def measure(folder: Path, name: str, work: Work, processes: int, seconds: float) -> None:
    context = multiprocessing.get_context("fork")
    barrier, told = context.Barrier(processes), context.Queue()
    running = [context.Process(target=worker, args=(str(folder), number, seconds, work, barrier, told))
               for number in range(processes)]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    for one in running:
        one.start()
    found = [told.get() for _ in running]
    for one in running:
        one.join()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    counts = [done for done, _ in found]
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    worst = max(worst for _, worst in found) * 1000
    print(f"  {name:14} {sum(counts) / seconds:8.0f}/s   share {min(counts) / max(max(counts), 1):.2f}"
          f"   worst {worst:6.0f} ms   {cpu / max(sum(counts), 1) * 1e6:6.0f} us cpu each", flush=True)
    if name == "beats":
        share = 200 * cpu / max(sum(counts), 1) * 100
        print(f"  {'':14} 1,000 agents that beat every 5 s take {share:.1f} % of a core", flush=True)


def claimer(folder: str, number: int, barrier: Barrier, told: object) -> None:
    harness = wiring.open(Path(folder), settings.load())
    caller, done = Caller("deployer", None, f"r-claim-{number}"), list[str]()
    barrier.wait()
    began = time.monotonic()
    while True:
        try:
            task = str(harness.table.ask(caller, tasks.ClaimAsk())["task"])
        except NotFound:
            break
        harness.table.ask(caller, tasks.DoneAsk(task))
        done.append(task)
    told.put((done, time.monotonic() - began))  # type: ignore[attr-defined]


def claims(folder: Path, name: str, processes: int, count: int) -> None:
    harness = wiring.open(folder, settings.load())
    for at in range(count):
        harness.combined.ask(Caller("deployer", None, "r-add"), tasks.AddAsk(f"task {at}"))
    harness.close()
    found = at_once(claimer, str(folder), processes)
    done = [task for some, _ in found for task in some]
    print(f"  {name:14} {len(done) / max(took for _, took in found):8.0f}/s   {len(done)} tasks, "
          f"{len(done) - len(set(done))} twice, {count - len(set(done))} never", flush=True)


def at_once(target: object, folder: str, processes: int) -> list[tuple[list[str], float]]:
    context = multiprocessing.get_context("fork")
    barrier, told = context.Barrier(processes), context.Queue()
    running = [context.Process(target=target, args=(folder, number, barrier, told))  # type: ignore[arg-type]
               for number in range(processes)]
    for one in running:
        one.start()
    found = [told.get() for _ in running]
    for one in running:
        one.join()
    return found


def reader(folder: str, number: int, barrier: Barrier, told: object) -> None:
    """Process 0 publishes the time, every 20 ms; process 1 waits for it."""
    harness = wiring.open(Path(folder), settings.load())
    caller = Caller(("deployer", "scribe")[number], None, f"r-wake-{number}")
    found: list[str] = []
    barrier.wait()
    for _ in range(150):
        if number == 0:
            time.sleep(0.02)
            harness.table.ask(caller, PublishAsk("bench", str(time.monotonic_ns())))
            continue
        items = channel_wait.read(harness.parts, caller, ReadAsk("bench"), harness.table.ask, wait=5.0)
        got = time.monotonic_ns()
        found += [str((got - int(item["body"])) / 1e6) for item in items["items"]]  # type: ignore[union-attr,index]
        harness.table.ask(caller, AckAsk("bench", int(str(items["cursor"]))))
        if len(found) >= 150:
            break
    told.put((found, 0.0))  # type: ignore[attr-defined]


def wake_up(folder: Path, name: str) -> None:
    found = [float(one) for some, _ in at_once(reader, str(folder), 2) for one in some]
    print(f"  {name:14} p50 {percentile(found, 0.5):6.1f} ms   p95 {percentile(found, 0.95):6.1f} ms   "
          f"{len(found)} messages", flush=True)


@contextmanager
def daemon(folder: Path) -> Iterator[None]:
    serve = [sys.executable, "-m", "githarness", "-C", str(folder), "serve", "--json"]
    running = subprocess.Popen(serve, stdout=subprocess.PIPE, env=ENV)
    assert running.stdout and b"ready" in running.stdout.readline()
    try:
        yield
    finally:
        running.send_signal(signal.SIGTERM)
        running.communicate()


WORK: dict[str, Work] = {"leases": lease_pair, "one lease": one_lease, "state": state_set, "plain": plain,
                         "beats": beat}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--processes", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only")
    given = parser.parse_args()
    seconds = 1.0 if given.quick else given.seconds
    print(machine())
    with scratch() as folder:
        os.environ.clear()
        os.environ.update(ENV)
        repo = skills(folder / "fleet", 10)
        command(repo, "init", "--fleet", "bench")
        command(repo, "agent", "add", "deployer")
        command(repo, "agent", "add", "scribe")

        def wanted(name: str) -> bool:
            return given.only in (None, name)

        def all_of(how: str) -> None:
            for name, work in WORK.items():
                if wanted(name) and (not how or name not in ("plain", "beats")):
                    measure(repo, name + how, work, given.processes, seconds)
            if wanted("claims"):
                claims(repo, "claims" + how, given.processes, 200 if given.quick else 1000)
            if wanted("wake-up"):
                wake_up(repo, "wake-up" + how)

        all_of("")
        with daemon(repo):
            all_of(" served")


if __name__ == "__main__":
    main()
