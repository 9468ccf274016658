"""`audit verify`: whether the log is what was recorded; database, git and witnesses are held against each other.

A crash leaves an open intent, which recovery closes, and a sealing that the database does not know of: both are told
and are no faults. Everything else that does not fit was changed by somebody. Git is read first and the database after
it: what agents do meanwhile is in the one or in both.
"""

from __future__ import annotations

import contextlib
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice

from githarness.audit import line, note
from githarness.audit.merkle import EMPTY
from githarness.audit.replay import MOST, Fault, Links, Pin, Replay
from githarness.errors import HarnessError, Integrity
from githarness.git import refs
from githarness.policy.logs import EnrolledLog
from githarness.store import audit, events
from githarness.store.audit import EventFilter, Log, Record
from githarness.store.db import Connection
from githarness.work import audit_chain, audit_enrol, audit_pins
from githarness.work.asks import Progress
from githarness.work.audit_chain import Batch
from githarness.work.parts import Parts
from githarness.work.verify import is_signed

_STEP = 5000  # events between two calls of `progress`


@dataclass(slots=True)
class Verdict:
    log: str
    size: int
    sealed: int
    root: bytes = EMPTY
    commits: int = 0  # of the branch that pin this log
    foreign: Counter[str] = field(default_factory=Counter)  # commits that pin another log, by its id
    open: list[str] = field(default_factory=list)  # intents that recovery will close
    purged: int = 0
    notes: list[str] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Claims:
    """What others say of this clone's log: this clone's configuration, an outside witness."""

    log: str | None = None  # what `init` wrote down as this clone's log
    checkpoint: str | None = None  # a signed note


def verify(parts: Parts, claims: Claims, progress: Progress | None = None) -> Verdict:
    """Raises NotFound where the repository has no commit, Integrity where the database itself is damaged."""
    with parts.db.read() as conn:
        before = audit.log(conn)
    name = before.id
    head = refs.head(parts.repo.common_dir, parts.ref)
    end = audit_chain.tip(parts, name)
    pinned = audit_pins.of_branch(parts, head, name)
    known = _enrolled(parts, head, name)
    with parts.db.read() as conn:
        log = audit.log(conn)
        verdict = Verdict(log.id, log.size, log.sealed, commits=len(pinned.mine), foreign=pinned.foreign)
        verdict.sealed = before.sealed  # somebody may have sealed since the ref was read
        seals = _seals(parts, verdict, end, known, log.size)
        pins = [*pinned.pins, *_claimed(verdict, claims, known),
                *(Pin(one.checkpoint.size, one.checkpoint.root, f"seal {one.commit.oid[:12]}") for one in seals)]
        replay, links = Replay(pins), Links(pinned.mine, pinned.branch)
        try:
            replay.pin(Pin(log.size, log.tree.root, "harness.db"))
            walk = _Walk(log, verdict, replay, links, _sealed_lines(parts, seals), _purges(conn, log))
            _walk(conn, walk, progress)
            forged = _forged(parts, head, verdict, links)
            replay.faults = [one for one in replay.faults if one.where not in forged]
            _judge_links(conn, log, verdict, links)
            _judge_gone(parts, verdict, links)
            verdict.notes += _restored(conn, log)
        except Integrity as error:
            verdict.faults.append(Fault("edited", "harness.db", error.message))
    verdict.root = replay.tree.root
    verdict.faults = [*verdict.faults, *replay.faults][:MOST]
    return verdict


def _restored(conn: Connection, log: Log) -> Iterator[str]:
    """A log that begins where a backup was put back says which one it follows."""
    for one in audit.told(conn, EventFilter(kind="restored", after=log.first - 1), oldest_first=True):
        fields = json.loads(one.leaf.safe)
        yield (f"a backup of {fields['backup']} was put back at event {one.leaf.seq}: this log follows "
               f"{fields['log']} from its event {fields['events']} on; {fields['lost']} later ones were let go")


