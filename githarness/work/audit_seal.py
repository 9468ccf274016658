"""Seals what the log grew by into git: batches of events as signed commits, each with a signed checkpoint.

What is sealed is on disk in the database first, so that no power cut leaves git ahead of it; a crash between the ref
and the database is mended by the next sealing. Events that are not what was recorded are not sealed.
"""

from __future__ import annotations

from dataclasses import dataclass

from githarness import flock
from githarness.audit import line, note
from githarness.audit.line import Leaf
from githarness.audit.merkle import Tree
from githarness.audit.note import Checkpoint
from githarness.errors import Integrity, Unavailable
from githarness.git import pack, refs
from githarness.policy.logs import EnrolledLog
from githarness.seal.keys import KeySigner
from githarness.store import audit
from githarness.store.audit import Log
from githarness.work import audit_chain, audit_enrol, audit_story, draft
from githarness.work.parts import Parts

_BATCH = 5000  # events of one commit
_LARGE = 8 << 20  # bytes of lines with which a commit has enough
_MANY = 1000  # events that are worth a commit of their own at once
_LONG = 300.0  # seconds that any event waits for one
_WHO = "githarness audit"


@dataclass(frozen=True, slots=True)
class Sealed:
    log: str
    events: int  # how many this sealing added
    size: int
    root: bytes
    commit: str | None  # the newest; None where nothing ever was sealed


@dataclass(frozen=True, slots=True)
class _Desk:
    parts: Parts
    log: EnrolledLog
    signer: KeySigner
    fleet: str


def seal(parts: Parts, *, wait: float = flock.WAIT) -> Sealed:
    """Raises Unavailable where the log is not enrolled or its key not here, Integrity where events were changed."""
    desk = _desk(parts)
    with flock.exclusive(parts.repo.home / "audit.lock", wait=wait, what="the audit log"):
        with parts.db.write() as conn:
            log = audit.settle(conn)
        old = audit_chain.tip(parts, log.id)
        tree = _sealed(parts, log, desk.log.key, old)
        before = tree.size
        _must_be_as_recorded(parts, log, Tree(tree.size, tree.frontier))
        while tree.size < log.size:
            old = _grow(desk, log, tree, old)
        if tree.size != log.sealed:
            with parts.db.write() as conn:
                audit.sealed(conn, tree)
    return Sealed(log.id, tree.size - before, tree.size, tree.root, old)


def seal_if_due(parts: Parts) -> Sealed | None:
    """For whoever looks now and then: seals where much is new, or something that is not sealed for long."""
    with parts.db.read() as conn:
        log = audit.log(conn)
        behind, oldest = log.size - log.sealed, audit.time_of(conn, log.first + log.sealed)
    if behind < _MANY and (oldest is None or parts.clock.now() - oldest < _LONG):
        return None
    head = refs.head(parts.repo.common_dir, parts.ref)
    return seal(parts) if parts.reader.entry(head, audit_enrol.path_of(log.id)) else None


def checkpoint(parts: Parts) -> str:
    """The signed note of the log as it is now. Raises as `seal` does."""
    return stated(parts)[0]


def stated(parts: Parts) -> tuple[str, EnrolledLog]:
    """The same, with the enrolment whose key signed it."""
    desk = _desk(parts)
    with parts.db.write() as conn:
        log = audit.settle(conn)
    return _note(desk, log.tree), desk.log


def _desk(parts: Parts) -> _Desk:
    with parts.db.read() as conn:
        log = audit.log(conn).id
    head = refs.head(parts.repo.common_dir, parts.ref)
    entry = parts.reader.entry(head, audit_enrol.path_of(log))
    if entry is None:
        raise Unavailable("this clone's audit log is not enrolled", fix="githarness init, as an owner")
    known = audit_enrol.of_entry(parts, log, entry)
    return _Desk(parts, known, audit_enrol.signer_of(parts, known), parts.governed.salvaged(head).config.fleet)


def _note(desk: _Desk, tree: Tree) -> str:
    return note.sign(Checkpoint(desk.log.id, tree.size, tree.root), desk.log.key, desk.signer.sign_plain)


def _sealed(parts: Parts, log: Log, key: str, old: str | None) -> Tree:
    """The tree as far as git has it; the database may not know yet of the last sealing, but never of more."""
    tree = Tree(log.sealed, log.sealed_frontier)
    if old is None:
        if log.sealed:
            raise _changed(f"'{audit_chain.ref_of(log.id)}' is gone")
        return tree
    stated = note.verify(audit_chain.batch(parts, old).note, key)
    if not log.sealed <= stated.size <= log.size:
        raise _changed(f"'{audit_chain.ref_of(log.id)}' is not where the last sealing left it")
    while tree.size < stated.size and _extend(parts, tree, log, stated.size):
        pass
    if tree.root != stated.root:
        raise _changed("sealed events are not those of the database")
    return tree


def _must_be_as_recorded(parts: Parts, log: Log, tree: Tree) -> None:
    while tree.size < log.size and _extend(parts, tree, log, log.size):
        pass
    if tree.root != log.tree.root:
        raise _changed("events of the database are not as they were recorded")


def _extend(parts: Parts, tree: Tree, log: Log, size: int) -> list[Leaf]:
    """By the next events up to `size`, not more than a commit takes; an edited database may have none."""
    leaves, room = [], _LARGE
    with parts.db.read() as conn:
        for leaf in audit.leaves(conn, log.first + tree.size, log.first + min(size, tree.size + _BATCH)):
            text = line.line(leaf)
            tree.add(text)
            leaves.append(leaf)
            room -= len(text)
            if room < 0:
                break
    return leaves


def _changed(what: str) -> Integrity:
    return Integrity(f"{what}: nothing was sealed", fix="githarness audit verify")


def _grow(desk: _Desk, log: Log, tree: Tree, old: str | None) -> str:
    """One batch more, durable when it returns."""
    parts = desk.parts
    leaves = _extend(parts, tree, log, log.size)
    stated = _note(desk, tree)
    root, made = audit_chain.objects(b"".join(map(line.line, leaves)), stated)
    who = draft.Person(_WHO, f"{desk.log.id}@{desk.fleet}.invalid")
    stamp = draft.Stamp(who, desk.fleet, int(parts.clock.now()), desk.signer)
    story = audit_story.message(leaves, note.read(stated))
    commit = draft.build(root, [old] if old else [], story, stamp)
    try:
        stem = pack.write(parts.repo.common_dir / "objects" / "pack", [*made, commit], level=6)
        refs.update(parts.repo, audit_chain.ref_of(log.id), commit.oid, old=old,
                    note=refs.Note(str(who), stamp.when, "githarness: sealed"))
    except OSError as error:
        raise Unavailable(f"the audit log could not be sealed: {error.strerror}",
                          fix="free disk space or repair the file system, then githarness audit seal") from error
    except refs.Moved as error:
        raise _changed(f"'{audit_chain.ref_of(log.id)}' moved meanwhile") from error
    if stem:
        pack.release(stem)
    return commit.oid

