"""A log of 1,000 events: no byte and no event of it can be changed, moved, added or cut off unseen.

A sample runs always, all of it in `make soak`; what is not changed passes each time before and after.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

import pytest

from githarness.audit import line, merkle
from githarness.audit.line import Leaf
from githarness.audit.replay import Pin, Replay

COUNT = 1000
COLUMNS = ("id", "time", "kind", "agent", "run", "outcome", "safe", "digest", "body", "salt")


def log() -> list[bytes]:
    kinds = ("intent", "outcome", "read", "denial", "tool")
    return [line.line(Leaf(seq, f"e-{seq:020}", 1.7e9 + seq / 3, kinds[seq % 5], f"bot{seq % 7}", None, f"r-{seq % 11}",
                           None, "c" * 40 if seq % 5 == 0 else None, None, "landed" if seq % 5 == 1 else None,
                           line.safe({"paths": [{"path": f"docs/{seq}.md"}], "rule": "role:writer"}),
                           line.digest(seq.to_bytes(16), "{}"))) for seq in range(1, COUNT + 1)]


LINES = log()
LEAVES = [merkle.leaf(text) for text in LINES]
PIN = Pin(COUNT, merkle.root(LEAVES), "checkpoint")


def codes(lines: list[bytes]) -> set[str]:
    replay = Replay([PIN])
    for text in lines:
        replay.add(text)
    replay.end()
    return {fault.code for fault in replay.faults}


def flipped(text: bytes, place: int, bit: int) -> bytes:
    return text[:place] + bytes([text[place] ^ 1 << bit]) + text[place + 1 :]


def each_byte(step: int) -> Iterator[tuple[int, int, int]]:
    """Event, place in its line, bit: every `step`-th byte of the log, bits in turn."""
    places = [(at, place) for at, text in enumerate(LINES) for place in range(len(text))]
    yield from ((at, place, number % 8) for number, (at, place) in enumerate(places[::step]))


def test_an_untouched_log_passes() -> None:
    """The negative control."""
    assert codes(LINES) == set()


def test_a_changed_byte_is_found() -> None:
    """Of a sample of bytes, by replaying the whole log."""
    for at, place, bit in each_byte(997):
        assert codes([*LINES[:at], flipped(LINES[at], place, bit), *LINES[at + 1 :]]) == {"root"}


@pytest.mark.soak
@pytest.mark.parametrize("part", range(20))
def test_every_changed_byte_is_found(part: int) -> None:
    """All bytes of the log. Its path to the root is all that a change of one line can move."""
    for at in range(part * COUNT // 20, (part + 1) * COUNT // 20):
        proof = merkle.inclusion(LEAVES, at)
        assert merkle.included(LINES[at], at, COUNT, proof) == PIN.root
        for place in range(len(LINES[at])):
            for bit in range(8):
                assert merkle.included(flipped(LINES[at], place, bit), at, COUNT, proof) != PIN.root


def test_a_moved_added_or_dropped_event_is_found() -> None:
    """Two neighbours exchanged, one twice, one gone, one put in: each at places all over the log."""
    for at in range(0, COUNT - 1, 83):
        swapped = [*LINES[:at], LINES[at + 1], LINES[at], *LINES[at + 2 :]]
        assert codes(swapped) == {"root"}
        assert codes([*LINES[:at], LINES[at], *LINES[at:]]) == {"root"}
        assert codes([*LINES[:at], *LINES[at + 1 :]]) == {"cut"}
        assert codes([*LINES[:at], b"{}\n", *LINES[at + 1 :]]) == {"root"}


@pytest.mark.parametrize("left", [0, 1, 2, 511, 512, 513, COUNT - 1])
def test_a_cut_tail_is_found(left: int) -> None:
    """G84: however much is left."""
    assert codes(LINES[:left]) == {"cut"}


@pytest.fixture
def thousand(world):
    """A sealed log of 1,000 events, with a copy to put rows back from."""
    world.write()
    with world.harness.db.read() as conn:
        there = conn.execute("SELECT size FROM audit").fetchone()[0]
    world.fill(COUNT - there)
    world.seal()
    return world


def mutations(conn, seq: int) -> Iterator[tuple[str, Callable[[], object]]]:
    for column in COLUMNS:
        other = {"time": "time + 0.5", "digest": "zeroblob(32)", "salt": "zeroblob(16)"}
        change = other.get(column, f"{column} || ' '")
        wanted = f"UPDATE events SET {column} = coalesce({change}, 'x') WHERE seq = ?"
        yield column, lambda wanted=wanted: conn.execute(wanted, (seq,))
    yield "gone", lambda: conn.execute("DELETE FROM events WHERE seq = ?", (seq,))
    yield "cut", lambda: conn.execute("DELETE FROM events WHERE seq >= ?", (seq,))
    yield "moved", lambda: conn.executescript(f"""
        DELETE FROM events WHERE seq IN ({seq}, {seq - 1});
        INSERT INTO events SELECT 2 * {seq} - 1 - seq, id, time, kind, agent, human, run, operation, commit_oid, intent,
            outcome, body, safe, salt, digest FROM saved WHERE seq IN ({seq}, {seq - 1})""")


def campaign(world, seqs: Iterator[int]) -> None:
    with world.tampering() as conn:
        conn.execute("CREATE TABLE saved AS SELECT * FROM events")
        for seq in seqs:
            for what, change in mutations(conn, seq):
                change()
                assert world.codes(), (seq, what)
                last = COUNT + 1 if what == "cut" else seq
                conn.execute("DELETE FROM events WHERE seq BETWEEN ? AND ?", (seq - 1, last))
                conn.execute("INSERT INTO events SELECT * FROM saved WHERE seq BETWEEN ? AND ?", (seq - 1, last))
        assert world.codes() == set()
        conn.execute("DROP TABLE saved")


def test_a_changed_row_is_found(thousand) -> None:
    """Of a sample of events: each column, the row gone, moved, and all from it on cut off."""
    campaign(thousand, iter([2, *random.Random(7).sample(range(3, COUNT), 3), COUNT]))


@pytest.mark.soak
@pytest.mark.parametrize("part", range(4))
def test_every_changed_row_is_found(thousand, part: int) -> None:
    """Of all 1,000 events."""
    campaign(thousand, iter(range(2 + part, COUNT + 1, 4)))
