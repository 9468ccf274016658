"""Tasks and channels under real processes, some of which are killed or stopped; each check finds what it is for."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from githarness.work import tasks
from githarness.work.channels import SetAsk, ShowAsk
from githarness.work.tasks import AddAsk
from tests.coordination.conftest import Table
from tests.coordination.crowd import (
    Crowd,
    Line,
    never_delivered,
    out_of_order,
    published_out_of_order,
    tasks_done_twice,
    tokens_that_shrink,
)


@pytest.fixture
def crowd(fleet: Path, tmp_path: Path) -> Iterator[Crowd]:
    (tmp_path / "told").mkdir()
    made = Crowd(fleet, tmp_path / "told")
    yield made
    made.end()


@pytest.fixture
def ready(table: Table) -> list[str]:
    return [str(table.ask(AddAsk(f"task {number}", retries=5))["task"]) for number in range(48)]


def has_claimed(name: str, history: list[Line]) -> bool:
    return any(line["who"] == name and line["what"] == "claim" for line in history)


def statuses(table: Table) -> list[str]:
    return [item["status"] for item in table.ask(tasks.ListAsk())["items"]]


def test_eight_claimers_do_each_task_once(table: Table, crowd: Crowd, ready: list[str]) -> None:
    """No task is claimed twice, none is left, and claims are in the order of asking."""
    for number in range(8):
        crowd.start("claim", f"w{number}", 600, 0.0, agent=("deployer", "scribe")[number % 2])
    history = crowd.join()
    claims = [line["task"] for line in history if line["what"] == "claim"]
    assert sorted(claims) == sorted(ready) and statuses(table) == ["done"] * len(ready)
    assert (tasks_done_twice(history), tokens_that_shrink(history)) == ([], [])
    by_token = sorted((line for line in history if line["what"] == "claim"), key=lambda line: line["token"])
    assert [line["task"] for line in by_token] == ready


def test_a_task_of_a_killed_claimer_is_done_by_another(table: Table, crowd: Crowd, ready: list[str]) -> None:
    """Once its time is over, and by exactly one."""
    crowd.start("claim", "victim", 3, 60.0)
    crowd.wait_until(lambda history: has_claimed("victim", history))
    crowd.running["victim"].send_signal(signal.SIGKILL)
    for number in range(4):
        crowd.start("claim", f"w{number}", 600, 0.0, agent="scribe")
    history = crowd.join()
    assert statuses(table) == ["done"] * len(ready)
    assert (tasks_done_twice(history), tokens_that_shrink(history)) == ([], [])
    assert table.ask(tasks.ListAsk(most=48))["items"][0]["attempts"] == 2


@pytest.mark.parametrize("doing", ["claim", "claim-careless"])
def test_a_claimer_that_slept_is_refused(table: Table, crowd: Crowd, ready: list[str], doing: str) -> None:
    """Its late `done` is not accepted; one that does not listen is what the checker finds (negative control)."""
    crowd.start(doing, "sleeper", 1, 3.0)
    crowd.wait_until(lambda history: has_claimed("sleeper", history))
    crowd.running["sleeper"].send_signal(signal.SIGSTOP)
    time.sleep(1.2)  # longer than its claim
    for number in range(4):
        crowd.start("claim", f"w{number}", 600, 0.0, agent="scribe")
    crowd.wait_until(lambda history: sum(line["what"] == "done" for line in history) >= len(ready))
    crowd.running["sleeper"].send_signal(signal.SIGCONT)
    history = crowd.join()
    late = [line for line in history if line["who"] == "sleeper" and line["what"] != "claim"]
    if doing == "claim":
        assert [line["what"] for line in late] == ["lost"] and tasks_done_twice(history) == []
    else:
        assert tasks_done_twice(history) == [late[0]["task"]]
    assert statuses(table) == ["done"] * len(ready)


def test_every_message_reaches_every_subscriber(table: Table, crowd: Crowd) -> None:
    """Four publishers, two subscribers, one of which is killed in between; the channel has room for a part only."""
    table.ask(SetAsk("ops", most=40), "olive")
    subscribers = {"reader": "deployer", "other": "scribe"}
    for name, agent in subscribers.items():
        crowd.start("read", f"{name}.0", "ops", 160, agent=agent)
    while len(table.ask(ShowAsk("ops"))["subscribers"]) < 2:
        time.sleep(0.05)
    for number in range(4):
        crowd.start("publish", f"p{number}", "ops", 40)
    crowd.wait_until(lambda history: any(line["who"] == "reader.0" and line["what"] == "ack" for line in history))
    crowd.running["reader.0"].send_signal(signal.SIGKILL)
    crowd.start("read", "reader.1", "ops", 160)
    history = crowd.join()
    assert sum(line["what"] == "publish" for line in history) == 160
    assert never_delivered(history, subscribers) == []
    assert (out_of_order(history), published_out_of_order(history)) == ([], [])


def test_who_acknowledges_first_loses_what_it_had(table: Table, crowd: Crowd) -> None:
    """The negative control: a reader that is killed between acknowledging and working, which the checker finds."""
    crowd.start("publish", "p0", "ops", 30).wait()
    crowd.start("read-careless", "reader.0", "ops", 30)
    while not any(one["cursor"] for one in table.ask(ShowAsk("ops"))["subscribers"]):
        time.sleep(0.005)
    crowd.running["reader.0"].send_signal(signal.SIGKILL)
    crowd.start("read", "reader.1", "ops", 30)
    assert never_delivered(crowd.join(), ["reader"])


def test_the_checks_see_what_is_wrong() -> None:
    """Shrinking tokens, a cursor that goes back, a publish that overtakes."""
    line: Line = {"who": "a", "task": "t", "token": 2, "cursor": 2, "id": "m", "start": 0, "end": 1}
    later = {**line, "token": 1, "cursor": 1, "start": 2, "end": 3}
    for what, check in (("claim", tokens_that_shrink), ("read", out_of_order), ("publish", published_out_of_order)):
        assert check([{**line, "what": what}, {**later, "what": what}])
