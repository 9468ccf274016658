"""What the benchmarks share: a repository to measure in, the machine's name, percentiles, git as a baseline."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

ENV = {name: value for name, value in os.environ.items() if not name.startswith(("GIT_", "GITHARNESS_"))}
ENV["PYTHONPATH"] = str(Path(__file__).resolve().parent.parent)
ENV.pop("PYTHONDONTWRITEBYTECODE", None)  # what pip installs has its bytecode; a checkout has it after the first call


def git(folder: Path, *args: str, stdin: bytes | None = None, check: bool = True) -> bytes:
    return subprocess.run(["git", *args], cwd=folder, input=stdin, check=check, capture_output=True, env=ENV).stdout


def machine() -> str:
    model = next(
        (
            line.split(":")[1].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.processor(),
    )
    commit = git(Path(__file__).parent, "rev-parse", "--short", "HEAD", check=False).decode().strip()
    return f"{model}, {os.cpu_count()} cores, git {git(Path('.'), 'version').decode().split()[2]}, githarness {commit}"


def percentile(values: Sequence[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


@contextmanager
def scratch() -> Iterator[Path]:
    """A folder that goes away, with a home of its own for git and githarness."""
    with tempfile.TemporaryDirectory(prefix="githarness-bench-") as name:
        folder = Path(name)
        home = folder / "home"
        home.mkdir()
        ENV.update(
            HOME=str(home), XDG_DATA_HOME=str(home / "data"), XDG_RUNTIME_DIR=str(home / "run"),
            GIT_CONFIG_NOSYSTEM="1", PYTHONPYCACHEPREFIX=str(home / "bytecode"),
        )
        (home / "run").mkdir(mode=0o700)
        git(folder, "config", "--global", "user.name", "Bench")
        git(folder, "config", "--global", "user.email", "bench@example.org")
        git(folder, "config", "--global", "gc.auto", "0")
        yield folder


def skills(folder: Path, count: int) -> Path:
    """A repository of `count` skills, as people keep them: one folder each."""
    folder.mkdir()
    git(folder, "init", "-q", "-b", "main")
    for number in range(count):
        skill = folder / "skills" / f"skill-{number:05}"
        skill.mkdir(parents=True)
        (skill / "SKILL.md").write_text(text(number))
    git(folder, "add", ".")
    git(folder, "commit", "-q", "-m", "skills")
    git(folder, "repack", "-adq")
    return folder


def text(number: int) -> str:
    steps = "\n".join(f"{step}. Check that part {number * step % 977} is as the runbook says." for step in range(1, 30))
    return f"---\nname: skill-{number:05}\ndescription: How to do task {number}.\n---\n\n# Task {number}\n\n{steps}\n"


def command(folder: Path, *args: str) -> bytes:
    done = subprocess.run(
        [sys.executable, "-m", "githarness", *args], cwd=folder, env=ENV, check=False, capture_output=True
    )
    if done.returncode:
        raise SystemExit(f"githarness {' '.join(args)}: {done.stderr.decode()}")
    return done.stdout
