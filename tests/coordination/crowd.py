"""Processes that work at the same time, the histories that they tell, and what has to hold of these."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

Line = dict[str, Any]
ROOT = Path(__file__).resolve().parent.parent.parent


class Crowd:
    def __init__(self, fleet: Path, tmp: Path) -> None:
        self.fleet = fleet
        self.tmp = tmp
        self.running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, doing: str, name: str, *rest: object, agent: str = "deployer") -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "tests.coordination.worker", doing, str(self.fleet), agent, name]
        with open(self.tmp / f"{name}.jsonl", "ab") as told:
            process = subprocess.Popen([*command, *map(str, rest)], stdout=told, cwd=ROOT)
        self.running[name] = process
        return process

    def history(self) -> list[Line]:
        """What was told so far, by start; a line that a killed process left half is none."""
        lines = [line for file in sorted(self.tmp.glob("*.jsonl")) for line in file.read_bytes().split(b"\n")[:-1]]
        return sorted((json.loads(line) for line in lines), key=lambda line: line["start"])

    def wait_until(self, holds: Callable[[list[Line]], bool]) -> None:
        while not holds(self.history()):
            assert any(one.poll() is None for one in self.running.values()), "nobody is left who could"
            time.sleep(0.01)

    def join(self) -> list[Line]:
        for process in self.running.values():
            process.wait(timeout=120)
        return self.history()

    def end(self) -> None:
        for process in self.running.values():
            process.kill()
            process.wait()


def tasks_done_twice(history: Iterable[Line]) -> list[str]:
    """C3: of each task one `done` is accepted at the most."""
    done: dict[str, int] = defaultdict(int)
    for line in history:
        done[line["task"]] += line["what"] == "done"
    return [task for task, times in done.items() if times > 1]


def tokens_that_shrink(history: Iterable[Line]) -> list[str]:
    """Claims of a task that began after another one was given have a greater token."""
    found, given = [], defaultdict(list)
    for line in history:
        if line["what"] == "claim":
            if any(other["token"] >= line["token"] and other["end"] < line["start"] for other in given[line["task"]]):
                found.append(line["task"])
            given[line["task"]].append(line)
    return found


def never_delivered(history: Iterable[Line], subscribers: Iterable[str]) -> list[tuple[str, str]]:
    """C1: each published message reaches each subscriber, whose processes are named `SUBSCRIBER.N`."""
    lines = list(history)
    seen = {(line["who"].split(".")[0], line["id"]) for line in lines if line["what"] == "read"}
    sent = [line["id"] for line in lines if line["what"] == "publish"]
    return [(who, message) for who in subscribers for message in sent if (who, message) not in seen]


def out_of_order(history: Iterable[Line]) -> list[Line]:
    """C2, C5: each process sees growing cursors, and what it has acknowledged never comes again."""
    last: dict[str, int] = defaultdict(int)
    found = []
    for line in history:
        if line["what"] == "read":
            if line["cursor"] <= last[line["who"]]:
                found.append(line)
            last[line["who"]] = line["cursor"]
    return found


def published_out_of_order(history: Iterable[Line]) -> list[Line]:
    """C2: what was published after another publish had returned has the greater cursor."""
    lines = [line for line in history if line["what"] == "publish"]
    return [line for line in lines
            if any(other["end"] < line["start"] and other["cursor"] > line["cursor"] for other in lines)]
