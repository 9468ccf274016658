"""Channels: each message at least once to each subscriber, in order, until acknowledged; a full one refuses."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from githarness.canon import CONTROL
from githarness.errors import BadPath, Denied, NotFound, Quarantined, Unavailable, Usage
from githarness.store import channels as stored
from githarness.store.audit import EventFilter, told
from githarness.store.stops import Stop
from githarness.work import breaker, channel_wait, channels
from githarness.work.asks import Ask, Op
from githarness.work.channels import AckAsk, LeaveAsk, PublishAsk, ReadAsk, ReplyAsk, SetAsk, ShowAsk
from tests.conftest import Cli
from tests.coordination.conftest import Table

Reboot = Callable[[str], None]


def publish(table: Table, body: Any = 1, who: str = "deployer", **more: Any) -> dict[str, Any]:
    return table.ask(PublishAsk("ops", json.dumps(body), **more), who)


def bodies(table: Table, who: str = "scribe", **more: Any) -> list[Any]:
    return [item["body"] for item in table.ask(ReadAsk("ops", **more), who)["items"]]


def ack(table: Table, cursor: int, who: str = "scribe") -> int:
    return int(table.ask(AckAsk("ops", cursor), who)["cursor"])


def test_what_is_not_acknowledged_comes_again(table: Table) -> None:
    """A reader that died after reading finds it all again; one that has acknowledged goes on behind it."""
    for number in range(3):
        publish(table, number)
    assert bodies(table) == bodies(table) == [0, 1, 2]
    ack(table, 2)
    assert bodies(table) == [2]


def test_each_subscriber_has_a_cursor_of_its_own(table: Table) -> None:
    """What one has acknowledged the other has yet to see."""
    publish(table)
    ack(table, 1)
    assert (bodies(table), bodies(table, "deployer"), bodies(table, "olive")) == ([], [1], [1])


def test_a_cursor_never_goes_back(table: Table) -> None:
    """An old acknowledgement that comes late changes nothing, and the database itself holds it."""
    for number in range(3):
        publish(table, number)
    assert (ack(table, 3), ack(table, 1), bodies(table)) == (3, 3, [])
    with pytest.raises(Exception, match="cursors only grow"), table.harness.db.write() as conn:
        conn.execute("UPDATE cursors SET acked = 1")


def test_an_acknowledgement_is_on_disk(table: Table) -> None:
    """So is a first read, by which somebody subscribes; another read is not."""
    publish(table)
    durable = []
    for ask in (ReadAsk("ops"), ReadAsk("ops"), AckAsk("ops", 1)):
        table.ask(ask, "scribe")
        durable.append(table.harness.db.lasts)
    assert durable == [True, False, True]


def test_nobody_acknowledges_what_was_never_published(table: Table) -> None:
    """It would skip what comes."""
    publish(table)
    with pytest.raises(Usage):
        ack(table, 2)


@pytest.mark.parametrize(("to", "seen"), [("all", "deployer scribe olive"), ("scribe", "scribe"),
                                          ("role:writer", "deployer scribe"), ("human:olive", "olive"),
                                          ("role:owner", "olive")])
def test_a_message_reaches_whom_it_is_for(table: Table, to: str, seen: str) -> None:
    """One agent, one person, those with a role, or everybody."""
    publish(table, to=to)
    assert [who for who in ("deployer", "scribe", "olive") if bodies(table, who)] == seen.split()


@pytest.mark.parametrize("to", ["nobody", "role:nothing", "human:nobody", "all "])
def test_a_message_to_nobody_is_refused(table: Table, to: str) -> None:
    """A mistyped name is told to the sender."""
    with pytest.raises(NotFound):
        publish(table, to=to)


def test_what_is_for_others_need_not_be_acknowledged(table: Table) -> None:
    """A cursor passes it by itself, so that it blocks nothing, but never what was for this subscriber."""
    publish(table, 1, to="deployer")
    publish(table, 2)
    publish(table, 3, to="deployer")
    assert bodies(table) == [2]
    cursors = {one["who"]: one["cursor"] for one in table.ask(ShowAsk("ops"))["subscribers"]}
    assert cursors == {"scribe": 1}


def test_a_full_channel_refuses(table: Table) -> None:
    """By name, with who is behind; nothing that waits is dropped, and acknowledging makes room."""
    table.ask(SetAsk("ops", most=2), "olive")
    publish(table, 1)
    publish(table, 2)
    assert bodies(table) == [1, 2]
    with pytest.raises(Unavailable, match="full") as caught:
        publish(table, 3)
    assert (caught.value.details["behind"], bodies(table)) == (["scribe"], [1, 2])
    ack(table, 1)
    publish(table, 3)
    assert bodies(table) == [2, 3]


def test_a_message_for_one_waits_for_that_one(table: Table) -> None:
    """Whoever else has acknowledged."""
    table.ask(SetAsk("ops", most=1), "olive")
    publish(table, 1, to="scribe")
    assert bodies(table, "deployer") == []
    with pytest.raises(Unavailable):
        publish(table, 2)
    assert bodies(table) == [1]


def test_who_leaves_holds_nothing_up(table: Table) -> None:
    """By itself, or by an operator; an agent cannot end another's subscription."""
    table.ask(SetAsk("ops", most=1), "olive")
    publish(table)
    bodies(table)
    bodies(table, "deployer")
    ack(table, 1, "deployer")
    with pytest.raises(Denied):
        table.ask(LeaveAsk("ops", "scribe"))
    table.ask(LeaveAsk("ops", "scribe"), "olive")
    publish(table, 2)
    with pytest.raises(NotFound):
        table.ask(LeaveAsk("ops"), "scribe")


