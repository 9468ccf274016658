"""`audit verify` tells what was changed, where, and what is only a crash; each case beside the same log untouched."""

from __future__ import annotations

import os

import pytest

from githarness.audit import note
from githarness.seal import keys
from githarness.store import events
from githarness.store.rows import EventRow
from githarness.work import audit_pins, audit_seal

NEWEST = "(SELECT max(seq) FROM events)"


def row(number: int) -> EventRow:
    return EventRow(f"e-more{number}", 9.0, "read", "bot")


def test_an_untouched_log_passes(sealed) -> None:
    """The negative control of all that follows: sealed and unsealed events, links, commits."""
    found = sealed.verify()
    assert (found.faults, found.open, found.notes) == ([], [], [])
    assert 0 < found.sealed < found.size


SEALED = {
    "a field": "UPDATE events SET agent = 'scribe' WHERE id = 'e-fill0'",
    "a time": "UPDATE events SET time = time + 1e-6 WHERE id = 'e-fill0'",
    "a safe field": "UPDATE events SET safe = '{}' WHERE id = 'e-fill0'",
    "a body": "UPDATE events SET body = body || ' ' WHERE id = 'e-fill0'",
    "a salt": "UPDATE events SET salt = x'00' WHERE id = 'e-fill0'",
    "a digest": "UPDATE events SET digest = NULL WHERE id = 'e-fill0'",
    "a body and its digest": "UPDATE events SET body = '', salt = NULL, digest = x'00' WHERE id = 'e-fill0'",
    "a kind of storage": "UPDATE events SET agent = x'80' WHERE id = 'e-fill0'",
    "an order": "UPDATE events SET id = CASE id WHEN 'e-fill0' THEN 'e-fill1' ELSE 'e-fill0' END || 'x' "
                "WHERE id IN ('e-fill0', 'e-fill1')",
    "a row": "DELETE FROM events WHERE id = 'e-fill0'",
    "many rows": "DELETE FROM events WHERE id LIKE 'e-fill%'",
    "the size": "UPDATE audit SET size = size - 1",
    "the frontier": "UPDATE audit SET frontier = zeroblob(length(frontier))",
    "the form of the frontier": "UPDATE audit SET frontier = x'00'",
    "the beginning": "UPDATE audit SET first = first + 1",
    "what is sealed": "UPDATE audit SET sealed = sealed + 1",
    "the log": "UPDATE audit SET log = 'l-00000000000000000000'",
}


@pytest.mark.parametrize("what", SEALED)
def test_a_change_of_sealed_events_is_found(sealed, what: str) -> None:
    """G84, G86: in SQLite alone, whatever the column."""
    sealed.edit(SEALED[what])
    assert sealed.codes()


UNSEALED = {
    "a field": f"UPDATE events SET agent = 'x' WHERE seq = {NEWEST}",
    "a body": f"UPDATE events SET body = '[]' WHERE seq = {NEWEST}",
    "the last row": f"DELETE FROM events WHERE seq = {NEWEST}",
    "the last row and the size": f"DELETE FROM events WHERE seq = {NEWEST}",
    "a row too many": f"INSERT INTO events SELECT seq + 1, id || 'x', time, kind, agent, human, run, operation, "
                      f"commit_oid, intent, outcome, body, safe, salt, digest FROM events WHERE seq = {NEWEST}",
}


@pytest.mark.parametrize("what", UNSEALED)
def test_a_change_of_events_that_are_not_sealed_yet_is_found(sealed, what: str) -> None:
    """The frontier in the database knows them from the first moment on."""
    sealed.edit(UNSEALED[what])
    if "size" in what:
        sealed.edit("UPDATE audit SET size = size - 1")
    assert sealed.codes()


def test_events_that_were_changed_are_not_sealed(sealed) -> None:
    """G86: the log's key does not sign what was not recorded."""
    sealed.edit("UPDATE events SET agent = 'x' WHERE id = 'e-tool'")
    with pytest.raises(audit_seal.Integrity, match="not as they were recorded"):
        sealed.seal()


def test_a_place_is_named(sealed) -> None:
    """Which event, and what is wrong with it."""
    sealed.edit("UPDATE events SET agent = 'scribe' WHERE id = 'e-fill0'")
    with sealed.harness.db.read() as conn:
        event = events.find(conn, "e-fill0")
    assert sealed.verify().faults == [("edited", f"event {event.seq}", "is not as it was sealed")]


def test_a_shorter_chain_in_git_is_found(sealed, git) -> None:
    """The newest seal taken away, or the whole ref: the database knows how far it went."""
    ref = f"refs/githarness/audit/{sealed.verify().log}"
    sealed.seal()
    git(sealed.folder, "update-ref", ref, f"{ref}~1")
    assert "cut" in sealed.codes()
    git(sealed.folder, "update-ref", "-d", ref)
    assert "cut" in sealed.codes()
    with pytest.raises(audit_seal.Integrity):
        sealed.seal()


