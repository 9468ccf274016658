"""Rollback against `git revert` in histories of 19 agents over 2,000 files, side by side in one run; prints ratios.

    python bench/rollback.py [--commits N] [--files 2000] [--long N] [--spread] [--quick]

separate: every agent edits lines of its own, far from each other's. interleaved: every agent adds lines at the end of
shared logs, so that its neighbours are always others'. Then the same commits of one agent after ten times as many by
others in the same files, and with --spread among them. Histories are made by `git fast-import`; the index is brought up
to date before, and timed by itself. Both sides start from the same repository with the branch checked out. The time of
a rollback is that of the whole command; "in process" is that of the same call from Python, without start-up.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from harness import ENV, command, git, machine, scratch

AGENTS = 19
CHOSEN = "agent-07"
SPACE = 4  # lines between the lines of two agents


@dataclass(frozen=True)
class Shape:
    commits: int
    files: int
    interleaved: bool
    older: int = 0  # that many commits by others come first
    spread: int = 1  # that many times as many commits by others between two of the chosen agent


def edits(shape: Shape) -> Iterator[tuple[int, int, bytes]]:
    """Who, which file, and the file's new content, commit by commit."""
    texts = {number: start(shape, number) for number in range(shape.files)}
    others = cycle(number for number in range(AGENTS) if number != 7)
    for commit in range(-shape.older, shape.commits * shape.spread):
        mine = commit >= 0 and commit % (AGENTS * shape.spread) == 7
        who = 7 if mine else next(others)
        file = (commit * 2654435761 >> 7) % shape.files
        line = b"agent %02d changed this in commit %d\n" % (who, commit + shape.older)
        if shape.interleaved:
            texts[file] = [*texts[file], line]
        else:
            texts[file] = [*texts[file]]
            texts[file][who * SPACE] = line
        yield who, file, b"".join(texts[file])


def start(shape: Shape, number: int) -> list[bytes]:
    count = 8 if shape.interleaved else AGENTS * SPACE
    return [b"file %d line %d\n" % (number, line) for line in range(count)]


