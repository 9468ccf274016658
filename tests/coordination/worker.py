"""A process that works on tasks or channels, and tells what it saw.

    python -m tests.coordination.worker DOING FOLDER AGENT NAME …

One JSON line for each step, flushed before the next: {"who", "what", …, "start", "end"} in monotonic nanoseconds.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

from githarness import settings, wiring
from githarness.errors import LeaseLost, NotFound, Unavailable
from githarness.work import channel_wait, tasks
from githarness.work.channels import AckAsk, PublishAsk, ReadAsk
from githarness.work.coordination import Caller


class Worker:
    def __init__(self, folder: str, agent: str, name: str) -> None:
        self.harness = wiring.open(Path(folder), settings.load())
        self.name = name
        self.caller = Caller(agent, None, f"r-{name}")

    def ask(self, what: object) -> dict[str, Any]:
        return self.harness.combined.ask(self.caller, what)

    def tell(self, what: str, start: int, **more: object) -> None:
        line = {"who": self.name, "what": what, **more, "start": start, "end": time.monotonic_ns()}
        print(json.dumps(line), flush=True)

    def claims(self, ttl: float, work: float, *, careless: bool = False) -> None:
        """Until nothing comes for a while. `careless`: takes what it has done as done, whatever it is told."""
        while True:
            start = time.monotonic_ns()
            try:
                found = tasks.wait_for(self.harness.parts, self.caller, tasks.ClaimAsk(ttl=ttl),
                                       self.harness.combined.ask, wait=3.0)
            except NotFound:
                return
            self.tell("claim", start, task=found["task"], token=found["token"])
            time.sleep(work)
            start = time.monotonic_ns()
            try:
                self.ask(tasks.DoneAsk(str(found["task"]), json.dumps(self.name)))
                self.tell("done", start, task=found["task"], token=found["token"])
            except LeaseLost:
                self.tell("done" if careless else "lost", start, task=found["task"], token=found["token"])

    def publishes(self, channel: str, number: int) -> None:
        for count in range(number):
            start = time.monotonic_ns()
            for _ in range(3000):
                try:
                    found = self.ask(PublishAsk(channel, json.dumps(f"{self.name}/{count}")))
                    break
                except Unavailable:
                    time.sleep(0.02)
            self.tell("publish", start, id=found["id"], cursor=found["cursor"])

    def reads(self, channel: str, last: int, *, careless: bool = False) -> None:
        """Up to that cursor. `careless`: acknowledges before it has done anything."""
        acked = 0
        while acked < last:
            start = time.monotonic_ns()
            found: Any = channel_wait.read(self.harness.parts, self.caller, ReadAsk(channel, most=7),
                                           self.harness.combined.ask, wait=100.0)
            if careless:
                self.ask(AckAsk(channel, found["cursor"]))
            time.sleep(0.5 if careless else 0.0)
            for item in found["items"]:
                self.tell("read", start, id=item["id"], cursor=item["cursor"])
            acked = self.ask(AckAsk(channel, found["cursor"]))["cursor"]
            self.tell("ack", start, cursor=acked)


def main() -> None:
    doing, folder, agent, name, *rest = sys.argv[1:]
    worker = Worker(folder, agent, name)
    if doing.startswith("claim"):
        worker.claims(float(rest[0]), float(rest[1]), careless="careless" in doing)
    elif doing == "publish":
        worker.publishes(rest[0], int(rest[1]))
    else:
        worker.reads(rest[0], int(rest[1]), careless="careless" in doing)


if __name__ == "__main__":
    main()
