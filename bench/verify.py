"""How many signed commits `verify` judges in a second, beside `git verify-commit`, on the same commits in the same run.

    python bench/verify.py [COMMITS]
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
from pathlib import Path

from harness import ENV, command, git, machine, scratch

from githarness import settings, wiring
from githarness.git.repo import discover
from githarness.work import judge_range
from githarness.work.asks import Ask, Op
from githarness.work.judge_range import Bench, Range

_FILES = 2000
_SAMPLE = 200  # commits that git verifies


def _repository(folder: Path, count: int) -> Path:
    """`count` writes by ten agents, over 2,000 files in 20 folders."""
    folder.mkdir()
    git(folder, "init", "-q", "-b", "main")
    for number in range(_FILES):
        file = folder / f"docs/{number % 20:02}/{number:04}.md"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"file {number}\n" * 5)
    git(folder, "add", ".")
    git(folder, "commit", "-q", "-m", "start")
    command(folder, "init", "--fleet", "bench")
    for number in range(10):
        command(folder, "agent", "add", f"agent-{number}")
    harness = wiring.open(folder, settings.load(ENV))
    for start in range(0, count, 50):
        asks = [Ask(f"agent-{number % 10}", f"r-{number % 10}", (
            Op("append", f"docs/{number * 7 % _FILES % 20:02}/{number * 7 % _FILES:04}.md", b"one more line\n"),))
            for number in range(start, min(count, start + 50))]
        harness.local.write_group(asks)
    git(folder, "repack", "-adq")
    return folder


def _spent() -> float:
    return sum(sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))


def _timed(work: object) -> tuple[float, float]:
    wall, spent = time.perf_counter(), _spent()
    work()  # type: ignore[operator]
    return time.perf_counter() - wall, _spent() - spent


def _by_git(folder: Path, commits: list[str]) -> None:
    subprocess.run(["git", "verify-commit", *commits], cwd=folder, env=ENV, check=True, capture_output=True)


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 5000
    with scratch() as folder:
        repo = _repository(folder / "repo", count)
        commits = git(repo, "rev-list", "main").decode().split()[:count]
        judged = []
        for _ in range(3):
            judged.append(_timed(lambda: _judge(repo, commits)))
        gits = [_timed(lambda: _by_git(repo, commits[:_SAMPLE])) for _ in range(3)]
    print(machine())
    (wall, spent), (git_wall, git_spent) = min(judged), min(gits)
    print(f"githarness verify: {count / wall:,.0f} commits/s ({count / spent:,.0f} per second of one core)")
    print(f"git verify-commit: {_SAMPLE / git_wall:,.0f} commits/s ({_SAMPLE / git_spent:,.0f} per second of one core)")
    wide, deep = count / wall / (_SAMPLE / git_wall), count / spent / (_SAMPLE / git_spent)
    print(f"ratio: {wide:.0f}, by processor time {deep:.0f}")


def _judge(repo: Path, commits: list[str]) -> None:
    bench = Bench(wiring.reader(discover(repo)), time.time(), cores=os.cpu_count() or 1)
    found = judge_range.judge(bench, Range(commits[-1], commits[0]))
    assert not found.violations, found.violations[:3]


if __name__ == "__main__":
    main()
