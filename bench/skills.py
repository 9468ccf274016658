"""`skills check` against `skills-ref`, the hooks on one changed file against `import yaml`, side by side in one run.

    python bench/skills.py [--count 1000] [--rounds 7] [--folder DIR] [--quick]

Whole processes, start-up included, in turn so that both meet the same noise; the least of the rounds counts, of wall
clock and of processor time (user and system, of all processes). skills-ref comes from PyPI into a virtual environment
of its own and validates the same folders in one process. The changed file is one from the middle; where it is the first
of its folder, one gate also counts what all of them take to list. `--folder`: a tree with SKILL.md files of your own
instead of the made ones; nothing in it is changed.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import time
import venv
from collections.abc import Callable, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from harness import ENV, machine, scratch, skills

PEER = "import sys, skills_ref\nfor folder in sys.stdin.read().split('\\n')[:-1]: skills_ref.validate(folder)"


def seconds(command: Sequence[str | Path], folder: Path, stdin: str = "") -> tuple[float, float]:
    """By the wall clock, and of the processor."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(command, cwd=folder, env=ENV, input=stdin, text=True, capture_output=True, check=False)
    took, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode not in (0, 1):
        raise SystemExit(f"{command}: {done.stderr}")
    return took, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def least(rounds: int, *measures: Callable[[], tuple[float, float]]) -> list[tuple[float, float]]:
    """In turn, the least of each."""
    found = [[measure() for measure in measures] for _ in range(rounds)]
    return [(min(wall for wall, _ in column), min(cpu for _, cpu in column)) for column in zip(*found, strict=True)]


def hook(name: str, path: str, tree: Path) -> tuple[float, float]:
    """As pip's script calls it."""
    return seconds([sys.executable, "-c", f"import sys\nfrom githarness.checks.{name} import main\nsys.exit(main())",
                    path], tree)


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
        for what, one, other_one in zip(("wall", "processor"), ours, theirs, strict=True):
            print(f"check {len(folders)} skills, {what}: {one:.2f} s, skills-ref {other_one:.2f} s: "
                  f"{other_one / one:.1f} x faster")
        middle = paths[len(paths) // 2]
        *hooks, bare = least(
            rounds * 3, lambda: hook("skills", middle, tree), lambda: hook("frontmatter", middle, tree),
            lambda: hook("skills", paths[0], tree), lambda: seconds([sys.executable, "-c", "import yaml"], tree))
        for name, took in zip(("skills", "frontmatter", "skills, the first file"), hooks, strict=True):
            shown = [f"{what} {one * 1000:.0f} ms, import yaml {base * 1000:.0f} ms: {one / base:.2f} x"
                     for what, one, base in zip(("wall", "processor"), took, bare, strict=True)]
            print(f"hook {name}: {'; '.join(shown)}")


if __name__ == "__main__":
    main()
