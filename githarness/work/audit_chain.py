"""The audit log as it stands in git: `refs/githarness/audit/LOG`, one signed commit for each batch of events.

    events.jsonl    the lines that the log grew by
    checkpoint      the signed note of the log with them

Each commit has the one before as its only parent, so the ref is the whole log; it is never pushed unless asked.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from githarness.audit import note
from githarness.audit.note import Checkpoint
from githarness.errors import HarnessError, Integrity
from githarness.git import refs
from githarness.git.commits import Commit
from githarness.git.objects import FILE, Entry, Raw, raw
from githarness.git.reader import Reader
from githarness.policy import logs
from githarness.seal import sshsig
from githarness.work import judge_signature
from githarness.work.governance import FOLDER_NAME
from githarness.work.parts import Parts

EVENTS, CHECKPOINT = "events.jsonl", "checkpoint"


@dataclass(frozen=True, slots=True)
class Batch:
    """One commit of the chain, taken apart."""

    commit: Commit
    events: str  # id of the blob
    note: str
    checkpoint: Checkpoint  # as the note says, whoever signed it


def ref_of(log: str) -> str:
    return f"refs/githarness/audit/{log}"


def tip(parts: Parts, log: str) -> str | None:
    return refs.read(parts.repo.common_dir, ref_of(log))


def batch(parts: Parts, oid: str) -> Batch:
    """Raises Integrity for a commit that is no batch of events."""
    commit = parts.reader.commit(oid)
    events, stated = (parts.reader.entry(oid, name) for name in (EVENTS, CHECKPOINT))
    if not events or not stated or {events.mode, stated.mode} != {FILE}:
        raise Integrity(f"commit '{oid}' of the audit log does not hold events and a checkpoint")
    text = parts.reader.blob(stated.oid).decode("utf-8", "replace")
    return Batch(commit, events.oid, text, note.read(text))


def batches(parts: Parts, end: str) -> Iterator[Batch]:
    """From the first one to `end`. Raises Integrity where one is not the only parent of the next."""
    before: tuple[str, ...] = ()
    for oid in parts.reader.walk(end):
        one = batch(parts, oid)
        if one.commit.parents != before:
            raise Integrity(f"commit '{oid}' of the audit log does not follow the one before it")
        before = (oid,)
        yield one


def is_of(reader: Reader, ref: str, span: tuple[str, str], at: str | None) -> bool:
    """Whether what a push brings to `ref`, from one commit or git's zeros to another, is signed by the key that `at`
    has enrolled for this log. Raises Integrity."""
    path = f"{FOLDER_NAME}/logs/{ref.removeprefix(ref_of(''))}.yaml"
    entry = reader.entry(at, path) if at else None
    key = logs.parse(reader.blob(entry.oid), path).key if entry else None
    new = reader.walk(span[1], [span[0]] if span[0] != refs.ZERO else [])
    return key is not None and all(judge_signature.signer(reader.commit(oid)) == key for oid in new)


def problem(one: Batch, key: str) -> str | None:
    """What is wrong with the signatures of a batch, by the log's key; None where nothing is."""
    signature, payload = one.commit.signature, one.commit.signed_payload
    try:
        if signature is None or payload is None or sshsig.verify(signature, payload, "git") != key:
            return "is not signed by the log's key"
        note.verify(one.note, key)
    except HarnessError as error:
        return f"is not signed by the log's key: {error.message}"
    return None


def objects(lines: bytes, stated: str) -> tuple[str, list[Raw]]:
    """The tree of a batch, and what it takes."""
    blobs = {CHECKPOINT: raw("blob", stated.encode()), EVENTS: raw("blob", lines)}
    tree = raw("tree", b"".join(_entry(name, Entry(FILE, blob.oid)) for name, blob in sorted(blobs.items())))
    return tree.oid, [*blobs.values(), tree]


def _entry(name: str, entry: Entry) -> bytes:
    return f"{entry.mode} {name}\0".encode() + bytes.fromhex(entry.oid)