def test_a_chain_by_another_key_is_found(sealed, git) -> None:
    """A commit that anybody made on the ref, with the same files, is not signed by the log's key."""
    ref = f"refs/githarness/audit/{sealed.verify().log}"
    forged = git(sealed.folder, "commit-tree", f"{ref}^{{tree}}", "-m", "forged")
    git(sealed.folder, "update-ref", ref, forged)
    assert "signature" in sealed.codes()


def test_an_outside_witness_finds_a_cut_of_everything(sealed, git) -> None:
    """G84: database and ref set back together; only the checkpoint that left the machine knows."""
    ref = f"refs/githarness/audit/{sealed.verify().log}"
    before = {path: path.read_bytes() for path in (sealed.folder / ".git/githarness").glob("harness.db*")}
    old = git(sealed.folder, "rev-parse", ref)
    sealed.record(*map(row, range(3)))
    witness = audit_seal.checkpoint(sealed.harness.parts)
    assert sealed.codes(checkpoint=witness) == set()
    sealed.seal()
    sealed.harness.db.close()
    for path in (sealed.folder / ".git/githarness").glob("harness.db*"):
        os.unlink(path)
    for path, data in before.items():
        path.write_bytes(data)
    git(sealed.folder, "update-ref", ref, old)
    assert sealed.codes() == set()
    assert sealed.codes(checkpoint=witness) == {"cut"}


def test_a_fork_is_found_by_who_saw_the_other_log(sealed) -> None:
    """G84: two histories of one log, signed by its key: no root fits both."""
    witness = audit_seal.checkpoint(sealed.harness.parts)
    size = sealed.verify().size
    sealed.edit("UPDATE audit SET size = sealed, frontier = sealed_frontier")
    with sealed.tampering() as conn:
        conn.execute("DELETE FROM events WHERE seq >= (SELECT first + size FROM audit)")
        conn.execute("DELETE FROM open_intents")
    while sealed.verify().size < size:
        sealed.record(row(sealed.verify().size))
    sealed.seal()
    assert {fault.where for fault in sealed.verify(checkpoint=witness).faults if fault.code == "root"} >= {"checkpoint"}


def test_a_log_that_took_another_ones_place_is_found(sealed) -> None:
    """G84: the whole database replaced; the clone's configuration or a witness names the old log."""
    log, witness = sealed.verify().log, audit_seal.checkpoint(sealed.harness.parts)
    sealed.harness.db.close()
    for path in (sealed.folder / ".git/githarness").glob("harness.db*"):
        os.unlink(path)
    assert "replaced" in sealed.codes(log=log) and "replaced" in sealed.codes(checkpoint=witness)


def test_a_checkpoint_that_the_log_did_not_sign_is_found(sealed) -> None:
    """The right numbers in a note of another key are worth nothing."""
    key = keys.generate()
    point = note.read(audit_seal.checkpoint(sealed.harness.parts))
    assert sealed.codes(checkpoint=note.sign(point, key.public, keys.KeySigner(key).sign_plain)) == {"signature"}


@pytest.fixture
def meanwhile(sealed, monkeypatch):
    """`meanwhile(act)`: done after verify has read git and before it reads the database."""
    before = audit_pins.of_branch

    def plan(act) -> None:
        def of_branch(*args):
            found = before(*args)
            act()
            return found

        monkeypatch.setattr(audit_pins, "of_branch", of_branch)

    return plan


def test_a_sealing_meanwhile_is_no_cut(sealed, meanwhile) -> None:
    """The daemon seals while somebody verifies: the database then knows of more than the ref that was read before."""
    meanwhile(sealed.seal)
    assert sealed.verify().faults == []


def test_a_write_meanwhile_is_not_gone(sealed, meanwhile) -> None:
    """It landed on a branch that was read before it did."""
    meanwhile(sealed.write)
    assert (sealed.verify().faults, sealed.verify().notes) == ([], [])


def test_a_database_from_a_backup_is_not_called_a_crash(sealed, cli) -> None:
    """Git has more than was ever written here again: no sealing will note that, and doctor says what it is."""
    place = sealed.folder / ".git/githarness/harness.db"
    sealed.harness.db.flush()
    older = place.read_bytes()
    for _ in range(3):
        sealed.write()
    sealed.seal()
    sealed.harness.db.close()
    for file in place.parent.glob("harness.db*"):
        file.unlink()
    place.write_bytes(older)
    found = sealed.verify()
    assert "missing" in {fault.code for fault in found.faults} and found.notes == []
    items = cli("doctor", "--json", cwd=sealed.folder).json["items"]
    assert [item["state"] for item in items if item["check"] == "audit log"] == ["warn"]
