"""The registry and the search on skills made of words that are as unevenly frequent as those of a language.

    python bench/search.py [--index 10000] [--sizes 2000 20000] [--queries 300] [--quick] [--fts 4|5] [--folder DIR]

Prints the seconds of an index from nothing and of one where nothing changed, the milliseconds of a search at each size
(what a command needs to start is not in them), the share of descriptions that find their own skill first, the peak of
memory, and what the registry adds to a landing. `--folder`: a repository with SKILL.md files of your own instead.
"""

from __future__ import annotations

import argparse
import itertools
import random
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from harness import git, machine, percentile, scratch

from githarness import clock
from githarness.git.objects import Entry, PathChange, raw
from githarness.git.reader import Reader
from githarness.git.repo import discover
from githarness.store import artifacts
from githarness.store.db import Database
from githarness.store.rows import CommitRow, EventRow
from githarness.work import artifacts as registry
from githarness.work import search
from githarness.work.draft import Draft

CONFIG = b'version = 1\nfleet = "bench"\nbranch = "main"\n'
SYLLABLES = [a + b for a in ("b", "d", "f", "g", "k", "l", "m", "n", "p", "r", "s", "t", "v", "z") for b in "aeiou"]


class Writer:
    """Texts of a vocabulary of 20,000 words by Zipf's law; each skill has a subject of words of its own beside them."""

    def __init__(self, seed: int = 7) -> None:
        self.random = random.Random(seed)
        self.words = ["".join(self.random.choices(SYLLABLES, k=self.random.randint(1, 4))) for _ in range(20_000)]
        self.weights = list(itertools.accumulate(1 / rank for rank in range(1, 20_001)))

    def some(self, count: int) -> str:
        return " ".join(self.random.choices(self.words, cum_weights=self.weights, k=count))

    def skill(self, number: int) -> bytes:
        subject = [self.random.choice(self.words) for _ in range(4)]
        described = f"{self.some(12)} {' '.join(subject)} {self.some(10)}"
        steps = "\n\n".join(f"{step}. {self.some(25)} {self.random.choice(subject)}" for step in range(30))
        return (f"---\nname: {subject[0]}-{subject[1]}-{number}\ndescription: Use when {described}.\n---\n\n"
                f"# {' '.join(subject).title()}\n\n{steps}\n").encode()


def files(count: int) -> Iterator[tuple[str, bytes]]:
    writer = Writer()
    yield ".githarness/config.toml", CONFIG
    for number in range(count):
        yield f"skills/group-{number % 100:02}/skill-{number:05}/SKILL.md", writer.skill(number)


def found_files(folder: Path) -> Iterator[tuple[str, bytes]]:
    yield ".githarness/config.toml", CONFIG
    for path in sorted(folder.rglob("SKILL.md")):
        yield str(path.relative_to(folder)), path.read_bytes()


def made(folder: Path, content: Iterator[tuple[str, bytes]]) -> Path:
    folder.mkdir()
    git(folder, "init", "-q", "--bare", "-b", "main")
    stream = subprocess.Popen(["git", "fast-import", "--quiet"], cwd=folder, stdin=subprocess.PIPE)
    assert stream.stdin
    stream.stdin.write(b"commit refs/heads/main\ncommitter b <b@x.invalid> 1 +0000\ndata 1\nx\n")
    for path, data in content:
        stream.stdin.write(b"M 100644 inline %s\ndata %d\n%s\n" % (path.encode(), len(data), data))
    stream.stdin.close()
    assert stream.wait() == 0
    return folder


class Measured:
    def __init__(self, folder: Path, fts: str | None) -> None:
        self.reader = Reader(discover(folder))
        self.db = Database(self.reader._repo.home, clock.SYSTEM)
        self.registry = registry.Registry(self.db, self.reader, fts)
        self.head = git(folder, "rev-parse", "main").decode().strip()

    def index(self) -> tuple[float, float]:
        """Seconds from nothing, and where nothing changed."""
        times = []
        for _ in range(2):
            start = time.perf_counter()
            self.registry.update(self.head)
            times.append(time.perf_counter() - start)
        return times[0], times[1]

    def search(self, count: int) -> tuple[list[float], float]:
        """Milliseconds of each query, and the share of descriptions that find their skill first."""
        with self.db.read() as conn:
            known = [one for one in artifacts.listing(conn, "skill") if len(one.description) > 20]
        chosen = random.Random(3).sample(known, min(count, len(known)))
        times, first = [], 0
        for number, skill in enumerate(chosen):
            words = skill.description.split()
            query = skill.description if number % 2 else " ".join(words[len(words) // 2:][:3])
            start = time.perf_counter()
            self.registry.update(self.head)
            hits = search.find(self.registry, search.Query(query)).items
            times.append(1000 * (time.perf_counter() - start))
            first += bool(number % 2 and hits and hits[0].match.description == skill.description)
        return times, first / (len(chosen) // 2)

    def landing(self, count: int = 500) -> float:
        """Microseconds that following one write adds to its transaction."""
        head, spent = self.head, 0.0
        with self.db.write(durable=False) as conn:
            for number in range(count):
                path = f"skills/group-{number % 100:02}/skill-{number:05}/SKILL.md"
                draft = _draft(path, f"{number}")
                start = time.perf_counter()
                registry.note(conn, head, [draft])
                spent += time.perf_counter() - start
                head = draft.commit.oid
        return 1e6 * spent / count


def _draft(path: str, text: str) -> Draft:
    commit = raw("commit", text.encode())
    change = PathChange(path, None, Entry("100644", raw("blob", text.encode()).oid))
    row = CommitRow(commit.oid, (), main=True, time=1, author="b", subject="x")
    return Draft(commit, (change,), row, EventRow("e", 1.0, "intent"))


def report(folder: Path, label: str, args: argparse.Namespace) -> Measured:
    measured = Measured(folder, args.fts)
    cold, same = measured.index()
    times, first = measured.search(args.queries)
    size = sum(file.stat().st_size for file in measured.db.home.glob("harness.db*")) / 1e6
    print(f"{label:>8} skills: index {cold:6.2f} s, nothing changed {same * 1000:6.1f} ms, database {size:.0f} MB; "
          f"search p50 {percentile(times, 0.5):5.1f} ms, p95 {percentile(times, 0.95):5.1f} ms, "
          f"description first {first:.2f}")
    return measured


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--index", type=int, default=10_000)
    parser.add_argument("--sizes", type=int, nargs="*", default=[2_000, 20_000])
    parser.add_argument("--queries", type=int, default=300)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--fts", choices=["4", "5"])
    parser.add_argument("--folder", type=Path)
    args = parser.parse_args()
    if args.quick:
        args.index, args.sizes, args.queries = 1_000, [200], 40
    print(machine())
    with scratch() as work:
        if args.folder:
            report(made(work / "own", found_files(args.folder)), args.folder.name[:8], args)
            return
        for size in sorted({args.index, *args.sizes}):
            measured = report(made(work / f"of-{size}", files(size)), str(size), args)
        print(f"landing: {measured.landing():.0f} microseconds more for each write")
        print(f"memory: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000:.0f} MB at most")


if __name__ == "__main__":
    main()
