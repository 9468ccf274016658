"""Keeping the log and letting go of it: export, bundles for auditors, archives, purging of bodies, holds.

A bundle is an uncompressed tar that is checked without githarness (docs/audit.md):

    checkpoint      the signed note
    events.jsonl    every line of the log up to the checkpoint
    log.yaml        the enrolment of the log, with its key
    bodies.jsonl    of an archive: {"seq", "salt", "body"} a line, for those that are not purged
"""

from __future__ import annotations

import contextlib
import os
import secrets
import tarfile
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from githarness import canon, clock
from githarness.audit import line, note, ocsf
from githarness.audit.merkle import Tree
from githarness.audit.note import Checkpoint
from githarness.errors import Conflict, Integrity, NotFound, Unavailable
from githarness.git import refs
from githarness.policy import logs
from githarness.policy.model import Human
from githarness.private import sync_folder
from githarness.store import audit, audit_bodies, events
from githarness.store.audit import Log
from githarness.store.db import Connection
from githarness.store.rows import EventRow
from githarness.work import audit_enrol, audit_log, audit_record, audit_seal
from githarness.work.audit_log import Wanted
from githarness.work.parts import Parts

_DAY = 86400.0


@dataclass(frozen=True, slots=True)
class Kept:
    file: Path
    log: str
    size: int  # events in it
    bodies: int


@dataclass(frozen=True, slots=True)
class Purged:
    bodies: int
    held: int  # bodies that a hold keeps
    before: float
    lingers: bool = False  # a reader keeps the old pages: they go with the first checkpoint after it


def export(parts: Parts, wanted: Wanted) -> Iterator[str]:
    """Events as JSON Lines in the names of OCSF and `gen_ai.*`, oldest first."""
    with parts.db.read() as conn:
        log = audit.log(conn).id
        for one in audit_log.found(conn, wanted, oldest_first=True):
            yield canon.dumps(ocsf.event(log, one.leaf, one.outcome))


def bundle(parts: Parts, file: Path, *, bodies: bool = False) -> Kept:
    """All of the log as of now, in a new file. Raises Conflict where it is there, Unavailable, and Integrity where the
    lines are not those of its checkpoint."""
    signed, known = audit_seal.stated(parts)
    stated = note.read(signed)
    with parts.db.read() as conn:
        log = audit.log(conn)
        pieces: dict[str, Iterable[bytes]] = {"checkpoint": [signed.encode()], "log.yaml": [logs.render(known)],
                  "events.jsonl": _lines(conn, log, stated)}
        if bodies:
            pieces["bodies.jsonl"] = _bodies(conn, log, stated.size)
        counts = _write(file, pieces, int(parts.clock.now()))
    return Kept(file, log.id, counts["events.jsonl"], counts.get("bodies.jsonl", 0))


def archive(parts: Parts, folder: Path) -> Kept:
    """A bundle with all bodies that are there, named by log and size: what a purge then lets go of is kept here."""
    with parts.db.read() as conn:
        log = audit.log(conn)
    name = f"{log.id}-{log.size:09}-{clock.rfc3339(parts.clock.now()).replace(':', '')}.tar"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise Unavailable(f"'{folder}' cannot be made: {error.strerror}") from error
    return bundle(parts, folder / name, bodies=True)


def _lines(conn: Connection, log: Log, stated: Checkpoint) -> Iterator[bytes]:
    """Raises Integrity at their end: what was read is what was checked."""
    tree = Tree()
    for leaf in audit.leaves(conn, log.first, log.first + stated.size):
        text = line.line(leaf)
        tree.add(text)
        yield text
    if (tree.size, tree.root) != (stated.size, stated.root):
        raise Integrity("events of the database are not as they were recorded: nothing was written",
                        fix="githarness audit verify")


def _bodies(conn: Connection, log: Log, size: int) -> Iterator[bytes]:
    for record in audit.records(conn, log.first):
        if record.leaf.seq < log.first + size and record.salt is not None:
            row = {"seq": record.leaf.seq, "salt": record.salt.hex(), "body": record.body}
            yield canon.dumps(row).encode() + b"\n"


