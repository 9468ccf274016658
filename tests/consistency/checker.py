"""Judges what concurrent writers left in git against what they were told: the invariants W1 to W7 and W11.

A history is one dict per operation: {op, id, agent, kind, path, payload, start, end, result}; times are monotonic
nanoseconds, `result` is ok, fail or unknown. `payload` is the text of a write or the line of an append. The checker
knows nothing of githarness: it reads git, so that other writers can be judged too.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Operation = dict[str, Any]


def git(repo: Path, *args: str) -> bytes:
    return subprocess.run(["git", *args], cwd=repo, check=True, capture_output=True).stdout


@dataclass(frozen=True)
class Commit:
    oid: str
    agent: str
    author: str
    signature: str
    operation: str
    paths: tuple[str, ...]


_TRAILER = "%(trailers:key={},valueonly,separator=%x2c)"
_FIELDS = ["%x01%H", _TRAILER.format("Agent"), "%an", "%G?", _TRAILER.format("Operation")]


def commits(repo: Path, ref: str = "main", *, signed: bool = False) -> list[Commit]:
    """The first-parent history, oldest first. `signed`: signatures are verified, which takes two processes each."""
    layout = "%x00".join(_FIELDS if signed else [field.replace("%G?", "-") for field in _FIELDS]) + "%x02"
    text = git(repo, "log", "--first-parent", "--reverse", "--root", "--name-only", "-z", f"--format={layout}", ref)
    found = []
    for part in text.decode().split("\x01")[1:]:
        head, _, names = part.partition("\x02")
        found.append(Commit(*head.split("\0"), tuple(filter(None, names.strip("\0\n").split("\0")))))
    return found


def check(repo: Path, history: Sequence[Operation], *, signed: bool = True, ref: str = "main") -> list[str]:
    """Every violation found, as a sentence that begins with its invariant."""
    log = [commit for commit in commits(repo, ref, signed=signed) if commit.operation]
    places: dict[str, list[int]] = {}
    for place, commit in enumerate(log):
        places.setdefault(commit.operation, []).append(place)
    return [
        *_presence(history, places),
        *_order(history, places),
        *_content(repo, history, log),
        *(_identity(history, log) if signed else ()),
        *_sound(repo),
    ]


def _presence(history: Sequence[Operation], places: dict[str, list[int]]) -> Iterable[str]:
    for one in history:
        count = len(places.get(one["id"], ()))
        if one["result"] == "ok" and count != 1:
            yield f"W1 acknowledged {one['id']} is in history {count} times"
        if one["result"] == "fail" and count:
            yield f"W2 refused {one['id']} is in history"
        if one["result"] == "unknown" and count > 1:
            yield f"W2 unanswered {one['id']} is in history {count} times"
    known = {one["id"] for one in history}
    yield from (f"W3 nobody asked for {name}" for name in places if name not in known)


def _order(history: Sequence[Operation], places: dict[str, list[int]]) -> Iterable[str]:
    """W4: by end time, the highest place so far must be below the place of whatever starts later."""
    done = sorted(
        (one for one in history if one["result"] == "ok" and one["id"] in places), key=lambda one: one["start"]
    )
    ends = sorted(done, key=lambda one: one["end"])
    highest, at = (-1, ""), 0
    for one in done:
        while at < len(ends) and ends[at]["end"] < one["start"]:
            highest = max(highest, (places[ends[at]["id"]][0], ends[at]["id"]))
            at += 1
        if places[one["id"]][0] < highest[0]:
            yield f"W4 {one['id']} began after {highest[1]} was acknowledged, and stands before it"


def _content(repo: Path, history: Sequence[Operation], log: Sequence[Commit]) -> Iterable[str]:
    """W5: a commit changes the path of its operation only; a file is one payload, a log holds each landed line once."""
    asked = {one["id"]: one for one in history}
    expected: dict[str, list[str]] = {}
    for commit in log:
        one = asked.get(commit.operation)
        if one is None:
            continue
        if commit.paths != (one["path"],):
            yield f"W5 {commit.operation} changed {commit.paths}, not only {one['path']}"
        lines = expected.setdefault(one["path"], [])
        if one["kind"] == "write":
            lines.clear()
        lines.append(one["payload"])
    for path, lines in expected.items():
        done = subprocess.run(["git", "show", f"{log[-1].oid}:{path}"], cwd=repo, capture_output=True, check=False)
        if done.stdout.decode(errors="replace") != "".join(lines):
            yield f"W5 {path} at head is not what its {len(lines)} landed writes make"


def _identity(history: Sequence[Operation], log: Sequence[Commit]) -> Iterable[str]:
    agents = {one["id"]: one["agent"] for one in history}
    for commit in log:
        if not commit.agent == commit.author == agents.get(commit.operation, commit.agent) or commit.signature != "G":
            yield f"W6 {commit.oid} is by {commit.author}, claims {commit.agent}, signature {commit.signature}"


def _sound(repo: Path) -> Iterable[str]:
    done = subprocess.run(
        ["git", "fsck", "--strict", "--no-dangling"], cwd=repo, capture_output=True, text=True, check=False
    )
    if done.returncode or done.stderr.strip():
        yield f"W7 git fsck: {done.stdout} {done.stderr}"
    objects = Path(git(repo, "rev-parse", "--git-common-dir").decode().strip())
    for file in (repo / objects / "objects").rglob("*"):
        marker = file.suffix == ".keep" or file.name.startswith("tmp_")  # no object, and git reads neither
        if file.is_file() and file.stat().st_size == 0 and not marker:
            yield f"W7 {file.name} is empty"


def load(folder: Path) -> list[Operation]:
    """The histories of all processes. An operation that began and did not end is unknown; a torn last line is one."""
    done: dict[str, Operation] = {}
    for file in sorted(folder.glob("*.jsonl")):
        for line in file.read_text().splitlines():
            try:
                one = json.loads(line)
            except ValueError:
                continue
            done[one["id"]] = done.get(one["id"], {}) | one
    return list(done.values())