@pytest.mark.parametrize("jump", [-1e7, 1e7])
def test_age_is_by_the_boot_clock(table: Table, jump: float) -> None:
    """A wall clock that is set drops nothing."""
    table.ask(SetAsk("ops", keep=60.0), "olive")
    publish(table, 1)
    table.clock.wall += jump
    publish(table, 2)
    assert bodies(table) == [1, 2]


def test_what_is_kept_by_age_is_said_so(fleet: Path, cli: Cli) -> None:
    """By the command that sets it as by the one that shows it."""
    cli("channel", "publish", "ops", "--agent", "deployer", cwd=fleet, stdin="1\n")
    told = [cli("channel", "set", "ops", "--keep", "1s", cwd=fleet).out, cli("channel", "show", "ops", cwd=fleet).out]
    assert all("kept for 1 s" in one for one in told), told


def test_no_reply_in_a_second_is_told_in_good_english(fleet: Path, cli: Cli) -> None:
    """`1 s`, not `1 seconds`."""
    asked = cli("channel", "ask", "ops", "--agent", "deployer", "--to", "scribe", "--wait", "1s", cwd=fleet,
                stdin="?\n")
    assert "within 1 s" in asked.err


def test_what_left_by_age_is_told(table: Table) -> None:
    """A subscriber that was away learns how many it did not see; a new one begins with what is there."""
    table.ask(SetAsk("ops", keep=60.0), "olive")
    publish(table, 1)
    bodies(table)
    table.clock.booted += 100
    table.clock.wall += 100
    publish(table, 2)
    assert [table.ask(ReadAsk("ops"), who)["missed"] for who in ("scribe", "deployer")] == [1, 0]


def test_what_one_reader_holds_the_next_does_not_get(table: Table) -> None:
    """Until the time is over on the boot clock: two processes of one agent share the work."""
    for number in range(4):
        publish(table, number)
    assert bodies(table, most=2, hold=30.0) == [0, 1]
    assert bodies(table, most=2, hold=30.0) == [2, 3]
    table.clock.wall += 1e6
    assert bodies(table) == []
    table.clock.booted += 31
    assert bodies(table) == [0, 1, 2, 3]


def test_what_was_held_before_a_start_of_the_machine_comes_again(table: Table, reboot: Reboot) -> None:
    """The process that had it is gone."""
    publish(table)
    bodies(table, hold=1000.0)
    reboot("b2")
    assert bodies(table) == [1]


def test_from_a_cursor_on_nothing_is_changed(table: Table) -> None:
    """Who keeps its own cursor does not subscribe."""
    for number in range(3):
        publish(table, number)
    assert bodies(table, after=1) == [1, 2]
    assert table.ask(ShowAsk("ops"))["subscribers"] == []


def test_a_read_has_an_end(table: Table) -> None:
    """By number and by size; its cursor is that of the last one, and the rest follows."""
    for _ in range(12):
        publish(table, "x" * 990_000)
    first = table.ask(ReadAsk("ops"), "scribe")
    assert (len(first["items"]), first["cursor"]) == (9, 9)
    ack(table, 9)
    assert len(bodies(table)) == 3


@pytest.mark.parametrize("body", [b"x" * 1_000_001, b" " * 5_000_000, b"\xff\xfe", b"[" * 100_000])
def test_a_body_has_limits(body: bytes) -> None:
    """Too large, binary, too deep: refused before anything is stored."""
    with pytest.raises(Usage):
        channels.body_of(body)


@pytest.mark.parametrize("name", ["", "../x", ".git/x", "a\nb", "a\x1b[2J", "a\u202eb", "x" * 5000])
def test_a_name_is_a_path(table: Table, name: str) -> None:
    """What no artifact may be called no channel is."""
    with pytest.raises(BadPath):
        table.ask(PublishAsk(name, "1"))