def _enrolled(parts: Parts, head: str, log: str) -> EnrolledLog | None:
    entry = parts.reader.entry(head, audit_enrol.path_of(log))
    return audit_enrol.of_entry(parts, log, entry) if entry else None


def _seals(parts: Parts, verdict: Verdict, end: str | None, known: EnrolledLog | None, there: int) -> list[Batch]:
    """The batches in git, oldest first, each judged by itself; `there`: how many events the database has."""
    if known is None:
        verdict.notes.append("the log is not enrolled, so nobody vouches for its key: githarness init, as an owner")
    found: list[Batch] = []
    try:
        found.extend(audit_chain.batches(parts, end) if end else ())
    except HarnessError as error:
        verdict.faults.append(Fault("chain", audit_chain.ref_of(verdict.log), error.message))
    for one in found:
        problem = audit_chain.problem(one, known.key) if known else "is of a log that is not enrolled"
        if problem or one.checkpoint.log != verdict.log:
            verdict.faults.append(Fault("signature", f"seal {one.commit.oid[:12]}", problem or "is of another log"))
    size = found[-1].checkpoint.size if found else 0
    if size < verdict.sealed:
        verdict.faults.append(Fault("cut", audit_chain.ref_of(verdict.log),
                                    f"has {size} events; {verdict.sealed} were sealed"))
    elif verdict.sealed < size <= there:
        verdict.notes.append(f"git has {size} events sealed, {size - verdict.sealed} more than the database knows of: "
                             "the next sealing notes it")
    verdict.sealed = size
    return found


def _claimed(verdict: Verdict, claims: Claims, known: EnrolledLog | None) -> list[Pin]:
    if claims.log and claims.log != verdict.log:
        verdict.faults.append(Fault("replaced", "harness.db", f"has log {verdict.log}; this clone's was {claims.log}"))
    if claims.checkpoint is None:
        return []
    stated = note.read(claims.checkpoint)
    if stated.log != verdict.log:
        verdict.faults.append(Fault("replaced", "checkpoint", f"is of log {stated.log}; this clone's is {verdict.log}"))
        return []
    try:
        if known:
            note.verify(claims.checkpoint, known.key)
    except Integrity as error:
        verdict.faults.append(Fault("signature", "checkpoint", error.message))
    return [Pin(stated.size, stated.root, "checkpoint")]


def _sealed_lines(parts: Parts, seals: Sequence[Batch]) -> Iterator[bytes]:
    for one in seals:
        yield from parts.reader.blob(one.events).splitlines(keepends=True)


def _purges(conn: Connection, log: Log) -> list[tuple[float, int]]:
    """As their events say; one that was edited counts for nothing, and is told of in its place."""
    found = []
    for one in audit.told(conn, EventFilter(kind="purge", after=log.first - 1), oldest_first=True):
        with contextlib.suppress(ValueError, KeyError, TypeError):
            fields = json.loads(one.leaf.safe)
            found.append((float(fields["before"]), int(fields["end"])))
    return found


@dataclass(slots=True)
class _Walk:
    log: Log
    verdict: Verdict
    replay: Replay
    links: Links
    sealed: Iterator[bytes]
    purges: list[tuple[float, int]]  # bodies from before a time, of events before a seq


def _walk(conn: Connection, walk: _Walk, progress: Progress | None) -> None:
    """Every event of the log, as the database has it and, where it was sealed, as git has it; git's counts."""
    first, add, link = walk.log.first, walk.replay.add, walk.links.add
    seq = first
    for record in audit.records(conn, first):
        if record.leaf.seq > seq:
            _missing(walk, seq, record.leaf.seq)
            seq = record.leaf.seq
        sealed, text = next(walk.sealed, None), line.line(record.leaf)
        if sealed is not None and sealed != text:
            _fault(walk, "edited", seq, "is not as it was sealed")
        add(sealed or text)
        _judge_body(walk, record)
        link(record.leaf)
        seq += 1
        if progress and not seq % _STEP:
            progress(seq - first, walk.log.size)
    _end(walk, seq)


