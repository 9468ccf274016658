"""What is kept of a state entry and for how long, and its undoing: what is gone is refused by name, never guessed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from githarness import clock
from githarness.errors import NotFound
from githarness.store.rows import RunRow
from githarness.work import state, state_undo
from githarness.work.rollback import Report, Selection
from tests.conftest import Cli
from tests.coordination.conftest import Table
from tests.coordination.test_state import governed

DAY = 86400.0


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three versions of a key stay whatever their age, and each version looks for what is old."""
    monkeypatch.setattr(state, "NEWEST", 3)
    monkeypatch.setattr(state, "_SWEEP", 1)


def kept(table: Table, key: str = "k") -> list[tuple[int, bool]]:
    return [(one["version"], one["gap"]) for one in table.ask(state.HistoryAsk(key))["items"]]


def undo(table: Table, **wanted: Any) -> Report:
    nothing = Report(None, (), (), (), ())
    return state_undo.attempt(table.harness, table.caller("olive"), Selection(**wanted), commits=lambda _: nothing,
                              dry_run=False, stop=False)


@pytest.mark.usefixtures("short")
def test_of_what_a_run_set_in_a_row_the_last_stays(table: Table) -> None:
    """Beyond the newest; what somebody else set in between, or another run, stays: it can be brought back."""
    for who in ("deployer", "deployer", "scribe", "deployer", "deployer", "deployer", "deployer"):
        table.set("k", who=who)
    for number in range(3):
        table.ask(state.SetAsk("k", str(number)), "deployer", "r-2")
    assert kept(table) == [(10, False), (9, False), (8, False), (7, True), (3, False), (2, True)]


@pytest.mark.usefixtures("short")
def test_a_version_that_left_is_refused_by_name(table: Table) -> None:
    """By number and by moment; what is kept is answered on both sides of the gap."""
    for number in range(1, 8):
        table.set("k", str(number))
        table.clock.passes(10)
    then = [clock.rfc3339(table.clock.wall - 10 * ago + 5) for ago in (7, 5, 3, 1)]
    for at in ("2", then[0], then[1]):
        with pytest.raises(NotFound, match="no longer kept") as caught:
            table.value("k", at=at)
        assert caught.value.details["kept"] == 5
    assert [table.value("k", at=at) for at in ("5", then[2], then[3])] == [5, 5, 7]
    with pytest.raises(NotFound, match="no state"):
        table.value("k", at="9")


@pytest.mark.usefixtures("short")
@pytest.mark.parametrize(("policy", "days"), [("", 30), ("state: {history: 2d}\n", 2)])
def test_what_was_replaced_stays_for_as_long_as_policy_says(table: Table, policy: str, days: int) -> None:
    """Thirty days where it says nothing; the newest stays for ever."""
    governed(table, f"version: 1\n{policy}rules:\n  - {{id: all, effect: allow, actions: [read, write, delete],"
                    " paths: ['**']}\n")
    table.set("static")
    table.set("k", '"old"')
    table.set("k", '"new"', who="scribe")
    table.clock.passes(days * DAY - 60)
    table.set("other")
    assert kept(table) == [(2, False), (1, False)]
    table.clock.passes(120)
    table.set("other")
    assert kept(table) == [(2, True)] and table.value("static") == 1
    for at in ("1", clock.rfc3339(table.clock.wall - (days + 1) * DAY)):
        with pytest.raises(NotFound, match="no longer kept"):
            table.value("k", at=at)


@pytest.mark.usefixtures("short")
def test_a_key_that_is_long_gone_leaves_and_its_numbers_do_not_come_back(table: Table) -> None:
    """Deleted or expired; who noted a version of it is not fooled by a new value."""
    for _ in range(3):
        table.set("gone")
    table.ask(state.DeleteAsk("gone"))
    table.set("expired", ttl=60.0)
    table.clock.passes(31 * DAY)
    table.set("other")
    with table.harness.db.read() as conn:
        assert conn.execute("SELECT DISTINCT key FROM state").fetchall() == [("other",)]
    with pytest.raises(NotFound, match="no longer kept"):
        table.value("gone", at=clock.rfc3339(table.clock.wall - 31 * DAY))
    assert table.set("gone", if_version=0) > 4 and table.set("expired") > 1


