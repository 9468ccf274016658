"""Makes a group of drafts durable and the head of the governed branch, in the order of DESIGN §5.6 to 5.8.

    intents (one FULL transaction) → pack and index with `.keep` → index.lock of each checkout → ref by compare-and-swap
    → files of the checkouts → acknowledgement → outcomes and index (one transaction that may be lost: `recover` makes
    it again)

A crash before the ref moved leaves nothing that counts; one after it leaves open intents that name what landed. The
index is locked for as short as can be, because a person's git does not wait for it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace

from githarness import canon
from githarness.errors import Locked
from githarness.git import pack, refs
from githarness.git.objects import Entry, PathChange, Raw
from githarness.git.repo import Repo
from githarness.git.worktrees import AllHeld
from githarness.store import commits, events, operations
from githarness.store.db import Database
from githarness.store.rows import EventRow
from githarness.store.stops import Stop
from githarness.work import artifacts, breaker
from githarness.work.asks import Landed, Written
from githarness.work.draft import Draft
from githarness.work.runbook import Runbook

Hold = Callable[[], AbstractContextManager[AllHeld | None]]


@dataclass(frozen=True, slots=True)
class Ground:
    """Where a group lands: the ref with the value that it was judged by. `hold` locks the index of every checkout."""

    repo: Repo
    db: Database
    ref: str
    head: str | None
    hold: Hold


@dataclass(frozen=True, slots=True)
class Batch:
    """What lands, or is at least recorded, together."""

    drafts: Sequence[Draft]
    objects: Sequence[Raw]
    refused: Sequence[EventRow] = ()
    book: Runbook | None = None
    stops: Sequence[Stop] = ()


@dataclass(frozen=True, slots=True)
class Arrival:
    """What became of the checkouts. `unfinished`: an index could not be written, so the intents have to stay open."""

    checked_out: bool
    pending: Sequence[str] = ()
    unfinished: bool = False

    def of(self, changes: Sequence[PathChange]) -> str:
        if not self.checked_out:
            return "none"
        return "pending" if any(change.path in self.pending for change in changes) else "updated"


def land(ground: Ground, batch: Batch) -> Arrival:
    """Raises refs.Moved where the ref or a file of a checkout is not as judged, Locked, OSError where disks fail."""
    _intend(ground, batch)
    stem = pack.write(ground.repo.common_dir / "objects" / "pack", batch.objects)
    changes = net(batch.drafts)
    try:
        with ground.hold() as held:
            if held and held.dirty(changes):
                raise refs.Moved("a file of a checkout")
            _move(ground, batch.drafts[-1], held)
            pending = held.bring(changes) if held else []
    except (refs.Moved, Locked) as error:
        _give_up(ground.db, batch.drafts, error.code if isinstance(error, Locked) else "retried")
        raise
    finally:  # what the ref does not name, garbage collection may have in its time
        if stem:
            pack.release(stem)
    return Arrival(held is not None, pending, held is not None and held.unfinished)


def _intend(ground: Ground, batch: Batch) -> None:
    with ground.db.write(durable=True) as conn:
        events.add(conn, [*batch.refused, *(draft.intent for draft in batch.drafts)])
        breaker.keep(conn, batch.stops)
        for draft in batch.drafts:
            if draft.operation:
                operations.put(conn, _who(draft), draft.operation, draft.commit.oid, draft.answer)
        if batch.book:
            batch.book.save_runs(conn)


def _move(ground: Ground, last: Draft, held: AllHeld | None) -> None:
    note = refs.Note(last.row.author, last.row.time, f"githarness: {last.row.subject[:200]}")
    logs = held.logs if held else ()
    try:
        refs.update(ground.repo, ground.ref, last.commit.oid, old=ground.head, note=note, logs=logs)
    except OSError:
        if held and refs.read(ground.repo.common_dir, ground.ref) == last.commit.oid:
            held.keep()  # it moved, and only its durability is in doubt
        raise


def _give_up(db: Database, drafts: Sequence[Draft], outcome: str) -> None:
    with db.write(durable=False) as conn:
        for draft in drafts:
            if draft.operation:
                operations.drop(conn, _who(draft), draft.operation)
        events.close(conn, [outcome_of(draft.intent, outcome) for draft in drafts])


def record(ground: Ground, batch: Batch, arrival: Arrival) -> None:
    """What follows from intents and commits alone: outcomes, the indexes where they were at our parent, bases.

    Where the checkout could not be finished the intents stay open, so that the next command recovers it.
    """
    with ground.db.write(durable=False) as conn:
        if not arrival.unfinished:
            events.close(conn, [outcome_of(draft.intent, "landed") for draft in batch.drafts])
        if commits.head(conn) == ground.head:
            commits.extend(conn, [draft.row for draft in batch.drafts])
        artifacts.note(conn, ground.head, batch.drafts)
        if batch.book:
            batch.book.save_bases(conn)


def _who(draft: Draft) -> str:
    return draft.row.agent or draft.row.human or ""


def outcome_of(intent: EventRow, outcome: str) -> EventRow:
    return EventRow(intent.id + ".o", intent.time, "outcome", intent.agent, intent.human, intent.run, intent.operation,
                    intent.commit_oid, intent.id, outcome)


def net(drafts: Sequence[Draft]) -> list[PathChange]:
    """The first `old` and the last `new` of every path of a group, for the files of a working tree."""
    first: dict[str, Entry | None] = {}
    last: dict[str, PathChange] = {}
    for draft in drafts:
        for change in draft.changes:
            first.setdefault(change.path, change.old)
            last[change.path] = change
    return [replace(change, old=first[path]) for path, change in last.items()]


def intent_body(changes: Sequence[PathChange], learned: dict[str, str | None], left: str | None = None) -> str:
    """`left`: who waits for it in another process, as in `LeftAsk`."""
    rows = [[c.path, *((c.old.mode, c.old.oid) if c.old else (None, None)),
             *((c.new.mode, c.new.oid) if c.new else (None, None))] for c in changes]
    return canon.dumps({"paths": rows, "learned": learned, **({"left": left} if left else {})})


def changes_of(intent: EventRow) -> list[PathChange]:
    """The inverse of `intent_body`, for recovery."""
    return [PathChange(path, Entry(om, oo) if om else None, Entry(nm, no) if nm else None)
            for path, om, oo, nm, no in json.loads(intent.body)["paths"]]


def learned_of(intent: EventRow) -> dict[str, str | None]:
    learned: dict[str, str | None] = json.loads(intent.body)["learned"]
    return learned


def left_of(intent: EventRow) -> str | None:
    """Who waits for it in another process."""
    body = json.loads(intent.body)
    return str(body["left"]) if "left" in body else None


def written_of(intent: EventRow, arrival: Arrival) -> Written:
    """The result of an intent that landed, as far as the intent tells."""
    changes = changes_of(intent)
    paths = tuple(Landed(c.path, c.new.oid if c.new else None, c.old.oid if c.old else None) for c in changes)
    return Written(intent.commit_oid, paths, intent.operation, intent.id, arrival.of(changes))
