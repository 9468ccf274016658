"""Finishes what a crash left: open intents get their outcome from git, files and index of the checkout catch up.

Only called under the lane's flock, so nothing that is found half-done has a living owner.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from githarness import clock
from githarness.git import pack, refs
from githarness.git.checkout import CheckedOut
from githarness.git.objects import FOLDER, Entry, PathChange
from githarness.git.repo import Repo
from githarness.git.worktrees import Worktrees
from githarness.store import bases, events, operations
from githarness.store.db import Connection
from githarness.store.rows import EventRow
from githarness.work import landing
from githarness.work.parts import Parts
from githarness.work.waiting import Waiting

_LATE = 120.0  # seconds
_CHECKOUT = 60.0  # seconds that a checkout may take


def needed(parts: Parts, worktrees: Worktrees) -> bool:
    """Whether anything is half-done: a look at one file, one lock and one table."""
    if rebooted(parts.repo) or worktrees.left_behind() or _switched(parts.repo, worktrees):
        return True
    with parts.db.read() as conn:
        return events.any_open(conn)


def rebooted(repo: Repo) -> bool:
    """Whether the machine started anew since the last write: files of the checkout were not made durable."""
    return _marks(repo)[:1] != [clock.boot_id()]


def _marks(repo: Repo) -> list[str]:
    """What was so at the last recovery, a line each: the boot's id, and when HEAD of each checkout had been written."""
    try:
        return (repo.home / "boot").read_text(encoding="ascii").splitlines()
    except OSError:
        return []


def _stamp(one: CheckedOut) -> str:
    return f"{_head_written(one)} {str(one.checkout.git_dir)!a}"


def _head_written(one: CheckedOut) -> int:
    try:
        return os.lstat(one.checkout.git_dir / "HEAD").st_mtime_ns
    except OSError:
        return 0  # it has gone


def _switched(repo: Repo, worktrees: Worktrees) -> list[CheckedOut]:
    """The checkouts that came to the branch since.

    git brings files first and HEAD last: what landed in between went by a worktree that did not say yet what it is.
    """
    known = set(_marks(repo)[1:])
    return [one for one in worktrees.each if _stamp(one) not in known]


def recover(parts: Parts, worktrees: Worktrees) -> int:
    """Returns how many open writes it closed. A pure function of git and the intents, so it may be repeated."""
    with parts.db.read() as conn:
        intents = events.open_intents(conn)
    marks = [clock.boot_id(), *map(_stamp, worktrees.each)]
    head = refs.read(parts.repo.common_dir, parts.ref)
    landed = [intent for intent in intents if head and _has_landed(parts, intent, head)]
    lacking = worktrees.unfinished() or rebooted(parts.repo)
    worktrees.recover(_net(parts, landed, head) if head and lacking else [])
    if head and rebooted(parts.repo):
        worktrees.recover(_lagging(parts, head, _late_intents(parts)))
    for one in _switched(parts.repo, worktrees):
        one.recover(_lagging(parts, head, _passed_by(parts, one)) if head else [])
    with parts.db.write(durable=True) as conn:
        for intent in intents:
            good = intent in landed
            events.close(conn, [landing.outcome_of(intent, "recovered" if good else "failed")])
            if good:
                _relearn(conn, intent)
            elif intent.operation:
                operations.drop(conn, intent.agent or intent.human or "", intent.operation)
    _answer(parts.repo, landed, landing.Arrival(bool(worktrees.each)))
    (parts.repo.home / "boot").write_text("\n".join(marks), encoding="ascii")
    pack.sweep(parts.repo.common_dir / "objects" / "pack")
    return len(intents)


def _answer(repo: Repo, landed: Sequence[EventRow], arrival: landing.Arrival) -> None:
    """To those whose asks were carried out by a process that died before it could say so."""
    waiting = Waiting(repo.home)
    if rebooted(repo):
        waiting.clear()
    for intent in landed:
        if left := landing.left_of(intent):
            waiting.answer(left, landing.written_of(intent, arrival))


def _has_landed(parts: Parts, intent: EventRow, head: str) -> bool:
    oid = intent.commit_oid
    return oid is not None and parts.reader.has(oid) and (oid == head or parts.reader.is_ancestor(oid, head))


def _net(parts: Parts, intents: list[EventRow], head: str) -> list[PathChange]:
    """What the checkout lacks: head decides, a person may have undone since what landed."""
    first: dict[str, Entry | None] = {}
    for change in (change for intent in intents for change in landing.changes_of(intent)):
        first.setdefault(change.path, change.old)
    return [PathChange(path, old, _file(parts, head, path)) for path, old in first.items()]


def _file(parts: Parts, head: str, path: str) -> Entry | None:
    entry = parts.reader.entry(head, path)
    return None if entry is None or entry.mode == FOLDER else entry


def _late_intents(parts: Parts) -> Sequence[EventRow]:
    """Those of which files may have been lost in a power cut.

    The system writes files to disk within half a minute (dirty_expire_centisecs, dirty_writeback_centisecs in Linux's
    Documentation/admin-guide/sysctl/vm.rst); twice that and more is looked at.
    """
    with parts.db.read() as conn:
        return events.late_intents(conn, _LATE)


def _passed_by(parts: Parts, one: CheckedOut) -> list[EventRow]:
    """Those that landed while git made the checkout: it may have begun with the commit before them."""
    end = _head_written(one) / 1e9 + 1
    return [intent for intent in _late_intents(parts) if end - _CHECKOUT <= intent.time <= end]


def _lagging(parts: Parts, head: str, intents: Sequence[EventRow]) -> list[PathChange]:
    """What the index or a file may still have of these paths, each to become head's.

    Not what the branch does not have any more: where a person has set it back, index and files are theirs to keep.
    """
    left = list(intents)
    while left and not _has_landed(parts, left[-1], head):
        left.pop()
    versions: dict[str, list[Entry | None]] = {}
    for change in (change for intent in left for change in landing.changes_of(intent)):
        known = versions.setdefault(change.path, [])
        known += [entry for entry in (change.old, change.new) if entry not in known]
    lagging = []
    for path, entries in versions.items():
        new = _file(parts, head, path)
        lagging += [PathChange(path, old, new) for old in entries if old != new]
    return lagging


def _relearn(conn: Connection, intent: EventRow) -> None:
    if intent.run is None:
        return
    learned = landing.learned_of(intent)
    bases.put(conn, intent.run, {path: blob for path, blob in learned.items() if blob is not None})
    bases.drop(conn, intent.run, [path for path, blob in learned.items() if blob is None])
