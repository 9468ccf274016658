"""Tasks: asked for once, claimed by one, done once; a claim that is over gives nothing any more."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from githarness.errors import Conflict, Denied, LeaseLost, NotFound, Quarantined, Usage
from githarness.store import runs as stored_runs
from githarness.store import stops
from githarness.store.stops import Stop
from githarness.work import breaker, read, runs, tasks
from githarness.work.asks import Ask, Op, ReadAsk
from githarness.work.handoff import HandoffAsk, ShowAsk
from githarness.work.tasks import AddAsk, BeatAsk, ClaimAsk, DoneAsk, FailAsk, ListAsk
from tests.conftest import Cli
from tests.coordination.conftest import Table

Reboot = Callable[[str], None]


def add(table: Table, text: str = "review", **more: Any) -> str:
    return str(table.ask(AddAsk(text, **more), "olive")["task"])


def claim(table: Table, who: str = "deployer", run: str | None = None, **more: Any) -> dict[str, Any]:
    return table.ask(ClaimAsk(**more), who, run)


def done(table: Table, task: dict[str, Any], who: str = "deployer", run: str | None = None, **more: Any) -> None:
    table.ask(DoneAsk(task["task"], **more), who, run)


def status(table: Table, task: str) -> str:
    return next(item["status"] for item in table.ask(ListAsk())["items"] if item["task"] == task)


def nothing_to_claim(table: Table, who: str = "deployer", **more: Any) -> bool:
    try:
        claim(table, who, **more)
    except NotFound:
        return True
    return False


def test_tasks_are_claimed_in_the_order_of_asking(table: Table) -> None:
    """Each by one; then there is nothing."""
    wanted = [add(table, f"task {number}") for number in range(3)]
    assert [claim(table, who)["task"] for who in ("deployer", "scribe", "deployer")] == wanted
    assert nothing_to_claim(table)


def test_a_claim_has_a_token_that_grows(table: Table) -> None:
    """Over attempts and tasks."""
    add(table)
    first = claim(table)
    table.ask(FailAsk(first["task"]))
    add(table)
    assert first["token"] < claim(table)["token"] < claim(table)["token"]


def test_a_result_is_kept(table: Table) -> None:
    """With who did it; the same again by the same is told the same, another result is not taken."""
    task = add(table)
    mine = claim(table)
    done(table, mine, result='{"ok":true}')
    done(table, mine, result='{"ok":true}')
    with pytest.raises(LeaseLost):
        done(table, mine, result="2")
    found = table.ask(ShowAsk(task))
    assert (found["result"], found["agent"], found["status"]) == ({"ok": True}, "deployer", "done")


def test_a_claim_ends_with_its_time(table: Table) -> None:
    """The task goes to the next; what comes late is refused, also when the same agent has it in another run."""
    add(table)
    mine = claim(table, ttl=60.0)
    table.clock.booted += 61
    with pytest.raises(LeaseLost, match="claim has ended"):
        done(table, mine)
    again = claim(table, run="r-other")
    assert (again["task"], again["attempts"]) == (mine["task"], 2)
    task = mine["task"]
    for late in (DoneAsk(task), FailAsk(task), BeatAsk(task), HandoffAsk(task, "scribe")):
        with pytest.raises(LeaseLost):
            table.ask(late)
    done(table, again, run="r-other")


def test_a_token_tells_claims_of_one_run_apart(table: Table) -> None:
    """Two processes of a run: the one whose claim was lost says its token, and is refused."""
    add(table)
    old = claim(table, ttl=60.0)
    table.clock.booted += 61
    new = claim(table)
    with pytest.raises(LeaseLost):
        done(table, old, token=old["token"])
    done(table, new, token=new["token"])


@pytest.mark.parametrize("jump", [-1e7, 1e7])
def test_a_clock_that_is_set_ends_no_claim(table: Table, jump: float) -> None:
    """The wall clock decides nothing."""
    add(table)
    mine = claim(table, ttl=60.0)
    table.clock.wall += jump
    assert nothing_to_claim(table, "scribe")
    done(table, mine)


def test_a_beat_makes_it_last(table: Table) -> None:
    """From then on, by as much again."""
    add(table)
    mine = claim(table, ttl=60.0)
    for _ in range(3):
        table.clock.booted += 50
        table.ask(BeatAsk(mine["task"]))
    assert nothing_to_claim(table, "scribe")
    done(table, mine)


def test_a_start_of_the_machine_ends_every_claim(table: Table, reboot: Reboot) -> None:
    """Whatever the clock of the new boot says."""
    add(table)
    mine = claim(table, ttl=60.0)
    reboot("b2")
    with pytest.raises(LeaseLost):
        done(table, mine)
    assert claim(table, "scribe")["task"] == mine["task"]


def test_a_claim_ends_with_its_run(table: Table) -> None:
    """Finished, cancelled or failed: who was it will not go on."""
    add(table)
    mine = claim(table)
    runs.finish(table.harness.parts, "r-deployer", "failed")
    assert claim(table, "scribe")["task"] == mine["task"]


def test_a_claim_ends_with_the_process_of_its_run(table: Table) -> None:
    """Its process id may be another's by now; a run that says no process is left alone."""
    add(table)
    claim(table)
    with table.harness.db.write() as conn:
        conn.execute("UPDATE runs SET pid = 1, pid_start = -1 WHERE id = 'r-deployer'")
        assert stored_runs.get(conn, "r-deployer")
    assert claim(table, "scribe")["attempts"] == 2


