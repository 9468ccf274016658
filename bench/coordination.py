"""Coordination by several processes at once: leases taken and let go, durable state entries, and each one's share.

    python bench/coordination.py [--processes 8] [--seconds 3] [--quick]

Every process works through the library, without a daemon. `leases`: pairs of acquire and release a second, each on a
name of its own; `one lease`: all on one name, waiting in turn; `state`: entries a second that are on disk when they are
acknowledged, each on a key of its own. `share` is what the slowest process did against the fastest one.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import resource
import sys
import time
from collections.abc import Callable
from multiprocessing.synchronize import Barrier
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from harness import ENV, command, machine, scratch, skills

from githarness import settings, wiring
from githarness.clock import process_start
from githarness.work import leases, state
from githarness.work.combine import Combined
from githarness.work.coordination import Caller

Work = Callable[[wiring.Harness, Caller, int], None]


def lease_pair(harness: wiring.Harness, caller: Caller, number: int) -> None:
    asking: Combined = harness.combined
    found = asking.ask(caller, leases.AcquireAsk(f"bench/{number}", 60.0))
    asking.ask(caller, leases.ReleaseAsk(str(found["lease"])))


def one_lease(harness: wiring.Harness, caller: Caller, number: int) -> None:  # noqa: ARG001
    ask = leases.AcquireAsk("bench/one", 60.0, waiter=os.getpid(), waiter_start=process_start(os.getpid()))
    found = leases.wait_for(harness.parts, caller, ask, harness.combined.ask, wait=30.0)
    harness.combined.ask(caller, leases.ReleaseAsk(str(found["lease"])))


def state_set(harness: wiring.Harness, caller: Caller, number: int) -> None:
    harness.combined.ask(caller, state.SetAsk(f"bench/{number}", '{"step":3}'))


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
    print(f"  {name:12} {sum(counts) / seconds:8.0f}/s   share {min(counts) / max(max(counts), 1):.2f}"
          f"   worst {worst:6.0f} ms   {cpu / max(sum(counts), 1) * 1e6:6.0f} us cpu each", flush=True)


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
        for name, work in (("leases", lease_pair), ("one lease", one_lease), ("state", state_set)):
            if given.only in (None, name):
                measure(repo, name, work, given.processes, seconds)


if __name__ == "__main__":
    main()