@pytest.mark.usefixtures("short")
def test_a_wall_clock_that_is_set_lets_no_living_value_go(table: Table) -> None:
    """Its time to live is the boot clock's, which nobody sets."""
    table.set("k", ttl=3600.0)
    table.clock.wall += 365 * DAY
    table.set("other")
    assert table.value("k") == 1


def test_undoing_brings_back_what_others_set(table: Table) -> None:
    """By agent and by run; what others set later stands, and a person's entry is not undone by its time."""
    table.set("k", '"good"', who="scribe")
    for value in ("1", "2"):
        table.set("k", value)
    table.set("mine")
    table.set("later")
    table.set("later", '"theirs"', who="scribe")
    table.set("person", who="olive")
    done = undo(table, agent="deployer")
    assert {one.path: one.action for one in done.paths} == {
        "@state/k": "restored", "@state/mine": "removed", "@state/later": "conflict"}
    assert table.value("k") == "good" and table.value("later") == "theirs"
    assert undo(table, since=1.0).paths and table.value("person") == 1


def test_the_command_says_what_it_undid(fleet: Path, cli: Cli) -> None:
    """That there was no commit to undo does not mean that nothing was changed."""
    for key, who in (("k", "deployer"), ("later", "deployer"), ("later", "scribe")):
        assert cli("state", "set", key, "--agent", who, cwd=fleet, stdin="1").code == 0
    done = cli("rollback", "deployer", "--state", "--on-conflict", "skip", cwd=fleet)
    assert "removed    @state/k\n" in done.out and "nothing was changed" not in done.out
    assert cli("state", "get", "k", cwd=fleet).code == 14
    again = cli("rollback", "deployer", "--state", "--on-conflict", "skip", cwd=fleet)
    assert again.out.endswith("nothing was changed: each of these files is left as it is\n")


def caused(table: Table, run: str, agent: str, **more: Any) -> None:
    from githarness.store import runs

    with table.harness.db.write() as conn:
        runs.add(conn, RunRow(run, agent, table.clock.now(), **more))


@pytest.mark.parametrize("wanted", [{"agent": "deployer"}, {"run": "r-1"}])
def test_with_delegates_what_was_set_for_it_is_undone_too(table: Table, wanted: dict[str, str]) -> None:
    """In runs that it caused, proven or asserted; what its delegate did of its own is left, and what the delegate of
    another run did."""
    caused(table, "r-1", "deployer")
    caused(table, "r-0", "scribe", parent="r-elsewhere", chain=("deployer",))
    for run, chain in (("r-2", ("deployer",)), ("r-3", ("deployer asserted",))):
        caused(table, run, "scribe", parent="r-1", chain=chain)
    for run, who in (("r-1", "deployer"), ("r-2", "scribe"), ("r-3", "scribe"), ("r-own", "scribe")):
        table.ask(state.SetAsk(run, "1"), who, run)
    assert [one.path for one in undo(table, **wanted).paths] == ["@state/r-1"]
    table.ask(state.SetAsk("r-0", "1"), "scribe", "r-0")
    done = undo(table, with_delegates=True, **wanted)
    assert [one.path for one in done.paths] == ["@state/r-2", "@state/r-3"] + ["@state/r-0"] * ("agent" in wanted)
    assert table.value("r-own") == 1


@pytest.mark.usefixtures("short")
@pytest.mark.parametrize("how", ["old", "since"])
def test_what_is_not_kept_is_not_brought_back(table: Table, how: str) -> None:
    """A conflict that says so: neither an older value nor none is taken for what was there."""
    if how == "old":
        table.set("k", '"good"', who="scribe")
        table.set("k", '"bad"')
        table.clock.passes(31 * DAY)
        table.set("other", who="scribe")
        done = undo(table, agent="deployer")
    else:
        for number in range(6):
            table.clock.passes(10)
            table.set("k", str(number))
        done = undo(table, agent="deployer", since=table.clock.wall - 35)
    assert [one.action for one in done.paths] == ["conflict"]
    assert done.excluded[0].path == "@state/k" and "no longer kept" in done.excluded[0].why
    assert table.value("k") == ("bad" if how == "old" else 5)


@pytest.mark.usefixtures("short")
def test_a_key_that_only_one_run_ever_set_is_undone_whole(table: Table) -> None:
    """However much of it has left: nobody else was ever there."""
    for number in range(9):
        table.set("k", str(number))
    assert [one.action for one in undo(table, agent="deployer").paths] == ["removed"]