@pytest.mark.parametrize("how", ["limit", "retired"])
def test_a_stopped_agent_holds_no_task(table: Table, fleet: Path, cli: Cli, how: str) -> None:
    """Quarantine ends its claims in the same transaction, retirement from its commit on; neither finishes anything."""
    add(table)
    mine = claim(table)
    if how == "limit":
        with table.harness.db.write() as conn:
            breaker.keep(conn, [Stop("deployer", 1.0, "limit", "too many")])
    else:
        assert cli("agent", "retire", "deployer", cwd=fleet).code == 0
    with pytest.raises((Quarantined, Denied)):
        done(table, mine)
    assert claim(table, "scribe")["task"] == mine["task"]


def test_a_release_brings_no_claim_back(table: Table) -> None:
    """It ended with the stop, in the same transaction, whether or not anybody looked meanwhile."""
    add(table)
    mine = claim(table)
    with table.harness.db.write() as conn:
        breaker.keep(conn, [Stop("deployer", 1.0, "limit", "too many")])
        stops.release(conn, ["deployer"], 2.0)
    with pytest.raises(LeaseLost):
        done(table, mine)


def test_failing_is_tried_again_up_to_a_limit(table: Table) -> None:
    """Then it has failed, and what needs it is blocked, by however many steps."""
    first = add(table, retries=1)
    second = add(table, needs=(first,))
    third = add(table, needs=(second,))
    for wanted in ("open", "failed"):
        table.ask(FailAsk(claim(table)["task"], "tests are red"))
        assert status(table, first) == wanted
    assert (status(table, second), status(table, third), status(table, add(table, needs=(third,)))) == ("blocked",) * 3
    assert table.ask(ShowAsk(first))["note"] == "tests are red" and nothing_to_claim(table)


def test_a_claim_that_ends_by_itself_counts(table: Table) -> None:
    """A task that kills whoever takes it does not go round for ever."""
    task = add(table, retries=0)
    claim(table, ttl=10.0)
    table.clock.booted += 11
    assert nothing_to_claim(table) or status(table, task) == "failed"
    assert status(table, task) == "failed"


def test_a_task_waits_for_what_it_needs(table: Table) -> None:
    """For all of it."""
    first, second = add(table), add(table)
    third = add(table, needs=(first, second, first))
    mine, other = claim(table), claim(table, "scribe")
    done(table, mine)
    assert nothing_to_claim(table)
    done(table, other, "scribe")
    assert claim(table)["task"] == third
    assert status(table, add(table, needs=(first,))) == "open"


