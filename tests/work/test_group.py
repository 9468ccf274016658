"""What the write path does with one ask, and with several in a group."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from githarness import settings, wiring
from githarness.errors import Denied, Dirty, StaleWrite, Unread, Usage
from githarness.git import pack
from githarness.git.objects import Raw
from githarness.store import bases, events
from githarness.work.asks import Ask, Op, ReadAsk, Written


@pytest.fixture
def harness(fleet: Path) -> Iterator[wiring.Harness]:
    made = wiring.open(fleet, settings.load())
    yield made
    made.close()


def ask(path: str, content: str, *, run: str = "r-1", **more: object) -> Ask:
    return Ask("deployer", run, (Op("write", path, content.encode()),), **more)  # type: ignore[arg-type]


def test_each_ask_of_a_group_is_judged_by_what_the_ones_before_it_left(harness: wiring.Harness) -> None:
    """Two new files of one name: the second writer has not read the first one's."""
    first, second = harness.local.write_group([ask("a.md", "1\n"), ask("a.md", "2\n", run="r-2")])
    assert isinstance(first, Written)
    assert isinstance(second, Unread)


def test_a_refused_ask_leaves_the_others_of_its_group(harness: wiring.Harness) -> None:
    """Denied in the middle: the ones around it land, in one pack, and git is sound."""
    results = harness.local.write_group([ask("a.md", "1\n"), ask(".githarness/x", "2\n"), ask("b.md", "3\n")])
    assert [type(one) for one in results] == [Written, Denied, Written]
    harness.git.run("fsck", "--strict")


def test_a_refused_write_teaches_its_run_nothing(harness: wiring.Harness) -> None:
    """A message that cannot be a commit's: the retry is judged as if the first had not been tried."""
    with pytest.raises(Usage):
        harness.local.write(ask("new.md", "1\n", message="x" * 70_000))
    with harness.db.read() as conn:
        assert bases.get(conn, "r-1", "new.md") is None
    assert harness.local.write(ask("new.md", "1\n")).commit


def test_an_operation_in_one_group_lands_once(harness: wiring.Harness) -> None:
    """The same operation twice in one group has one result."""
    first, second = harness.local.write_group([ask("a.md", "1\n", operation="op"), ask("a.md", "1\n", operation="op")])
    assert first == second


def test_names_that_are_no_text_are_refused_without_a_trace(harness: wiring.Harness) -> None:
    """A lone surrogate in a path is a usage error, and no event has it."""
    with pytest.raises(Usage):
        harness.local.write(ask("a\udcff.md", "1\n"))
    with harness.db.read() as conn:
        assert not events.any_open(conn)


def test_a_stale_write_says_what_changed(harness: wiring.Harness) -> None:
    """The details carry base, current blob and the diff between them."""
    harness.local.write(ask("a.md", "one\n"))
    doc = harness.local.read(ReadAsk("a.md", "scribe", "r-2"))
    harness.local.write(ask("a.md", "two\n"))
    with pytest.raises(StaleWrite) as caught:
        harness.local.write(Ask("scribe", "r-2", (Op("write", "a.md", b"three\n"),)))
    assert caught.value.details["base"] == doc.blob
    assert "-one\n+two\n" in str(caught.value.details["diff"])


def test_a_write_that_changes_nothing_makes_no_commit(harness: wiring.Harness) -> None:
    """The same content again: no commit, no event."""
    harness.local.write(ask("a.md", "one\n"))
    assert harness.local.write(ask("a.md", "one\n")).commit is None


def test_an_edit_that_comes_while_the_pack_is_written_is_seen(
    harness: wiring.Harness, fleet: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second look, under the index lock, refuses the write; the person's edit stays."""
    harness.local.write(ask("a.md", "one\n"))
    head, write = harness.head(), pack.write

    def slow(folder: Path, objects: Sequence[Raw]) -> Path | None:
        (fleet / "a.md").write_text("a person's\n")
        return write(folder, objects)

    monkeypatch.setattr(pack, "write", slow)
    with pytest.raises(Dirty):
        harness.local.write(ask("a.md", "two\n"))
    assert (harness.head(), (fleet / "a.md").read_text()) == (head, "a person's\n")
