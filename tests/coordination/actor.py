"""A process that uses state and one lease at random and tells what it asked and was told (see checker.py).

    python -m tests.coordination.actor REPO FOLDER NAME AGENT SEED [careless] [jumping]

It runs until it is ended. Its first line has the seed. `careless` writes without its lease, which it trusts to last;
`jumping` lives with a wall clock that is set forth and back by up to a year.
"""

from __future__ import annotations

import json
import os
import random
import sys
import time
from pathlib import Path
from typing import Any

from githarness import settings
from githarness.clock import Clock, process_start
from githarness.errors import Conflict, HarnessError, LeaseLost, Locked, NotFound, Unavailable
from githarness.git.repo import discover
from githarness.wiring import Harness
from githarness.work import leases, state
from githarness.work.coordination import Caller

_TTL = 0.4


class JumpingClock(Clock):
    def __init__(self, random_: random.Random) -> None:
        self._random = random_

    def now(self) -> float:
        return time.time() + self._random.choice((0.0, 3e7, -3e7, 3600.0, -3600.0))


class Actor:
    def __init__(self, repo: str, folder: str, name: str, agent: str, seed: int, kinds: list[str]) -> None:
        self.random = random.Random(f"{seed}/{name}")
        clock = JumpingClock(self.random) if "jumping" in kinds else Clock()
        self.harness = Harness(settings.load(), discover(Path(repo)), clock=clock)
        self.caller = Caller(agent, None, f"r-{name}")
        self.careless = "careless" in kinds
        self.name, self.agent, self.count = name, agent, 0
        self.file = open(Path(folder) / f"{name}.jsonl", "a")  # noqa: SIM115  until the process ends
        self.keys = (f"{seed}/a", f"{seed}/b")
        self.seen: dict[str, int] = {}
        self.tell({"seed": seed, "kinds": kinds})

    def tell(self, what: dict[str, Any]) -> None:
        self.file.write(json.dumps(what) + "\n")
        self.file.flush()

    def ask(self, op: str, key: str, argument: dict[str, Any], what: Any, field: str) -> Any:
        """The document; None where it was refused, or nobody knows."""
        self.count += 1
        line = {"op": op, "id": f"{self.name}/{self.count}", "agent": self.agent, "key": key, "argument": argument,
                "start": time.monotonic_ns(), "end": None, "result": "unknown", "found": None}
        self.tell(line)
        found, done = None, dict[str, Any]()
        try:
            found = what()
            done = {"result": "ok", "found": [found["version"], found["value"]] if op == "get" else found[field]}
        except (NotFound, LeaseLost, Locked):
            done = {"result": "fail"}
        except Conflict as error:
            done = {"result": "fail", "found": error.details["version"]}
        except Unavailable as error:
            if error.details.get("outcome") == "unknown":
                return None
            done = {"result": "refused"}
        except HarnessError as error:
            done = {"result": "refused", "why": error.code}
        end = time.monotonic_ns()
        self.tell({**line, **done, "end": end} if done["result"] != "refused" else {**line, "op": "none", "end": end})
        return found

    def do(self, what: object) -> Any:
        return self.harness.table.ask(self.caller, what)

    def step(self) -> None:
        key = self.random.choice(self.keys)
        if self.random.random() < 0.3:
            found = self.ask("get", key, {}, lambda: self.do(state.GetAsk(key)), "version")
            self.seen[key] = found["version"] if found else 0
        else:
            version = self.seen.get(key, 0)
            value = f"{self.name}/{self.count}"
            ask = state.SetAsk(key, json.dumps(value), version)
            found = self.ask("set", key, {"if_version": version, "value": value}, lambda: self.do(ask), "version")
            self.seen[key] = found["version"] if found else version + 1

    def turn(self) -> None:
        """A lease, some writes under it, and its end, or not."""
        pid = os.getpid()
        ask = leases.AcquireAsk("L", _TTL, waiter=pid, waiter_start=process_start(pid))
        held = self.ask("acquire", "L", {"ttl": _TTL}, lambda: leases.wait_for(
            self.harness.parts, self.caller, ask, self.harness.table.ask, wait=1.0), "token")
        if held is None:
            return
        lease, rest = str(held["lease"]), {"token": held["token"], "ttl": _TTL}
        for _ in range(self.random.randrange(3)):
            time.sleep(self.random.choice((0.0, 0.0, 0.05, 2 * _TTL if self.careless else 0.0)))
            put = state.SetAsk("guarded", str(held["token"]), lease=None if self.careless else lease)
            self.ask("write", "L", rest, lambda put=put: self.do(put), "version")  # type: ignore[misc]
        if self.random.random() < 0.2:
            self.ask("renew", "L", rest, lambda: self.do(leases.RenewAsk(lease)), "token")
        if self.random.random() < 0.8:
            self.ask("release", "L", rest, lambda: self.do(leases.ReleaseAsk(lease)), "token")


def main() -> None:
    repo, folder, name, agent, seed, *kinds = sys.argv[1:]
    actor = Actor(repo, folder, name, agent, int(seed), kinds)
    while True:
        actor.step()
        if actor.random.random() < 0.3:
            actor.turn()


if __name__ == "__main__":
    main()