def test_what_is_not_there_cannot_be_needed(table: Table) -> None:
    """So no circle can be made: a task needs only what was asked for before it."""
    with pytest.raises(NotFound):
        add(table, needs=("t-00000000000000000000",))
    assert table.ask(ListAsk())["items"] == []


def test_the_same_key_is_the_same_task(table: Table) -> None:
    """Whatever became of it, and whatever else is asked."""
    first = add(table, key="review-1")
    done(table, claim(table))
    again = table.ask(AddAsk("another text", key="review-1"))
    assert (again["task"], again["status"], again["text"], again["repeated"]) == (first, "done", "review", True)
    assert len(table.ask(ListAsk())["items"]) == 1


def test_a_task_may_want_a_role_or_a_skill(table: Table, fleet: Path, cli: Cli) -> None:
    """Who has it takes it; who has not goes past it to what comes behind. Owners take what is for owners."""
    assert cli("agent", "add", "second", "--role", "writer", cwd=fleet).code == 0
    owners, skilled, plain = add(table, role="owner"), add(table, skill="rust"), add(table)
    assert claim(table, "second")["task"] == plain
    assert nothing_to_claim(table)
    assert claim(table, skills=("rust",))["task"] == skilled
    assert claim(table, "olive")["task"] == owners
    with pytest.raises(NotFound):
        add(table, role="nothing")


def test_a_reader_takes_nothing(table: Table, fleet: Path, cli: Cli) -> None:
    """It sees what there is, and is told that it may not, instead of that there is nothing."""
    assert cli("agent", "add", "watcher", "--role", "reader", cwd=fleet).code == 0
    task = add(table)
    assert table.ask(ListAsk(), "watcher")["items"][0]["task"] == task
    for ask in (ClaimAsk(), AddAsk("x"), DoneAsk(task)):
        with pytest.raises(Denied):
            table.ask(ask, "watcher")


@pytest.mark.parametrize("ask", [AddAsk(" "), AddAsk("x" * 20_001), AddAsk("x", key=""), AddAsk("x", retries=-1),
                                 AddAsk("x", skill="s" * 201), ClaimAsk(ttl=0.0), ClaimAsk(ttl=1e9), ListAsk("lost")])
def test_what_makes_no_sense_is_refused(table: Table, ask: object) -> None:
    """Before anything is changed."""
    with pytest.raises(Usage):
        table.ask(ask)


def test_a_waiting_claimer_is_woken(table: Table) -> None:
    """By a task that is added, and by one whose claim ends."""
    def waits() -> Any:
        return tasks.wait_for(table.harness.parts, table.caller("scribe"), ClaimAsk(), table.harness.combined.ask,
                              wait=20.0)["task"]

    other = Thread(target=lambda: add(table))
    other.start()
    first = waits()
    other.join()
    table.ask(FailAsk(str(first)), "scribe")
    claim(table, ttl=60.0)
    table.clock.booted += 61
    assert waits() == first


def handed(table: Table) -> str:
    """A task that deployer has begun, and handed to scribe."""
    task = add(table)
    path, parts = "runbooks/release.md", table.harness.parts
    claim(table)
    read.read(parts, ReadAsk(path, "deployer", run="r-deployer"))
    table.harness.local.write(Ask("deployer", "r-deployer", (Op("write", "notes.md", content=b"half\n"),)))
    table.harness.fresh_index()
    table.ask(HandoffAsk(task, "scribe", "half done", '["is v45 frozen?"]', refs=(path,)))
    return task


def test_only_whom_it_is_handed_to_can_claim(table: Table) -> None:
    """The former holder has let it go; the attempts begin anew."""
    task = handed(table)
    with pytest.raises(LeaseLost):
        table.ask(DoneAsk(task))
    assert nothing_to_claim(table) and nothing_to_claim(table, "olive")
    mine = claim(table, "scribe")
    assert (mine["task"], mine["attempts"], mine["to"]) == (task, 1, "scribe")


