"""Judges what holders of one lease left in a shared entry: the invariants L1, L3 and no lost update.

Every version of the entry is {"n", "token"}: who had the lease read n and set n + 1. Run as a program it is such a
holder: `holding.py REPO NAME fenced|ttl-only ROUNDS`, which prints a line for each step and waits where it is told to.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any


def violations(versions: Sequence[dict[str, Any]], granted: Sequence[int]) -> list[str]:
    """`versions`: the values, oldest first; `granted`: the tokens in the order in which they were given."""
    found = [f"L1: token {later} was given after {sooner}" for sooner, later in pairwise(granted)
             if later <= sooner]
    for sooner, later in pairwise(versions):
        if later["token"] < sooner["token"]:
            found.append(f"L3: token {later['token']} wrote after {sooner['token']}")
        if later["n"] != sooner["n"] + 1:
            found.append(f"lost: {later['n']} was set where {sooner['n']} was")
    return found


def main(repo: str, name: str, kind: str, rounds: int, ttl: float) -> None:
    from githarness import settings, wiring
    from githarness.clock import process_start
    from githarness.errors import HarnessError, NotFound
    from githarness.work import leases, state
    from githarness.work.coordination import Caller

    harness = wiring.open(Path(repo), settings.load())
    caller, ask = Caller("deployer", None, f"r-{name}"), harness.combined.ask
    me = (os.getpid(), process_start(os.getpid()))
    for _ in range(rounds):
        wanted = leases.AcquireAsk("counter", ttl, waiter=me[0], waiter_start=me[1])
        lease = leases.wait_for(harness.parts, caller, wanted, ask, wait=60.0)
        try:
            before = int(ask(caller, state.GetAsk("counter"))["value"]["n"])
        except NotFound:
            before = 0
        print("read", flush=True)
        if sys.stdin.readline() == "":
            return
        value = f'{{"n":{before + 1},"token":{lease["token"]}}}'
        try:
            ask(caller, state.SetAsk("counter", value, lease=str(lease["lease"]) if kind == "fenced" else None))
            print("set", flush=True)
            ask(caller, leases.ReleaseAsk(str(lease["lease"])))
        except HarnessError as error:
            print(error.code, flush=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]), float(sys.argv[5]))
