"""Makes a group of drafts durable and the head of the governed branch, in the order of DESIGN §5.6 to 5.8.

    intents (one FULL transaction) → pack and index with `.keep` → ref by compare-and-swap → files of the working tree
    → acknowledgement → outcomes and index (one transaction that may be lost: `recover` makes it again)

A crash before the ref moved leaves nothing that counts; one after it leaves open intents that name what landed.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace

from githarness import canon
from githarness.git import pack, refs
from githarness.git.checkout import Held
from githarness.git.objects import Entry, PathChange, Raw
from githarness.git.repo import Repo
from githarness.store import commits, events, operations
from githarness.store.db import Database
from githarness.store.rows import EventRow
from githarness.work.draft import Draft
from githarness.work.runbook import Runbook


@dataclass(frozen=True, slots=True)
class Ground:
    """Where a group lands: the ref with its value, and the checkout of it, if there is one, under its lock."""

    repo: Repo
    db: Database
    ref: str
    head: str | None
    held: Held | None


def land(ground: Ground, drafts: Sequence[Draft], objects: Sequence[Raw], refused: Sequence[EventRow] = (),
         book: Runbook | None = None) -> list[str]:
    """Returns the paths of the working tree that were left pending. Raises refs.Moved, and OSError where disks fail."""
    with ground.db.write(durable=True) as conn:
        events.add(conn, [*refused, *(draft.intent for draft in drafts)])
        for draft in drafts:
            if draft.operation:
                operations.put(conn, _who(draft), draft.operation, draft.commit.oid, draft.answer)
        if book:
            book.save_runs(conn)
    try:
        _move(ground, drafts, objects)
    except refs.Moved:
        give_up(ground.db, drafts, "retried")
        raise
    return ground.held.bring(net(drafts)) if ground.held else []


def _move(ground: Ground, drafts: Sequence[Draft], objects: Sequence[Raw]) -> None:
    last = drafts[-1]
    stem = pack.write(ground.repo.common_dir / "objects" / "pack", objects)
    note = refs.Note(last.row.author, last.row.time, f"githarness: {last.row.subject[:200]}")
    logs = (ground.held.checkout.git_dir / "logs" / "HEAD",) if ground.held else ()
    refs.update(ground.repo, ground.ref, last.commit.oid, old=ground.head, note=note, logs=logs)
    if stem:
        pack.release(stem)


def give_up(db: Database, drafts: Sequence[Draft], outcome: str) -> None:
    with db.write(durable=False) as conn:
        for draft in drafts:
            if draft.operation:
                operations.drop(conn, _who(draft), draft.operation)
        events.close(conn, [outcome_of(draft.intent, outcome) for draft in drafts])


def record(ground: Ground, drafts: Sequence[Draft], book: Runbook | None = None) -> None:
    """What follows from intents and commits alone: outcomes, the commit index where it was at our parent, bases.

    Where the checkout could not be finished the intents stay open, so that the next command recovers it.
    """
    with ground.db.write(durable=False) as conn:
        if ground.held is None or not ground.held.unfinished:
            events.close(conn, [outcome_of(draft.intent, "landed") for draft in drafts])
        if commits.head(conn) == ground.head:
            commits.extend(conn, [draft.row for draft in drafts])
        if book:
            book.save_bases(conn)


def _who(draft: Draft) -> str:
    return draft.row.agent or draft.row.human or ""


def outcome_of(intent: EventRow, outcome: str) -> EventRow:
    return replace(intent, id=intent.id + ".o", kind="outcome", intent=intent.id, outcome=outcome, body="{}", seq=0)


def net(drafts: Sequence[Draft]) -> list[PathChange]:
    """The first `old` and the last `new` of every path of a group, for the files of a working tree."""
    first: dict[str, Entry | None] = {}
    last: dict[str, PathChange] = {}
    for draft in drafts:
        for change in draft.changes:
            first.setdefault(change.path, change.old)
            last[change.path] = change
    return [replace(change, old=first[path]) for path, change in last.items()]


def intent_body(changes: Sequence[PathChange], learned: dict[str, str | None]) -> str:
    rows = [[c.path, *((c.old.mode, c.old.oid) if c.old else (None, None)),
             *((c.new.mode, c.new.oid) if c.new else (None, None))] for c in changes]
    return canon.dumps({"paths": rows, "learned": learned})


def changes_of(intent: EventRow) -> list[PathChange]:
    """The inverse of `intent_body`, for recovery."""
    return [PathChange(path, Entry(om, oo) if om else None, Entry(nm, no) if nm else None)
            for path, om, oo, nm, no in json.loads(intent.body)["paths"]]


def learned_of(intent: EventRow) -> dict[str, str | None]:
    learned: dict[str, str | None] = json.loads(intent.body)["learned"]
    return learned