def stream(shape: Shape, head: str) -> Iterator[bytes]:
    who = b"%s <%s@bench.invalid> %d +0000\n"
    yield (b"commit refs/heads/main\ncommitter " + who % (b"Bench", b"people", 1_700_000_000) + b"data 5\nfiles\n"
           b"from %s\n" % head.encode())
    for number in range(shape.files):
        text = b"".join(start(shape, number))
        yield b"M 100644 inline docs/%05d.md\ndata %d\n%s\n" % (number, len(text), text)
    for commit, (agent, file, text) in enumerate(edits(shape)):
        name = b"agent-%02d" % agent
        message = b"commit %d\n\nAgent: %s\nRun: r-%d\n" % (commit, name, commit // 100)
        yield (b"commit refs/heads/main\ncommitter " + who % (name, name, 1_700_000_001 + commit)
               + b"data %d\n%s\nM 100644 inline docs/%05d.md\ndata %d\n%s\n" % (
                   len(message), message, file, len(text), text))


def build(folder: Path, shape: Shape) -> Path:
    folder.mkdir()
    git(folder, "init", "-q", "-b", "main")
    command(folder, "init", "--fleet", "bench")
    process = subprocess.Popen(["git", "-c", "core.bigFileThreshold=1", "fast-import", "--quiet"], cwd=folder, env=ENV,
                               stdin=subprocess.PIPE)  # else its blobs are deltas of whatever file came before
    assert process.stdin is not None
    for part in stream(shape, git(folder, "rev-parse", "HEAD").decode().strip()):
        process.stdin.write(part)
    process.stdin.close()
    if process.wait():
        raise SystemExit("git fast-import failed")
    git(folder, "repack", "-adq")
    git(folder, "reset", "-q", "--hard")
    return folder


IN_PROCESS = """
import sys, time, githarness
from githarness.work import lane, rollback
with githarness.open(sys.argv[1]) as h:
    began = time.perf_counter()
    h.rollback(sys.argv[2])
    print(time.perf_counter() - began)
"""


def in_process(repo: Path) -> float:
    done = subprocess.run([sys.executable, "-c", IN_PROCESS, repo, CHOSEN], env=ENV, check=True, capture_output=True)
    return float(done.stdout)


def best(repo: Path, measure: Callable[[], float]) -> float:
    """Of three runs, each from the same commit."""
    took = []
    for number in range(3):
        if number:
            git(repo, "reset", "-q", "--hard", "HEAD~1")
            command(repo, "index", "update")
        settle(repo)
        took.append(measure())
    return min(took)


def settle(repo: Path) -> None:
    """What was written before is on disk, and git's index is later than the files, as a second after any checkout."""
    time.sleep(1.1)
    git(repo, "update-index", "-q", "--really-refresh")
    git(repo, "update-index", "--force-write-index")
    os.sync()


def rollback(repo: Path, title: str) -> tuple[float, list[str]]:
    began = time.perf_counter()
    command(repo, "index", "update")
    indexed = time.perf_counter() - began
    done = {}

    def once() -> float:
        began = time.perf_counter()
        done.update(json.loads(command(repo, "rollback", CHOSEN, "--json")))
        return time.perf_counter() - began

    took = best(repo, once)
    print(f"{title:44} {took:8.2f} s   {len(done['reverted'])} commits, {len(done['paths'])} files, "
          f"{len(done['conflicts'])} conflicts (index before: {indexed:.1f} s)", flush=True)
    check(repo)
    return took, done["reverted"]


def check(repo: Path) -> None:
    """Nothing of the agent is left, git agrees about the working tree, and everybody else's last lines are there."""
    left = subprocess.run(["git", "grep", "-q", f"agent {CHOSEN[-2:]} ", "HEAD", "--", "docs"], cwd=repo, env=ENV,
                          check=False)
    status = git(repo, "status", "--porcelain").decode()
    if left.returncode != 1 or status:
        raise SystemExit(f"the rollback is wrong: {status[:200] or 'lines of the agent are left'}")


def revert(repo: Path, oids: list[str]) -> float | None:
    """Seconds of `git revert` of the same commits, None where it stops on a conflict."""
    settle(repo)
    began = time.perf_counter()
    done = subprocess.run(["git", "revert", "--no-edit", *reversed(oids)], cwd=repo, env=ENV, check=False,
                          capture_output=True)
    took = time.perf_counter() - began
    return None if done.returncode else took


def compare(folder: Path, shape: Shape, name: str) -> float:
    title = f"{name}, {shape.commits:,} commits: "
    repo = build(folder / "ours", shape)
    for copy in ("theirs", "python"):
        shutil.copytree(repo, folder / copy, symlinks=True)
        git(folder / copy, "status")
    git(folder / "theirs", "tag", "before")
    took, oids = rollback(repo, title + "githarness rollback")
    command(folder / "python", "index", "update")
    inside = best(folder / "python", lambda: in_process(folder / "python"))
    print(f"{title + 'in process':44} {inside:8.2f} s")
    theirs = revert(folder / "theirs", oids)
    if theirs is None:
        done = git(folder / "theirs", "rev-list", "--count", "before..HEAD").decode().strip()
        print(f"{title + 'git revert':44} conflicts after {done} of {len(oids)} commits")
    else:
        print(f"{title + 'git revert':44} {theirs:8.2f} s   {theirs / took:.1f} x the command, "
              f"{theirs / inside:.1f} x the call")
    return took


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--commits", type=int, default=10_000)
    parser.add_argument("--files", type=int, default=2_000)
    parser.add_argument("--long", type=int, default=100_000, help="commits of the long history")
    parser.add_argument("--spread", action="store_true", help="also spread the agent's commits over the long history")
    parser.add_argument("--quick", action="store_true", help="a tenth of everything")
    given = parser.parse_args()
    scale = 10 if given.quick else 1
    commits, files, long = given.commits // scale, given.files // scale, given.long // scale
    print(machine())
    with scratch() as folder:
        for name, interleaved in (("separate", False), ("interleaved", True)):
            place = folder / name
            place.mkdir()
            took = compare(place, Shape(commits, files, interleaved), name)
            shapes = {"after": Shape(commits, files, interleaved, older=long - commits)}
            if given.spread:
                shapes["among"] = Shape(commits, files, interleaved, spread=long // commits)
            for how, shape in shapes.items():
                longer, _ = rollback(build(place / how, shape), f"{name}, {how} {long:,}: githarness rollback")
                print(f"{name}: the same selection {how} {long - commits:,} others takes {longer / took:.2f} x",
                      flush=True)
            shutil.rmtree(place)


if __name__ == "__main__":
    main()