def test_the_next_stage_starts_from_what_the_last_one_had(table: Table) -> None:
    """Run, journal, questions, and each artifact with its blob as of one commit; what changed since says so."""
    task, parts = handed(table), table.harness.parts
    head = table.harness.head()
    table.harness.local.write(Ask("scribe", "r-x", (Op("append", "notes.md", content=b"more\n"),)))
    bundle = table.ask(ShowAsk(task, bundle=True), "scribe")["bundle"]
    assert (bundle["from"], bundle["run"]["id"], bundle["commit"], bundle["note"]) == (
        "deployer", "r-deployer", head, "half done")
    assert bundle["questions"] == ["is v45 frozen?"] and bundle["refs"][0]["path"] == "runbooks/release.md"
    for one in bundle["artifacts"]:
        entry = parts.reader.entry(head, one["path"])
        assert entry and entry.oid == one["blob"] == one["seen"]
    assert [(one["path"], one["wrote"], one["changed"]) for one in bundle["artifacts"]] == [
        ("notes.md", True, True), ("runbooks/release.md", False, False)]
    assert "intent" in [one["kind"] for one in bundle["journal"]]


SECRETIVE = """version: 1
rules:
  - {id: all, effect: allow, actions: [read, write, append, delete, rename]}
  - {id: private, effect: deny, agents: [scribe], actions: [read], paths: [notes.md]}
"""


def test_a_bundle_leaves_out_what_its_reader_may_not_see(table: Table) -> None:
    """Policy as of the reading decides; others see it."""
    task = handed(table)
    op = Op("write", ".githarness/policies/main.yaml", SECRETIVE.encode(), if_match="absent")
    table.harness.local.write_as(Ask("", "r-olive", (op,)), "olive")
    paths = [[one["path"] for one in table.ask(ShowAsk(task, bundle=True), who)["bundle"]["artifacts"]]
             for who in ("scribe", "deployer")]
    assert paths == [["runbooks/release.md"], ["notes.md", "runbooks/release.md"]]


def test_policy_gives_tasks_to_some(table: Table) -> None:
    """Who may not work on tasks claims none, and is told so; its denial is on record, the task stays open."""
    op = Op("write", ".githarness/policies/main.yaml",
            SECRETIVE.replace("[read], paths: [notes.md]", "[write], paths: ['@task/**']").encode(), if_match="absent")
    table.harness.local.write_as(Ask("", "r-olive", (op,)), "olive")
    task = add(table)
    with pytest.raises(Denied):
        claim(table, "scribe")
    assert status(table, task) == "open" and claim(table)["task"] == task


def test_who_may_hand_on(table: Table) -> None:
    """The holder and operators, to one that is there, what is not over."""
    task = add(table)
    with pytest.raises(LeaseLost):
        table.ask(HandoffAsk(task, "scribe"))
    claim(table)
    for to, error in (("nobody", NotFound), ("role:writer", Usage), ("all", Usage)):
        with pytest.raises(error):
            table.ask(HandoffAsk(task, to))
    table.ask(HandoffAsk(task, "scribe"), "olive")
    done(table, claim(table, "scribe"), "scribe")
    with pytest.raises(Conflict):
        table.ask(HandoffAsk(task, "deployer"), "olive")


def test_the_commands_work_together(fleet: Path, cli: Cli) -> None:
    """From asking to the result, with exit codes, and without anything on stdin where nothing is given."""
    found = cli("task", "add", "review \x1b[31mred", "--key", "k", "--json", cwd=fleet).json
    repeated = cli("task", "add", "again", "--key", "k", cwd=fleet)
    assert repeated.out.strip() == found["task"] and "asked for before" in repeated.err
    assert cli("task", "claim", "--agent", "deployer", "--run", "r-1", cwd=fleet).code == 0
    assert cli("task", "claim", "--agent", "scribe", cwd=fleet).code == 14
    assert cli("task", "done", found["task"], "--agent", "scribe", cwd=fleet).code == 12
    assert cli("task", "done", found["task"], "--agent", "deployer", "--run", "r-1", cwd=fleet, stdin="ok\n").code == 0
    shown = cli("task", "list", cwd=fleet)
    assert "\x1b" not in shown.out and "done by deployer" in shown.out
    assert json.loads(cli("task", "show", found["task"], "--json", cwd=fleet).out)["result"] == "ok"


