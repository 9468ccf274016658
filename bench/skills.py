"""`skills check` against `skills-ref`, the hook on one changed file against `import yaml`, side by side in one run.

    python bench/skills.py [--count 1000] [--rounds 7] [--folder DIR] [--quick]

Whole processes, start-up included, in turn so that both meet the same noise; the least of the rounds counts. skills-ref
comes from PyPI into a virtual environment of its own and validates the same folders in one process. `--folder`: a tree
with SKILL.md files of your own instead of the made ones; nothing in it is changed.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
import venv
from collections.abc import Callable, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from harness import ENV, machine, scratch, skills

PEER = "import sys, skills_ref\nfor folder in sys.stdin.read().split('\\n')[:-1]: skills_ref.validate(folder)"


def seconds(command: Sequence[str | Path], folder: Path, stdin: str = "") -> float:
    began = time.perf_counter()
    done = subprocess.run(command, cwd=folder, env=ENV, input=stdin, text=True, capture_output=True, check=False)
    took = time.perf_counter() - began
    if done.returncode not in (0, 1):
        raise SystemExit(f"{command}: {done.stderr}")
    return took


def least(rounds: int, *measures: Callable[[], float]) -> list[float]:
    """In turn, the least of each."""
    found = [[measure() for measure in measures] for _ in range(rounds)]
    return [min(column) for column in zip(*found, strict=True)]


def peer(folder: Path) -> Path:
    venv.create(folder, with_pip=True)
    subprocess.run([folder / "bin/pip", "install", "-q", "skills-ref"], check=True, capture_output=True)
    return folder / "bin/python"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--quick", action="store_true")
    wanted = parser.parse_args()
    count, rounds = (200, 2) if wanted.quick else (wanted.count, wanted.rounds)
    print(machine())
    with scratch() as place:
        tree = wanted.folder or skills(place / "repo", count)
        folders = sorted(str(file.parent) for file in tree.rglob("SKILL.md"))[:count]
        other = peer(place / "peer")
        listing = "".join(f"{folder}\n" for folder in folders)
        paths = [str(Path(folder).relative_to(tree) / "SKILL.md") for folder in folders]
        ours, theirs = least(
            rounds, lambda: seconds([sys.executable, "-m", "githarness", "skills", "check", *paths], tree),
            lambda: seconds([other, "-c", PEER], tree, listing))
        print(f"check {len(folders)} skills: {ours:.2f} s, skills-ref {theirs:.2f} s: {theirs / ours:.1f} x faster")
        hook, bare = least(
            rounds * 3, lambda: seconds([sys.executable, "-m", "githarness.checks.skills", paths[0]], tree),
            lambda: seconds([sys.executable, "-c", "import yaml"], tree))
        print(f"hook on one file: {hook * 1000:.0f} ms, import yaml {bare * 1000:.0f} ms: {hook / bare:.2f} x")


if __name__ == "__main__":
    main()
