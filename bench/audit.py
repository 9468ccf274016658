"""The audit log: events a second, what each costs on disk, and how long it takes to verify a million.

    python bench/audit.py [--events 1000000] [--quick]

Events are reads, writes with their outcomes, denials and calls of tools, as a fleet makes them. All are sealed into git
and verified from both sides; at the end one event is edited, and has to be found.
"""

from __future__ import annotations

import argparse
import os
import resource
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from harness import ENV, command, machine, scratch, skills

from githarness import settings, wiring
from githarness.audit import line
from githarness.store import events
from githarness.store.rows import EventRow
from githarness.wiring import Harness
from githarness.work import audit_record, audit_seal, audit_verify
from githarness.work.audit_verify import Claims

OLD, NEW = "a" * 40, "b" * 40


def made(start: float) -> Iterator[EventRow]:
    """Of ten events six are reads, two a write with its outcome, one a call, one a denial."""
    number = 0
    while True:
        number += 1
        name, when = f"e-{number:020}", start + number / 50
        who = ("deployer", None, f"r-{number % 97:018}")
        path = f"skills/skill-{number % 2000:05}/SKILL.md"
        turn = number % 10
        if turn < 6:
            safe = line.safe({"paths": [{"path": path, "blob": OLD}], "revision": NEW, "tier": "T0"})
            yield EventRow(name, when, "read", *who, safe=safe)
        elif turn == 6:
            safe = line.safe({"paths": [{"path": path, "old": OLD, "new": NEW}], "rule": "role:writer", "tier": "T0"})
            body = f'{{"learned":{{"{path}":"{NEW}"}},"paths":[["{path}","100644","{OLD}","100644","{NEW}"]]}}'
            intent = EventRow(name, when, "intent", *who, None, NEW, safe=safe, body=body)
            yield intent
        elif turn == 7:
            yield EventRow(f"{intent.id}.o", when, "outcome", *who, None, NEW, intent.id, "landed")
        elif turn == 8:
            body = f'{{"arguments":{{"command":"make check {number}"}},"result":{{"code":0}},"tool":"Bash"}}'
            yield EventRow(name, when, "tool", *who, outcome="ok", safe='{"tier":"T0","tool":"Bash"}', body=body)
        else:
            safe = line.safe({"paths": [{"path": ".github/x.yml"}], "action": "write", "rule": "role:writer"})
            yield EventRow(name, when, "denial", *who, outcome="denied", safe=safe, body='{"message":"may not"}')


def fill(harness: Harness, source: Iterator[EventRow], count: int, group: int) -> float:
    """Events a second of processor time, `group` in one transaction that is not synchronised by itself."""
    rows = list(islice(source, count))
    began = time.process_time()
    for at in range(0, count, group):
        with harness.db.write(durable=False) as conn:
            here = rows[at : at + group]
            events.add(conn, [row for row in here if row.kind != "outcome"])
            events.close(conn, [row for row in here if row.kind == "outcome"])
    return count / (time.process_time() - began)


def timed(what: str, count: int, work: Callable[[], object]) -> float:
    began, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF).ru_utime
    work()
    took = time.perf_counter() - began
    cpu = resource.getrusage(resource.RUSAGE_SELF).ru_utime - before
    print(f"  {what:34} {took:8.1f} s  {took / count * 1e6:7.1f} us an event  (cpu {cpu:.1f} s)")
    return took


def size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def costs(harness: Harness, count: int) -> None:
    """What a million events cost, and 100 million on paper."""
    harness.db.flush()
    database, packs = harness.db.path.stat().st_size, size(harness.repo.common_dir / "objects")
    bodies = sqlite3.connect(harness.db.path).execute("SELECT sum(length(body) + 16) FROM events").fetchone()[0]
    print(f"  bytes an event: database {database / count:.0f} (of them {bodies / count:.0f} that a purge lets go), "
          f"git {packs / count:.0f}")
    print(f"  100 million on paper: database {database / count / 10:.0f} GB, git {packs / count / 10:.0f} GB")


def report(folder: Path, count: int) -> int:
    harness = wiring.Harness(settings.load(), wiring.discover(folder))
    source = made(time.time())
    single = fill(harness, source, 2000, 1)
    rates = [fill(harness, source, count // 10, 50) for _ in range(10)]
    total = 2000 + count // 10 * 10
    print(f"  adding: {max(rates):,.0f} events a second of processor time in groups of 50 (slowest tenth "
          f"{min(rates):,.0f}), {single:,.0f} one by one")
    timed("seal", total, lambda: audit_seal.seal(harness.parts))
    found: list[audit_verify.Verdict] = []
    took = timed("verify", total, lambda: found.append(audit_verify.verify(harness.parts, Claims())))
    print(f"  a million verified in {took / total * 1e6:.1f} s by the clock, {len(found[0].faults)} faults")
    costs(harness, total)
    harness.close()
    conn = sqlite3.connect(folder / ".git/githarness/harness.db")
    conn.execute("DROP TRIGGER events_hold")
    conn.execute(f"UPDATE events SET agent = 'other' WHERE seq = {total // 2}")
    conn.commit()
    edited = audit_verify.verify(harness.parts, Claims()).faults
    print(f"  one event edited: {[fault.where for fault in edited]}")
    text = audit_record.body({"command": "git log --oneline", "paths": ["a.md"] * 5})
    calls = 2000
    timed("redacting a call", calls, lambda: [audit_record.body({"command": text}) for _ in range(calls)])
    return 0 if not found[0].faults and len(edited) == 1 else 1


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--quick", action="store_true")
    chosen = parser.parse_args()
    count = 20_000 if chosen.quick else chosen.events
    with scratch() as folder:
        os.environ.update(ENV)
        repo = skills(folder / "repo", 20)
        command(repo, "init", "--fleet", "bench")
        command(repo, "agent", "add", "deployer")
        print(f"{machine()}\naudit, {count:,} events")
        return report(repo, count)


if __name__ == "__main__":
    sys.exit(main())
