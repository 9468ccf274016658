"""How far a write reached, and why it is there, among 100,000 events: `blast` and `why` in process.

    python bench/blast.py [--events 100000] [--quick]

A fleet of runs, each reads nine artifacts and writes one. `narrow`: what a late write reached; `wide`: an early one,
which all later runs have seen by some way, followed for 500 commits; `log`: the first of thousands that append to one.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from harness import ENV, command, git, machine, scratch, skills

from githarness import settings, wiring
from githarness.audit import line
from githarness.store import events
from githarness.store.rows import EventRow
from githarness.wiring import Harness
from githarness.work import blast, why
from githarness.work.rollback_select import Selection

READS, PATHS, START = 9, 500, 1_700_000_000


def history(runs: int) -> Iterator[bytes]:
    """One commit a run: every other run appends to log.jsonl, the others rewrite an artifact."""
    log = b""
    for number in range(runs):
        if number % 2:
            log += b'{"run": %d}\n' % number
            path, text = "log.jsonl", log
        else:
            path, text = f"docs/{number // 2 % PATHS}.md", b"version %d\nby %d\n" % (number, number)
        decision = f"Decision: allow rule=role:writer grant=- event=e-{number}"
        message = f"write {path}\n\nAgent: bot-{number % 100}\nRun: r-{number}\n{decision}\n"
        before = "" if number else "from refs/heads/main^0\n"
        yield (f"commit refs/heads/main\ncommitter b <b@x.invalid> {START + number} +0000\n"
               f"data {len(message)}\n{message}{before}M 100644 inline {path}\ndata {len(text)}\n").encode()
        yield text + b"\n"


def record(harness: Harness, runs: int) -> int:
    """Nine reads of what stands in the tree then, and the intent of the commit; how many events."""
    now: dict[str, str] = {}
    made, rng = 0, random.Random(4)
    rows = harness.reader.walk(harness.head())
    oids = list(rows)[-runs - 2 :]
    for number, oid in enumerate(oid for oid in oids if harness.reader.commit(oid).author.startswith("b ")):
        name, group = f"r-{number}", []
        for at, path in enumerate(rng.sample(sorted(now), min(READS, len(now)))):
            safe = line.safe({"paths": [{"path": path, "blob": now[path]}], "revision": oid, "rule": "role:writer"})
            group.append(EventRow(f"e-{number}-{at}", START + number, "read", f"bot-{number % 100}", None, name,
                                  safe=safe))
        for change in harness.reader.changes(oid):
            now[change.path] = change.new.oid if change.new else ""
        intent = EventRow(f"e-{number}", START + number, "intent", f"bot-{number % 100}", None, name, None, oid)
        with harness.db.write(durable=False) as conn:
            events.add(conn, [*group, intent])
            events.close(conn, [EventRow(f"e-{number}.o", START + number, "outcome", intent=intent.id)])
        made += len(group) + 2
    return made


def best(what: str, work: Callable[[], str]) -> None:
    """Of three; the processor's seconds beside the clock's."""
    times = []
    for _ in range(3):
        began, cpu = time.perf_counter(), time.process_time()
        said = work()
        times.append((time.perf_counter() - began, time.process_time() - cpu))
    took, cpu = min(times)
    print(f"  {what:22} {took * 1000:7.0f} ms (cpu {cpu * 1000:.0f}): {said}")


def report(folder: Path, count: int) -> None:
    runs = count // (READS + 2)
    git(folder, "fast-import", "--quiet", "--force", stdin=b"".join(history(runs)))
    harness = wiring.Harness(settings.load(), wiring.discover(folder))
    harness.fresh_index()
    print(f"  {record(harness, runs):,} events, {runs:,} commits")

    def far(subject_from: int) -> str:
        with harness.db.read() as conn:
            row = conn.execute("SELECT lower(hex(oid)) FROM commits WHERE run = ?", (f"r-{subject_from}",)).fetchone()
        found = blast.blast(harness, Selection(commits=(row[0],)))
        return f"{len(found.nodes)} commits, {sum(len(node.reached) for node in found.nodes)} runs, {found.complete}"

    best("blast, narrow", lambda: far(runs - 200 - runs % 2))
    best("blast, wide", lambda: far(0))
    best("blast, log", lambda: far(1))
    best("blast of an agent", lambda: str(len(blast.blast(harness, Selection(agent="bot-2")).nodes)) + " commits")
    best("why, a commit", lambda: why.why(harness, "HEAD").row.subject)
    best("why, a line of the log", lambda: str(why.why(harness, f"log.jsonl:{runs // 4}").row.run))
    harness.close()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--quick", action="store_true")
    chosen = parser.parse_args()
    with scratch() as folder:
        os.environ.update(ENV)
        repo = skills(folder / "repo", 20)
        command(repo, "init", "--fleet", "bench")
        print(f"{machine()}\nblast")
        report(repo, 10_000 if chosen.quick else chosen.events)
    return 0


if __name__ == "__main__":
    sys.exit(main())
