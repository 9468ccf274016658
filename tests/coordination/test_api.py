"""Coordination in Python: what the commands do, typed, with their errors."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import githarness
from githarness.api import Actor
from githarness.errors import Conflict, LeaseLost, Locked, NotFound, Unavailable, Usage

Pair = tuple[Actor, Actor]


@pytest.fixture
def pair(fleet: Path) -> Iterator[Pair]:
    """`deployer` and `scribe`."""
    with githarness.open(fleet) as h:
        yield h.agent("deployer", run="r-1"), h.agent("scribe", run="r-2")


def test_state_is_set_by_comparing(pair: Pair) -> None:
    """Values as JSON has them, versions, history, deletion."""
    me, other = pair
    first = me.state.set("deploys/last", {"build": 44, "text": "ä"}, if_version=0)
    second = other.state.set("deploys/last", [1, None], if_version=first.version)
    with pytest.raises(Conflict):
        me.state.set("deploys/last", 1, if_version=first.version)
    assert me.state.get("deploys/last", at=1).value == {"build": 44, "text": "ä"}
    assert (second.version, second.agent, [one.version for one in me.state.list("deploys/")]) == (2, "scribe", [2])
    assert me.state.delete("deploys/last").deleted and len(me.state.history("deploys/last")) == 3
    with pytest.raises(NotFound):
        me.state.get("deploys/last")


def test_a_lease_is_held_for_a_block(pair: Pair) -> None:
    """Others are refused meanwhile; the next token is greater."""
    me, other = pair
    with me.lease("deploys", ttl="1m", note="v45") as lease:
        lease.renew()
        with pytest.raises(Locked) as caught, other.lease("deploys", wait=0.05):
            pass
        assert caught.value.details["agent"] == "deployer"
        assert me.state.set("k", 1, lease=lease).version == 1
    with other.lease("deploys") as later:
        assert later.token > lease.token


HOLDER = """\
import sys, time, githarness
with githarness.open(sys.argv[1]) as h, h.agent("deployer").lease("deploys", ttl="1h") as lease:
    print(lease.token, flush=True)
    time.sleep(600)
"""


def test_a_lease_ends_with_the_process_that_took_it(pair: Pair, fleet: Path) -> None:
    """A holder that is stopped keeps it; one that was killed does not keep others waiting for its time."""
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, fleet], stdout=subprocess.PIPE)
    assert holder.stdout
    token = int(holder.stdout.readline())
    holder.send_signal(signal.SIGSTOP)
    with pytest.raises(Locked):
        pair[1].lease("deploys").acquire()
    holder.kill()
    holder.communicate()
    with pair[1].lease("deploys") as later:
        assert later.token > token


def test_writes_rest_on_a_lease(pair: Pair) -> None:
    """After its end they are refused; a block that outlived its lease says so, unless it says something else."""
    me, _ = pair
    with pytest.raises(LeaseLost), me.lease("deploys") as lease:
        me.write("a.md", "one\n", lease=lease)
        lease.release()
        with pytest.raises(LeaseLost):
            me.write("a.md", "two\n", lease=lease)
        with pytest.raises(LeaseLost):
            me.state.set("k", 1, lease=lease.id)
    with pytest.raises(ZeroDivisionError), me.lease("deploys") as lease:
        lease.release()
        raise ZeroDivisionError
    assert me.read("a.md").text == "one\n"


def test_messages_come_until_acknowledged(pair: Pair) -> None:
    """At least once, in order; waiting ends with nothing when the time is over."""
    me, other = pair
    assert other.channel("ops").wait(0.05) == []
    me.channel("ops").publish({"build": 44})
    me.channel("ops").publish("for you", to="scribe")
    found = other.channel("ops").read()
    assert [one.body for one in found] == [{"build": 44}, "for you"]
    assert other.channel("ops").wait("1s") == found
    assert other.channel("ops").ack(found[0]) == found[0].cursor
    assert [one.id for one in other.channel("ops").read()] == [found[1].id]


def test_a_question_that_nobody_answers_ends(pair: Pair) -> None:
    """It can be answered later, by who was asked."""
    me, other = pair
    with pytest.raises(Unavailable):
        me.channel("ops").ask("may I?", to="scribe", wait=0.05)
    question = other.channel("ops").read()[0]
    assert other.channel("ops").reply(question, "go").reply_to == question.id


def test_a_task_is_claimed_and_done(pair: Pair) -> None:
    """By whoever holds the claim; what it needs comes first; the same key is the same task."""
    me, other = pair
    build = me.tasks.add("build", key="b45", retries=1)
    assert me.tasks.add("build", key="b45").task == build.task
    announce = me.tasks.add("announce", needs=[build], role="writer")
    claim = other.tasks.claim(ttl="1m")
    with pytest.raises(LeaseLost):
        me.tasks.done(claim)
    other.tasks.beat(claim)
    assert other.tasks.done(claim, {"commit": "2dc9"}).result == {"commit": "2dc9"}
    assert other.tasks.fail(other.tasks.claim(), "no").status == "open"
    assert [one.task for one in me.tasks.list(status="open")] == [announce.task]


def test_a_task_is_handed_on_with_its_context(pair: Pair) -> None:
    """The next stage finds the questions in the bundle."""
    me, other = pair
    task = me.tasks.add("build")
    me.tasks.handoff(me.tasks.claim(), "scribe", note="half", questions=["is v45 frozen?"])
    bundle = other.tasks.bundle(task)
    assert isinstance(bundle, dict) and bundle["questions"] == ["is v45 frozen?"]
    assert other.tasks.claim(wait=0.05).task == task.task
    with pytest.raises(NotFound):
        me.tasks.claim(wait=0.05)


def test_the_example_of_the_page_works(fleet: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """docs/coordination.md, as it stands there."""
    page = (Path(__file__).parents[2] / "docs" / "coordination.md").read_text()
    example = page.split("## From Python")[1].split("```python\n")[1].split("```")[0]
    monkeypatch.chdir(fleet)
    exec(compile(example, "coordination.md", "exec"), {})
    with githarness.open(fleet) as h:
        assert h.agent("scribe").state.get("deploys/last").value == {"build": 45}


def test_what_json_cannot_say_is_refused(pair: Pair) -> None:
    """With the errors of the commands."""
    for value in ("x" * 1_000_001, float("nan"), {1, 2}):
        with pytest.raises(Usage):
            pair[0].state.set("k", value)  # type: ignore[arg-type]
    with pytest.raises(Usage):
        pair[0].lease("deploys", ttl="soon")
