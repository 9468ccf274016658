"""A writer process: appends to a shared log and rewrites files of its own, noting before and after what it was told.

    client.py REPO HISTORY NUMBER COUNT SEED WRITER
WRITER is githarness, gitpython or git: the last two are what the checker must catch.
"""

from __future__ import annotations

import hashlib
import json
import random
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

Write = Callable[[dict[str, Any]], str]


def main(repo: Path, history: Path, number: int, count: int, seed: int, writer: str) -> None:
    choose = random.Random(seed * 1000 + number)
    write = {"githarness": with_githarness, "gitpython": with_gitpython, "git": with_git}[writer](repo, number)
    with open(history / f"{seed}-{number}.jsonl", "a", buffering=1) as notes:
        for turn in range(count):
            one = operation(choose, number, turn, seed)
            notes.write(json.dumps(one | {"start": time.monotonic_ns(), "end": None, "result": "unknown"}) + "\n")
            result = write(one)
            notes.write(json.dumps({"id": one["id"], "end": time.monotonic_ns(), "result": result}) + "\n")


def operation(choose: random.Random, number: int, turn: int, seed: int) -> dict[str, Any]:
    name = f"op-{seed}-{number}-{turn}"
    body = "x" * choose.randrange(200)
    digest = hashlib.sha256(body.encode()).hexdigest()[:16]
    line = f"{name} {len(body)} {digest} {body}\n"
    kind = choose.choice(["append", "write"])
    path = f"log-{seed}.txt" if kind == "append" else f"own/{number}-{turn % 3}.txt"
    return {"op": turn, "id": name, "agent": f"agent-{number % 4}", "kind": kind, "path": path, "payload": line}


def with_githarness(repo: Path, number: int) -> Write:
    import githarness
    from githarness.errors import HarnessError, Unavailable

    h = githarness.open(repo)
    me = h.agent(f"agent-{number % 4}", run=f"r-{number}-{time.monotonic_ns()}")

    def write(one: dict[str, Any]) -> str:
        try:
            if one["kind"] == "append":
                me.append(one["path"], one["payload"], operation=one["id"])
            else:
                blob = _blob(repo, one["path"])
                me.write(one["path"], one["payload"], base=blob, operation=one["id"])
        except Unavailable:
            return "unknown"
        except HarnessError:
            return "fail"
        return "ok"

    return write


def _blob(repo: Path, path: str) -> str:
    done = subprocess.run(
        ["git", "rev-parse", "-q", "--verify", f"main:{path}"], cwd=repo, capture_output=True, text=True
    )
    return done.stdout.strip() or "absent"


def with_gitpython(repo: Path, number: int) -> Write:
    import git

    def write(one: dict[str, Any]) -> str:
        opened = git.Repo(repo)
        try:
            _edit(repo, one)
            opened.index.add([one["path"]])
            opened.index.commit(_message(one))
        except (git.GitError, OSError, ValueError):
            return "unknown"
        return "ok"

    return write


def with_git(repo: Path, number: int) -> Write:
    def write(one: dict[str, Any]) -> str:
        _edit(repo, one)
        command = f"git add {one['path']} && git commit -q -F - -- {one['path']}"
        done = subprocess.run(["sh", "-c", command], cwd=repo, input=_message(one).encode(), capture_output=True)
        return "ok" if done.returncode == 0 else "fail"

    return write


def _edit(repo: Path, one: dict[str, Any]) -> None:
    file = repo / one["path"]
    file.parent.mkdir(exist_ok=True)
    before = file.read_text() if one["kind"] == "append" and file.exists() else ""
    file.write_text(before + one["payload"])


def _message(one: dict[str, Any]) -> str:
    return f"write\n\nAgent: {one['agent']}\nOperation: {one['id']}\n"


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), *map(int, sys.argv[3:6]), sys.argv[6])