class Tasks(RuleBasedStateMachine):
    """Against a list of tasks, each with its status, holder and attempts."""

    table: Table

    @initialize()
    def begin(self) -> None:
        with self.table.harness.db.write() as conn:
            conn.execute("DELETE FROM tasks")
            conn.execute("DELETE FROM needs")
        self.model: dict[str, dict[str, Any]] = {}

    def settle(self) -> None:
        for task in self.model.values():
            if task["status"] == "claimed" and task["until"] <= self.table.clock.booted:
                self.back(task)

    def back(self, task: dict[str, Any]) -> None:
        task["status"] = "failed" if task["attempts"] >= task["most"] else "open"
        task["holder"] = None

    def shown(self, name: str) -> str:
        task = self.model[name]
        needs = [self.shown(need) for need in task["needs"]]
        if task["status"] != "open" or all(one == "done" for one in needs):
            return str(task["status"])
        return "blocked" if {"failed", "blocked"} & set(needs) else "waiting"

    @rule(needs=st.lists(st.floats(0, 0.999), max_size=2), retries=st.integers(0, 2))
    def add(self, needs: list[float], retries: int) -> None:
        there = list(self.model)
        needed = [there[int(one * len(there))] for one in needs] if there else []
        name = str(self.table.ask(AddAsk("x", needs=needed, retries=retries))["task"])
        self.model[name] = {"status": "open", "needs": needed, "attempts": 0, "most": retries + 1, "holder": None}

    @rule(who=st.sampled_from(["deployer", "scribe"]), ttl=st.sampled_from([5.0, 50.0]))
    def claim(self, who: str, ttl: float) -> None:
        self.settle()
        first = next((name for name in self.model if self.shown(name) == "open"), None)
        if first is None:
            assert nothing_to_claim(self.table, who)
            return
        assert claim(self.table, who, ttl=ttl)["task"] == first
        task = self.model[first]
        task |= {"status": "claimed", "holder": who, "until": self.table.clock.booted + ttl,
                 "attempts": task["attempts"] + 1}

    @rule(which=st.floats(0, 0.999), who=st.sampled_from(["deployer", "scribe"]), well=st.booleans())
    def end(self, which: float, who: str, well: bool) -> None:
        if not self.model:
            return
        name = list(self.model)[int(which * len(self.model))]
        task = self.model[name]
        live = task["status"] == "claimed" and task["holder"] == who and task["until"] > self.table.clock.booted
        again = task["status"] == "done" and task["holder"] == who and well
        try:
            self.table.ask(DoneAsk(name) if well else FailAsk(name), who)
            assert live or again
        except LeaseLost:
            assert not live and not again
        if live and well:
            task["status"] = "done"
        elif live:
            self.back(task)

    @rule(seconds=st.sampled_from([1.0, 6.0, 60.0]))
    def time_goes_by(self, seconds: float) -> None:
        self.table.clock.booted += seconds

    @rule()
    def look(self) -> None:
        self.settle()
        found = {item["task"]: item["status"] for item in self.table.ask(ListAsk())["items"]}
        assert found == {name: self.shown(name) for name in self.model}


def test_tasks_are_what_the_model_is(table: Table) -> None:
    """Whatever is added, claimed, done, failed and left alone, in any order."""
    Tasks.table = table
    run_state_machine_as_test(Tasks, settings=settings(  # type: ignore[no-untyped-call]
        max_examples=60, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)))
