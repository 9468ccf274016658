"""Proofs for who has a checkpoint alone: that an event is in the log, that a log goes on from an older checkpoint."""

from __future__ import annotations

import base64

import pytest

from githarness.audit import merkle, note
from githarness.errors import Integrity, NotFound
from githarness.work import audit_proof, audit_seal


def taken_apart(text: str) -> tuple[list[str], list[bytes], note.Checkpoint]:
    """Lines before the hashes, the hashes, and the checkpoint."""
    head, _, stated = text.partition("\n\n")
    lines = head.split("\n")
    hashes = [line for line in lines if len(line) == 44]
    return [line for line in lines if line not in hashes], [base64.b64decode(one) for one in hashes], note.read(stated)


def test_an_event_is_proved(sealed, git) -> None:
    """By its line, which is in the bundle and in git, and by nothing else of the log."""
    head, proof, point = taken_apart(audit_proof.of_event(sealed.harness.parts, "e-fill3"))
    lines = git(sealed.folder, "show", f"refs/githarness/audit/{point.log}:events.jsonl").split("\n")
    index = next(at for at, line in enumerate(lines) if '"id":"e-fill3"' in line)
    assert head == ["c2sp.org/tlog-proof@v1", f"index {index}"]
    assert merkle.included(lines[index].encode() + b"\n", index, point.size, proof) == point.root
    with pytest.raises(NotFound):
        audit_proof.of_event(sealed.harness.parts, "e-nothing")


def test_an_older_checkpoint_is_gone_on_from(sealed, cli, tmp_path) -> None:
    """What a witness asks before it signs again; another log's is refused."""
    file = tmp_path / "older"
    file.write_text(audit_seal.checkpoint(sealed.harness.parts))
    older = note.read(file.read_text())
    sealed.fill(0)
    sealed.write()
    head, proof, point = taken_apart(cli("audit", "checkpoint", "--since", file, cwd=sealed.folder).out)
    assert head == [f"old {older.size}"]
    assert merkle.consistent((older.size, older.root), (point.size, point.root), proof)
    file.write_text(file.read_text().replace(older.log, "l-" + "0" * 20))
    with pytest.raises(Integrity):
        audit_proof.since(sealed.harness.parts, file.read_text())