HOSTILE = "\x1b[2J\x1b]0;owned\x07\u202egnp\u200b<script>alert(1)</script>\nm-000 1 2026 olive to all\n\x9b1m"


def test_untrusted_text_does_not_drive_the_terminal(fleet: Path, cli: Cli) -> None:
    """Escaped, and indented so that no line of it looks like the head of a message; --json has it as it was."""
    assert cli("channel", "publish", "ops", "--agent", "deployer", cwd=fleet, stdin=HOSTILE).code == 0
    shown = cli("channel", "read", "ops", "--agent", "scribe", cwd=fleet)
    printed = shown.out + shown.err
    assert not [char for char in printed if re.match(CONTROL, char)]
    assert [line for line in shown.out.splitlines() if line.startswith("m-000")] == []
    found = cli("channel", "read", "ops", "--agent", "scribe", "--json", cwd=fleet)
    assert found.json["items"][0]["body"] == HOSTILE and "\x1b" not in found.out


def test_references_have_their_blobs(table: Table) -> None:
    """As of now: what is written later does not change what was meant."""
    before = table.ask(PublishAsk("ops", "1", refs=("runbooks/release.md", "r-deployer")))["refs"]
    table.harness.local.write(Ask("deployer", "r-1", (Op("append", "runbooks/release.md", content=b"more\n"),)))
    after = table.ask(PublishAsk("ops", "1", refs=("runbooks/release.md",)))["refs"]
    assert before[1] == {"run": "r-deployer", "agent": "deployer", "status": "open"}
    assert before[0]["blob"] != after[0]["blob"] and before[0]["commit"] != after[0]["commit"]
    with pytest.raises(NotFound):
        table.ask(PublishAsk("ops", "1", refs=("nothing.md",)))


def test_a_reply_goes_to_who_asked(table: Table) -> None:
    """Only who was asked may give it; a message that is gone has none."""
    asked = publish(table, "may I?", to="scribe")
    with pytest.raises(Denied):
        table.ask(ReplyAsk(asked["id"], "true"), "olive")
    answer = table.ask(ReplyAsk(asked["id"], "true"), "scribe")
    assert (answer["to"], answer["reply_to"]) == ("deployer", asked["id"])
    with pytest.raises(NotFound):
        table.ask(ReplyAsk("m-nothing", "true"), "scribe")
    with pytest.raises(NotFound):
        table.ask(PublishAsk("other", "1", reply_to=asked["id"]), "scribe")


def asking(table: Table, wait: float) -> dict[str, Any]:
    message = PublishAsk("ops", '"may I?"', to="scribe")
    return channel_wait.ask(table.harness.parts, table.caller(), message, table.harness.combined.ask, wait=wait)


def test_who_asks_gets_the_reply_once(table: Table) -> None:
    """It is taken out of the channel: reading does not bring it again."""
    def replies() -> None:
        found = channel_wait.read(table.harness.parts, table.caller("scribe"), ReadAsk("ops"),
                                  table.harness.combined.ask, wait=20.0)
        table.ask(ReplyAsk(found["items"][0]["id"], '"go"'), "scribe")  # type: ignore[index,call-overload]

    other = Thread(target=replies)
    other.start()
    found = asking(table, 20.0)
    other.join()
    assert found["reply"]["body"] == "go"
    assert bodies(table, "deployer") == []


def test_without_a_reply_the_question_stays(table: Table) -> None:
    """The asker is told its id, and reads what comes later."""
    with pytest.raises(Unavailable) as caught:
        asking(table, 0.0)
    table.ask(ReplyAsk(str(caught.value.details["id"]), '"late"'), "scribe")
    assert bodies(table, "deployer") == ["late"]


def test_a_waiting_reader_is_woken(table: Table) -> None:
    """By what is published meanwhile; a time that is over brings nothing, and no error."""
    def reads(wait: float) -> list[Any]:
        found = channel_wait.read(table.harness.parts, table.caller("scribe"), ReadAsk("ops"),
                                  table.harness.combined.ask, wait=wait)
        return [item["body"] for item in found["items"]]  # type: ignore[union-attr,index,call-overload]

    assert reads(0.05) == []
    other = Thread(target=lambda: publish(table, 7))
    other.start()
    assert reads(20.0) == [7]
    other.join()


