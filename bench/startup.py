"""How long a light command takes beside the import of typer, and what a daemon weighs after many writes.

python bench/startup.py [--writes 100000] [--runs 15]
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
import writes
from harness import ENV, command, machine, scratch, skills


def once(args: list[str], folder: Path) -> float:
    start = time.perf_counter()
    subprocess.run([sys.executable, *args], cwd=folder, env=ENV, check=True, capture_output=True)
    return time.perf_counter() - start


def startup(folder: Path, runs: int) -> None:
    """Interleaved, so that what else the machine does hits both alike; medians."""
    tried = {
        "python -c 'import typer'": ["-c", "import typer"],
        "githarness log -n 1": ["-m", "githarness", "log", "-n", "1"],
        "githarness --version": ["-m", "githarness", "--version"],
    }
    took: dict[str, list[float]] = {name: [] for name in tried}
    for _ in range(runs):
        for name, args in tried.items():
            took[name].append(once(args, folder))
    base = statistics.median(took["python -c 'import typer'"])
    for name, times in took.items():
        print(f"{name:28} {statistics.median(times) * 1000:6.0f} ms  {statistics.median(times) / base:4.2f} x")


def memory(folder: Path, count: int) -> None:
    with writes.Daemon(folder) as daemon:
        measured = writes.measure(folder, 19, count // 19, 2000)
        print(
            f"daemon after {measured.done} writes: {daemon.memory():.0f} MB at most, {measured.rate:.0f} writes/s,"
            f" lost {measured.lost}"
        )


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--writes", type=int, default=100_000)
    options.add_argument("--runs", type=int, default=15)
    wanted = options.parse_args()
    print(machine())
    with scratch() as folder:
        target = writes.governed(skills(folder / "source", 2000), folder / "out", checked_out=False)
        command(target, "log", "-n", "1")
        startup(target, wanted.runs)
        memory(target, wanted.writes)


if __name__ == "__main__":
    main()