def _write(file: Path, pieces: dict[str, Iterable[bytes]], now: int) -> dict[str, int]:
    """Whole and on disk, or not there; how many pieces each member has."""
    scratch = file.with_name(f".{secrets.token_hex(8)}.new")
    counts = {}
    try:
        if file.exists():
            raise Conflict(f"'{file}' is there already", fix="name a new file")
        with open(os.open(scratch, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as raw:
            with tarfile.open(fileobj=raw, mode="w", format=tarfile.PAX_FORMAT) as tar:
                for name, data in pieces.items():
                    counts[name] = _add(tar, name, data, now)
            raw.flush()
            os.fsync(raw.fileno())
        os.rename(scratch, file)
        sync_folder(file.parent)
    except OSError as error:
        raise Unavailable(f"'{file}' cannot be written: {error.strerror}",
                          fix="name a file on a disk with room") from error
    finally:
        with contextlib.suppress(OSError):
            scratch.unlink()
    return counts


def _add(tar: tarfile.TarFile, name: str, data: Iterable[bytes], now: int) -> int:
    count = 0
    with tempfile.SpooledTemporaryFile(max_size=8 << 20) as stream:  # its size comes before it in the archive
        for count, piece in enumerate(data, 1):  # noqa: B007  how many there were
            stream.write(piece)
        member = tarfile.TarInfo(name)
        member.size, member.mtime, member.mode = stream.tell(), now, 0o644
        stream.seek(0)
        tar.addfile(member, stream)
    return count


def by_policy(parts: Parts) -> float | None:
    """Bodies from before this time have been kept for as long as the policy of head says; None where it does not.

    Raises what `Governed.at` raises.
    """
    kept = parts.governed.at(refs.head(parts.repo.common_dir, parts.ref)).policy.bodies
    return None if kept is None else parts.clock.now() - kept


class Retention:
    """What the daemon's upkeep lets go of: once a day, and when it begins."""

    def __init__(self) -> None:
        self._due = 0.0

    def purge_if_due(self, parts: Parts) -> Purged | None:
        """Raises as `purge` and `by_policy` do."""
        now = parts.clock.now()
        if now < self._due:
            return None
        self._due = now + _DAY
        before = by_policy(parts)
        if before is None or audit_enrol.is_due(parts, refs.head(parts.repo.common_dir, parts.ref)):
            return None  # what is not sealed is not let go
        return purge(parts, None, before=before)


def purge(parts: Parts, human: Human | None, *, before: float, dry: bool = False) -> Purged:
    """Empties bodies and salts of sealed events from before then; lines, digests and proofs stay.

    Open intents and what is held are left. It is itself an event; without a human the policy asked for it.
    """
    audit_seal.seal(parts)
    now = parts.clock.now()
    with parts.db.write() as conn:
        log = audit.log(conn)
        end = log.first + log.sealed
        found = audit_bodies.purgeable(conn, log.first, end, before)
        held = audit_bodies.held_back(conn, log.first, end, before)
        if found and not dry:  # said before it is done: a purge that is cut short is no fault, and the next goes on
            fields = audit_record.shown({"what": f"{found} bodies from before {clock.rfc3339(before)}", "held": held,
                                         "why": f"{human.name} asked" if human else "policy: audit.bodies",
                                         "before": before, "end": end})
            row = EventRow(clock.new_id("e", now), now, "purge", None, human.name if human else None, safe=fields)
            events.add(conn, [row])
    while found and not dry:
        with parts.db.write() as conn:
            if not audit_bodies.purge(conn, log.first, end, before):
                break
    lingers = bool(found or human) and not dry and not parts.db.flush()  # also what an earlier one could not
    return Purged(found, held, before, lingers)


def hold(parts: Parts, human: Human, what: str, why: str) -> None:
    """Keeps the bodies of an event, or of all of a run, from being purged. Raises NotFound, Conflict."""
    _note(parts, human, "hold", what, why)


def release(parts: Parts, human: Human, what: str, why: str) -> None:
    """Raises NotFound where nothing of this name is held."""
    _note(parts, human, "unhold", what, why)


def _note(parts: Parts, human: Human, kind: str, what: str, why: str) -> None:
    now, why = parts.clock.now(), audit_record.redacted(why)
    with parts.db.write() as conn:
        if kind == "hold" and not audit_bodies.is_there(conn, what):
            raise NotFound(f"there is no event and no run '{what}'", fix="githarness audit log")
        changed = audit_bodies.hold(conn, what, now, why) if kind == "hold" else audit_bodies.release(conn, what)
        if not changed and kind == "hold":
            raise Conflict(f"'{what}' is held already", fix="githarness audit hold --list")
        if not changed:
            raise NotFound(f"'{what}' is not held", fix="githarness audit hold --list")
        safe = audit_record.shown({"what": what, "why": why})
        events.add(conn, [EventRow(clock.new_id("e", now), now, kind, None, human.name, safe=safe)])

