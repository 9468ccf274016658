"""The scan for a vault's values against the plain loop, and the redactor against no redactor; one run, side by side.

    python bench/vault_scan.py [MIB] [SECRETS]      CPU seconds, the best of three; contents: code, base64, hex, random

The plain loop, `bytes.find` of every form, is timed on a part of the content and told for all of it.
"""

from __future__ import annotations

import base64
import random
import sys
import time
from collections.abc import Callable
from pathlib import Path

from githarness.vault.redact import Patterns, Redactor
from githarness.vault.search import Sought, search, sought

_SAMPLE = 64 << 10


def main(mib: int = 10, count: int = 1000) -> None:
    draw = random.Random(7)
    secrets = [(f"s{number}", base64.urlsafe_b64encode(draw.randbytes(draw.choice((7, 12, 24, 30, 48)))))
               for number in range(count)]
    made = best(lambda: sought(secrets))
    known = sought(secrets)
    print(f"{mib} MiB, {count} secrets, {len(known)} forms made in {made:.3f} s")
    print(f"{'content':8} {'vault':>8} {'find loop':>10}")
    for name, content in contents(draw, mib << 20).items():
        ours = best(lambda content=content: search(known, content)) + made
        print(f"{name:8} {ours:8.3f} {plain(known, content):10.1f}")
    redaction(secrets[:5], contents(draw, 4 << 20)["code"])


def contents(draw: random.Random, size: int) -> dict[str, bytes]:
    package = Path(__file__).resolve().parent.parent / "githarness"
    code = b"".join(path.read_bytes() for path in sorted(package.rglob("*.py")))
    return {"code": (code * (size // len(code) + 1))[:size], "base64": base64.encodebytes(draw.randbytes(size))[:size],
            "hex": b"\n".join(draw.randbytes(32).hex().encode() for _ in range(size // 64))[:size],
            "random": draw.randbytes(size)}


def plain(known: list[Sought], content: bytes) -> float:
    part = content[:_SAMPLE]
    return best(lambda: [one for one in known if one.text in part], times=1) * len(content) / len(part)


def redaction(secrets: list[tuple[str, bytes]], content: bytes) -> None:
    patterns = Patterns(secrets)

    def run() -> None:
        redactor = Redactor(patterns)
        for at in range(0, len(content), 65536):
            redactor.feed(content[at : at + 65536])
        redactor.close()

    spent = best(run)
    print(f"redactor, {len(secrets)} secrets: {len(content) / spent / 1e6:.1f} MB/s; patterns made in "
          f"{best(lambda: Patterns(secrets)) * 1000:.1f} ms")


def best(work: Callable[[], object], times: int = 3) -> float:
    spent = []
    for _ in range(times):
        begin = time.process_time()
        work()
        spent.append(time.process_time() - begin)
    return min(spent)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
