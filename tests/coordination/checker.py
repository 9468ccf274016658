"""Judges histories of processes that shared state entries and leases: linearizability, and the invariants L1 to L5.

A history is one dict per operation: {op, id, agent, key, argument, start, end, result, found}; times are monotonic
nanoseconds. `result` is ok, fail, or unknown where no answer came (`end` is None then). The checker knows nothing of
githarness. Operations of a state entry, a register of (version, value):

    get   found: [version, value]; a fail: nothing is there, version 0
    set   argument: {"if_version", "value"}; found: the version it made, or on a fail, the one there

Operations of a lease: acquire (argument {"ttl"}; found: token), renew, release, write (argument {"token"}: what it
rested on; a fail: refused).
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

Operation = dict[str, Any]
Register = tuple[int, str | None]
_NEVER = 1 << 62


def load(folder: Path) -> list[Operation]:
    """Histories of processes: each operation's line at its start, and again with its result; by start."""
    found: dict[str, Operation] = {}
    for file in sorted(folder.glob("*.jsonl")):
        for line in file.read_bytes().split(b"\n")[:-1]:
            told = json.loads(line)
            if "seed" not in told:
                found[told["id"]] = told
    return sorted(found.values(), key=lambda one: one["start"])


def check(history: Sequence[Operation]) -> list[str]:
    """Every violation, as a sentence that begins with its invariant."""
    found = [f"state: '{key}' is not linearizable ({len(ops)} operations)"
             for key, ops in _by_key(history, ("get", "set")).items() if not linearizable(ops)]
    for name, ops in _by_key(history, ("acquire", "renew", "release", "write")).items():
        found += [f"{one} ('{name}')" for one in _judge_lease(ops)]
    return found


def _by_key(history: Iterable[Operation], kinds: Sequence[str]) -> dict[str, list[Operation]]:
    found: dict[str, list[Operation]] = defaultdict(list)
    for one in history:
        if one["op"] in kinds:
            found[one["key"]].append(one)
    return found


class _Step(NamedTuple):
    start: int
    end: int
    op: Operation


def linearizable(ops: Iterable[Operation], register: Register = (0, None)) -> bool:
    """Wing and Gong's search with Lowe's memory: whether some order of the operations, each at a moment between its
    start and its end, explains every answer. One without an answer happened at some time after its start, or never."""
    steps = sorted(_Step(one["start"], _NEVER if one["end"] is None else one["end"], one) for one in ops
                   if one["end"] is not None or one["op"] == "set")
    must = sum(1 << at for at, step in enumerate(steps) if step.end < _NEVER)
    seen: set[tuple[int, Register]] = set()
    open_ = [(0, register)]
    while open_:
        done, now = open_.pop()
        if done & must == must:
            return True
        if (done, now) in seen:
            continue
        seen.add((done, now))
        open_ += [(done | 1 << at, after) for at in _next(steps, done) if (after := _applied(steps[at].op, now))]
    return False


def _next(steps: Sequence[_Step], done: int) -> list[int]:
    """Those that began before any that is left had ended; the later ones, first in the search, are the last here."""
    found, first = [], _NEVER + 1
    at = _lowest_zero(done)
    while at < len(steps) and steps[at].start <= first:
        if not done >> at & 1:
            found.append(at)
            first = min(first, steps[at].end)
        at += 1
    return [one for one in found if steps[one].start <= first][::-1]


def _lowest_zero(number: int) -> int:
    return (~number & (number + 1)).bit_length() - 1


def _applied(op: Operation, now: Register) -> Register | None:
    """What the register is after it; None where it cannot have answered so."""
    version, value = now
    if op["op"] == "get":
        seen = (0, None) if op["result"] == "fail" else tuple(op["found"])
        return now if seen == (version, value) else None
    wanted = op["argument"]["if_version"]
    fits = wanted is None or wanted == version
    after = (version + 1, op["argument"]["value"])
    if op["result"] == "ok":
        return after if fits and op["found"] == version + 1 else None
    if op["result"] == "fail":
        return now if not fits and op["found"] == version else None
    return after if fits else None


def _judge_lease(ops: Sequence[Operation]) -> list[str]:
    given = [one for one in ops if one["op"] == "acquire" and one["result"] == "ok"]
    writes = [one for one in ops if one["op"] == "write" and one["result"] == "ok"]
    return [*_grow(given), *_fenced(given, writes), *_stolen(ops, given), *_owners(ops, given)]


def _grow(given: Sequence[Operation]) -> list[str]:
    """L1: who asked after another had been answered has the greater token."""
    by_token = sorted(given, key=lambda one: int(one["found"]))
    found = [f"L1: token {a['found']} was given twice" for a, b in pairwise(by_token) if a["found"] == b["found"]]
    latest: Operation | None = None
    for one in by_token:
        if latest and one["end"] < latest["start"]:
            found.append(f"L1: token {one['found']} was given before {latest['found']}")
        latest = one if latest is None or one["start"] > latest["start"] else latest
    return found


def _fenced(given: Sequence[Operation], writes: Sequence[Operation]) -> list[str]:
    """L2: no write under a token after a greater one was given; L3: writes under different tokens do not interleave."""
    ends = sorted((one["end"], int(one["found"])) for one in given)
    found, at, most = [], 0, 0
    for write in sorted(writes, key=lambda one: one["start"]):
        while at < len(ends) and ends[at][0] < write["start"]:
            most = max(most, ends[at][1])
            at += 1
        if int(write["argument"]["token"]) < most:
            found.append(f"L2: a write under token {write['argument']['token']} after {most} was given")
    by_end = sorted(writes, key=lambda one: one["end"])
    at = most = 0
    for write in sorted(writes, key=lambda one: one["start"]):
        while at < len(by_end) and by_end[at]["end"] < write["start"]:
            most = max(most, int(by_end[at]["argument"]["token"]))
            at += 1
        if int(write["argument"]["token"]) < most:
            found.append(f"L3: a write under token {write['argument']['token']} after one under {most}")
    return found


def _stolen(ops: Sequence[Operation], given: Sequence[Operation]) -> list[str]:
    """L4: who holds it and has not let it go keeps it for its time, whatever the clocks on the wall say."""
    last: dict[int, tuple[int, float]] = {}  # token: since when, for how many seconds
    let_go = {int(one["argument"]["token"]): one["start"] for one in ops if one["op"] == "release"}
    for one in ops:
        if one["op"] in ("acquire", "renew") and one["result"] == "ok":
            token = int(one["found"] if one["op"] == "acquire" else one["argument"]["token"])
            last[token] = (one["start"], one["argument"]["ttl"])
    return [f"L4: token {later['found']} was given while {token} had time left"
            for holder, later in pairwise(sorted(given, key=lambda one: int(one["found"])))
            if (token := int(holder["found"])) and later["end"] < let_go.get(token, _NEVER)
            and later["end"] < last[token][0] + last[token][1] * 1e9]


def _owners(ops: Sequence[Operation], given: Sequence[Operation]) -> list[str]:
    """L5: only who was given a token renews and releases it."""
    owner = {int(one["found"]): one["agent"] for one in given}
    return [f"L5: {one['agent']} could {one['op']} token {one['argument']['token']}" for one in ops
            if one["op"] in ("renew", "release") and one["result"] == "ok"
            and owner.get(int(one["argument"]["token"])) != one["agent"]]