def test_policy_judges_each_channel(table: Table, fleet: Path, cli: Cli) -> None:
    """Who may only read cannot publish; who may not read is told nothing; the denial is on record."""
    publish(table)
    assert cli("agent", "add", "watcher", "--role", "reader", cwd=fleet).code == 0
    assert bodies(table, "watcher") == [1]
    with pytest.raises(Denied):
        publish(table, who="watcher")
    with pytest.raises(Denied, match="operator"):
        table.ask(SetAsk("ops", most=1))
    with table.harness.db.read() as conn:
        assert [one.leaf.agent for one in told(conn, EventFilter(kind="denial"), oldest_first=True)] == [
            "watcher", "deployer"]


def test_a_stopped_agent_neither_sends_nor_reads(table: Table) -> None:
    """At once."""
    publish(table)
    with table.harness.db.write() as conn:
        breaker.keep(conn, [Stop("scribe", 1.0, "human:olive", "why")])
    for ask in (PublishAsk("ops", "1"), ReadAsk("ops"), AckAsk("ops", 1)):
        with pytest.raises(Quarantined):
            table.ask(ask, "scribe")


def test_secrets_stay_out_of_the_log(table: Table) -> None:
    """The event of a message is redacted as every other; the message itself is delivered as it was."""
    token = "ghp_" + "3f9Kq2ZtY7LwPx8VbN4mR6sD1cHj5gE0aUQo"
    publish(table, {"use": token, "password": "hunter2hunter2"})
    with table.harness.db.read() as conn:
        kept = conn.execute("SELECT group_concat(safe || body) FROM events").fetchone()[0]
    assert not [word for word in (token, "hunter2") if word in kept]
    assert bodies(table)[0]["use"] == token


class Channel(RuleBasedStateMachine):
    """Against a list of all that was published, and each subscriber's cursor."""

    table: Table
    number = 0

    @initialize()
    def begin(self) -> None:
        Channel.number += 1
        self.name = f"ops/{Channel.number}"
        self.table.ask(SetAsk(self.name, most=6), "olive")
        self.sent: list[tuple[int, str]] = []  # number, to whom
        self.there: set[int] = set()
        self.acked: dict[str, int] = {}
        self.before: dict[str, set[int]] = {}  # what had left when somebody subscribed

    def mine(self, who: str, start: int) -> list[int]:
        audiences = ("all", who, "role:writer")
        return [seq for seq, to in self.sent if seq > start and to in audiences]

    def waits(self, seq: int, to: str) -> bool:
        if to == "scribe":
            return self.acked.get("scribe", 0) < seq
        return not self.acked or min(self.acked.values()) < seq

    @rule(to=st.sampled_from(["all", "scribe", "role:writer"]))
    def publish(self, to: str) -> None:
        seq, before = len(self.sent) + 1, self.there
        if len(self.there) >= 6:
            self.there = {one for one, audience in self.sent if one in self.there and self.waits(one, audience)}
        ask = PublishAsk(self.name, str(seq), to)
        if len(self.there) >= 6:
            with pytest.raises(Unavailable):
                self.table.ask(ask)
            self.there = before
            return
        assert self.table.ask(ask)["cursor"] == seq
        self.sent.append((seq, to))
        self.there.add(seq)

    @rule(who=st.sampled_from(["deployer", "scribe"]), most=st.integers(1, 4))
    def read(self, who: str, most: int) -> None:
        found = self.table.ask(ReadAsk(self.name, most=most), who)
        if who not in self.acked:
            self.before[who] = {seq for seq, _ in self.sent} - self.there
        start = self.acked.setdefault(who, 0)
        wanted = [seq for seq in self.mine(who, start) if seq in self.there]
        assert [item["body"] for item in found["items"]] == [item["cursor"] for item in found["items"]] == wanted[:most]
        assert {*self.mine(who, start)} <= self.there | self.before[who]  # nothing is lost to a subscriber
        first = wanted[0] - 1 if wanted else len(self.sent)
        self.acked[who] = max(start, first)

    @rule(who=st.sampled_from(["deployer", "scribe"]), part=st.floats(0, 1))
    def ack(self, who: str, part: float) -> None:
        if who in self.acked:
            cursor = int(part * len(self.sent))
            self.acked[who] = max(self.acked[who], cursor)
            assert self.table.ask(AckAsk(self.name, cursor), who)["cursor"] == self.acked[who]

    @invariant()
    def cursors_are_as_the_model_says(self) -> None:
        if hasattr(self, "name"):
            with self.table.harness.db.read() as conn:
                found = {one.subscriber.removeprefix("agent:"): one.acked for one in stored.cursors(conn, self.name)}
            assert found == self.acked


def test_channels_are_what_the_model_is(table: Table) -> None:
    """Whatever is published, read and acknowledged, in any order, with a channel that is often full."""
    Channel.table = table
    run_state_machine_as_test(Channel, settings=settings(  # type: ignore[no-untyped-call]
        max_examples=40, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)))