def _end(walk: _Walk, seq: int) -> None:
    """`seq`: what would come next."""
    end = walk.log.first + walk.log.size
    if seq > end:
        _fault(walk, "inserted", end, "and what follows was never recorded")
    _missing(walk, seq, max(end, walk.log.first + walk.verdict.sealed))
    if next(walk.sealed, None) is not None:
        walk.verdict.faults.append(Fault("chain", audit_chain.ref_of(walk.log.id), "has more events than it states"))
    walk.replay.end()


def _missing(walk: _Walk, seq: int, end: int) -> None:
    """Rows that are gone: where git has them the log goes on with those."""
    if seq < end:
        _fault(walk, "missing", seq, f"is not in harness.db ({end - seq} in a row)")
    for sealed in islice(walk.sealed, max(0, end - seq)):
        walk.replay.add(sealed)


def _judge_body(walk: _Walk, record: Record) -> None:
    if record.salt is None and not record.body:
        walk.verdict.purged += 1
        if not any(record.leaf.seq < end and record.leaf.time < before for before, end in walk.purges):
            _fault(walk, "body", record.leaf.seq, "has lost its body, and no purge says so")
    elif record.salt is None or line.digest(record.salt, record.body) != record.leaf.digest:
        _fault(walk, "body", record.leaf.seq, "has another body than was recorded")


def _fault(walk: _Walk, code: str, seq: int, message: str) -> None:
    if len(walk.verdict.faults) < MOST:
        walk.verdict.faults.append(Fault(code, f"event {seq}", message))


def _judge_links(conn: Connection, log: Log, verdict: Verdict, links: Links) -> None:
    """What recovery will finish is no fault: an intent that stands in `open_intents`."""
    to_finish = {intent.id for intent in events.open_intents(conn)}
    verdict.open = sorted(links.open.keys() & to_finish)
    faults = [Fault("unlinked", intent, "has no outcome, and none is to come")
              for intent in links.open.keys() - to_finish]
    faults += [Fault("unlinked", intent, "is to be closed, and was never opened or is closed")
               for intent in to_finish - links.open.keys() if not _is_older(conn, intent, log)]
    faults += [Fault("unlinked", intent, "has an outcome and is not in the log")
               for intent in links.unlinked if not _is_older(conn, intent, log)]
    faults += [Fault("unrecorded", f"commit {oid[:12]}", "names this log, which has no intent of it")
               for oid in sorted(links.unrecorded)]
    verdict.faults += [*faults, *links.faults]


def _forged(parts: Parts, head: str, verdict: Verdict, links: Links) -> set[str]:
    """Commits that nobody signed whom they name: what they say of the log is anybody's word, whoever may push."""
    governance = parts.governed.salvaged(head) if links.unrecorded else None
    forged = {oid for oid in links.unrecorded if governance and not is_signed(parts.reader.commit(oid), governance)}
    links.unrecorded -= forged
    if forged:
        verdict.notes.append(f"{len(forged)} commits name this log and are not signed by whom they name, as after a "
                             "rebase: what they say of it does not count (githarness verify)")
    return {f"commit {oid[:12]}" for oid in forged}


def _judge_gone(parts: Parts, verdict: Verdict, links: Links) -> None:
    """The branch is looked at once more: what landed while the log was read is there now."""
    gone = links.gone - set(parts.reader.walk(refs.head(parts.repo.common_dir, parts.ref))) if links.gone else ()
    if gone:
        verdict.notes.append(f"{len(gone)} writes landed that the governed branch does not have any more")


def _is_older(conn: Connection, intent: str, log: Log) -> bool:
    """Recorded by a version that had no log."""
    row = events.find(conn, intent)
    return row is not None and row.seq < log.first
