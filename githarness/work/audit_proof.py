"""Proofs for who trusts a checkpoint and has nothing else of the log, in the forms of C2SP.

    tlog-proof@v1      "c2sp.org/tlog-proof@v1" LF "index N" LF, hashes in base 64, an empty line, the checkpoint
    add-checkpoint     "old N" LF, hashes in base 64, an empty line, the checkpoint: what a witness is sent
"""

from __future__ import annotations

from collections.abc import Sequence

from githarness.audit import line, merkle, note
from githarness.errors import Integrity, NotFound
from githarness.store import audit, events
from githarness.work import audit_seal
from githarness.work.parts import Parts


def of_event(parts: Parts, event: str) -> str:
    """That the event is in the log. Raises NotFound, and what `audit_seal.checkpoint` raises."""
    stated = audit_seal.checkpoint(parts)
    with parts.db.read() as conn:
        log, row = audit.log(conn), events.find(conn, event)
    if row is None or row.seq < log.first:
        raise NotFound(f"no event '{event}' in this log", fix="githarness audit log")
    index = row.seq - log.first
    proof = merkle.inclusion(_leaves(parts, stated), index)
    return _text(f"c2sp.org/tlog-proof@v1\nindex {index}", proof, stated)


def since(parts: Parts, older: str) -> str:
    """That the log as `older` stated it is a beginning of what it is now. Raises Integrity where it is not."""
    before, stated = note.read(older), audit_seal.checkpoint(parts)
    now, leaves = note.read(stated), _leaves(parts, stated)
    proof = merkle.consistency(leaves, before.size)
    begins = before.size == 0 or merkle.consistent((before.size, before.root), (now.size, now.root), proof)
    if before.log != now.log or before.size > now.size or not begins:
        raise Integrity("the log does not go on from that checkpoint", fix="githarness audit verify --checkpoint FILE")
    return _text(f"old {before.size}", proof, stated)


def _leaves(parts: Parts, stated: str) -> list[bytes]:
    with parts.db.read() as conn:
        first = audit.log(conn).first
        return [merkle.leaf(line.line(leaf)) for leaf in audit.leaves(conn, first, first + note.read(stated).size)]


def _text(head: str, proof: Sequence[bytes], stated: str) -> str:
    return "".join(f"{text}\n" for text in (head, *map(note.coded, proof), "")) + stated
