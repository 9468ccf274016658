"""What agents of one clone share, in Python: state, leases, channels and tasks, as `githarness.api.Actor` has them.

    me = h.agent("deployer")
    with me.lease("deploys", ttl="5m", wait="1m") as lease:
        before = me.state.get("deploys/last")
        me.state.set("deploys/last", {"build": 45}, if_version=before.version, lease=lease)

Values and bodies are what JSON can say. Lengths of time are seconds, or text like "5m". The daemon is used where one
listens. Errors are those of the commands, classes of `githarness.errors`; docs/coordination.md says what the verbs do.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from types import TracebackType
from typing import Any, Self, TypeVar, cast

from githarness import canon, clock, wiring
from githarness.canon import Json
from githarness.errors import LeaseLost, Usage
from githarness.work import channel_wait, channels, handoff, lease_holder, leases, state, tasks
from githarness.work.coordination import Caller

Time = float | str
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Desk:
    """Who asks, and what carries it out."""

    harness: wiring.Harness
    caller: Caller

    def ask(self, what: object) -> dict[str, Json]:
        return self.harness.table.ask(self.caller, what)


@dataclass(frozen=True, slots=True)
class Entry:
    """One version of a state entry. `time` is RFC 3339; one of `agent` and `human` is None."""

    key: str
    value: Json
    version: int
    agent: str | None
    human: str | None
    run: str
    time: str
    deleted: bool
    expires: str | None


@dataclass(frozen=True, slots=True)
class State:
    """Values that agents share, versions kept with who and when."""

    _desk: Desk

    def get(self, key: str, *, at: str | int | None = None) -> Entry:
        """The value now, or as it was `at` a version or a time. Raises NotFound, Denied."""
        return _of(Entry, self._desk.ask(state.GetAsk(key, None if at is None else str(at))))

    def set(self, key: str, value: Json, *, if_version: int | None = None, ttl: Time | None = None,
            lease: Lease | str | None = None) -> Entry:
        """The new version. `if_version`: only where that one is there now, 0 for none. Raises Conflict, LeaseLost,
        Denied, Usage (a value of more than 1,000,000 bytes)."""
        ask = state.SetAsk(key, _json(value), if_version, None if ttl is None else _seconds(ttl), _id(lease))
        return _of(Entry, self._desk.ask(ask))

    def delete(self, key: str, *, if_version: int | None = None, lease: Lease | str | None = None) -> Entry:
        """The history stays. Raises NotFound, Conflict, LeaseLost, Denied."""
        return _of(Entry, self._desk.ask(state.DeleteAsk(key, if_version, _id(lease))))

    def history(self, key: str, *, most: int = 50) -> list[Entry]:
        """Newest first. Raises NotFound, Denied."""
        return _items(Entry, self._desk.ask(state.HistoryAsk(key, most)))

    def list(self, prefix: str = "") -> list[Entry]:
        """What is there under a prefix and may be read, by key."""
        return _items(Entry, self._desk.ask(state.ListAsk(prefix)))

    def watch(self, prefix: str = "") -> Iterator[Entry]:
        """Every version that is set or deleted from now on and may be read, in order; never ends by itself."""
        for found in state.watch(self._desk.harness.parts, self._desk.caller, prefix):
            yield _of(Entry, state.shown(found))


class Lease:
    """A lock that ends by itself, with its time or with this process: `with me.lease("deploys") as lease`, or `acquire`
    and `release`.

    `token` grows with every holder; pass the lease to `set` and `write`, which are refused once it is over.
    """

    def __init__(self, desk: Desk, name: str, *, ttl: Time, wait: Time, note: str) -> None:
        self._desk = desk
        self._wait = _seconds(wait)
        self._ask = leases.AcquireAsk(name, _seconds(ttl), note)
        self.name = name
        self.id = ""
        self.token = 0

    def acquire(self) -> Self:
        """In order of asking. Raises Locked (`.details` name the holder), Denied, Usage."""
        desk, me = self._desk, os.getpid()
        start = clock.process_start(me)
        ask = replace(self._ask, pid=me, pid_start=start, pid_space=lease_holder.namespace(), waiter=me,
                      waiter_start=start)
        found = leases.wait_for(desk.harness.parts, desk.caller, ask, desk.harness.table.ask, wait=self._wait)
        self.id, self.token = str(found["lease"]), int(str(found["token"]))
        return self

    def renew(self, ttl: Time | None = None) -> None:
        """It ends later, from now on. Raises LeaseLost."""
        self._desk.ask(leases.RenewAsk(self.id, None if ttl is None else _seconds(ttl)))

    def release(self) -> None:
        """Raises LeaseLost where it has ended already."""
        self._desk.ask(leases.ReleaseAsk(self.id))

    def __enter__(self) -> Self:
        return self.acquire()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Raises LeaseLost where the block took longer than the lease, so that nobody takes its work for guarded."""
        try:
            self.release()
        except LeaseLost:
            if error is None:
                raise


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a channel; `cursor` is its number."""

    id: str
    cursor: int
    time: str
    agent: str | None
    human: str | None
    run: str
    to: str
    reply_to: str | None
    refs: list[Json]
    body: Json


@dataclass(frozen=True, slots=True)
class Channel:
    """Messages in order, at least once, until they are acknowledged."""

    _desk: Desk
    name: str

    def publish(self, body: Json, *, to: str = "all", refs: Sequence[str] = ()) -> Message:
        """To an agent, `human:NAME`, `role:ROLE` or all. Raises Unavailable where the channel is full, Denied,
        NotFound for who is not there."""
        return _of(Message, self._desk.ask(channels.PublishAsk(self.name, _json(body), to, refs=tuple(refs))))

    def read(self, *, after: int | None = None, wait: Time = 0.0, hold: Time = 0.0, most: int = 100) -> list[Message]:
        """What is not acknowledged, or comes `after` a cursor; where there is nothing, `wait` for so long. Empty then.

        `hold`: for so long other processes of this agent do not get it. Raises Denied, Usage.
        """
        ask, desk = channels.ReadAsk(self.name, after, most, _seconds(hold)), self._desk
        found = channel_wait.read(desk.harness.parts, desk.caller, ask, desk.harness.table.ask, wait=_seconds(wait))
        return _items(Message, found)

    def wait(self, seconds: Time) -> list[Message]:
        """`read`, for up to so long until there is something."""
        return self.read(wait=seconds)

    def ack(self, upto: Message | int) -> int:
        """Everything up to there is done with, on disk when this returns; the cursor. Raises Usage, NotFound."""
        cursor = upto.cursor if isinstance(upto, Message) else upto
        return int(str(self._desk.ask(channels.AckAsk(self.name, cursor))["cursor"]))

    def ask(self, body: Json, *, to: str, wait: Time, refs: Sequence[str] = ()) -> Message:
        """Publishes, and waits for the reply, which is taken. Raises Unavailable where none comes in time."""
        desk, ask = self._desk, channels.PublishAsk(self.name, _json(body), to, refs=tuple(refs))
        found = channel_wait.ask(desk.harness.parts, desk.caller, ask, desk.harness.table.ask, wait=_seconds(wait))
        return _of(Message, cast(dict[str, Json], found["reply"]))

    def reply(self, to: Message, body: Json, *, refs: Sequence[str] = ()) -> Message:
        """To who sent a message. Raises Denied for who was not asked."""
        return _of(Message, self._desk.ask(channels.ReplyAsk(to.id, _json(body), tuple(refs))))


@dataclass(frozen=True, slots=True)
class Task:
    """As `githarness task list --json` has it; `token` and `expires` while it is claimed."""

    task: str
    text: str
    status: str
    agent: str | None
    run: str | None
    token: int | None
    expires: str | None
    key: str | None
    needs: list[str]
    role: str | None
    skill: str | None
    attempts: int
    retries: int
    note: str | None
    result: Json


@dataclass(frozen=True, slots=True)
class Tasks:
    """Work that is asked for once and done once, by whoever claims it first. A task is a `Task`, or its id."""

    _desk: Desk

    def add(self, text: str, *, needs: Sequence[Task | str] = (), key: str | None = None, role: str | None = None,
            skill: str | None = None, retries: int = 2) -> Task:
        """The same `key` is the same task, whatever became of it. Raises NotFound, Denied, Usage."""
        ask = tasks.AddAsk(text, tuple(map(_task, needs)), key, role, skill, retries)
        return _of(Task, self._desk.ask(ask))

    def claim(self, *, skills: Sequence[str] = (), ttl: Time = 600.0, wait: Time = 0.0) -> Task:
        """The first that this agent can take. Raises NotFound where there is none within `wait`, Denied."""
        desk, ask = self._desk, tasks.ClaimAsk(tuple(skills), _seconds(ttl))
        found = tasks.wait_for(desk.harness.parts, desk.caller, ask, desk.harness.table.ask, wait=_seconds(wait))
        return _of(Task, found)

    def beat(self, task: Task | str) -> Task:
        """The claim ends later. Raises LeaseLost."""
        return _of(Task, self._desk.ask(tasks.BeatAsk(_task(task), _token(task))))

    def done(self, task: Task | str, result: Json = None) -> Task:
        """Raises LeaseLost where the claim is over: then the work counts for nobody."""
        said = None if result is None else _json(result)
        return _of(Task, self._desk.ask(tasks.DoneAsk(_task(task), said, _token(task))))

    def fail(self, task: Task | str, note: str = "") -> Task:
        """It goes back for another attempt, or has failed. Raises LeaseLost."""
        return _of(Task, self._desk.ask(tasks.FailAsk(_task(task), note, _token(task))))

    def handoff(self, task: Task | str, to: str, *, note: str = "", questions: Json = None,
                refs: Sequence[str] = ()) -> Task:
        """With what this run read, wrote and noted, to one agent or `human:NAME`. Raises LeaseLost, Denied."""
        self._desk.harness.fresh_index()
        said = None if questions is None else _json(questions)
        ask = handoff.HandoffAsk(_task(task), to, note, said, tuple(refs), _token(task))
        return _of(Task, self._desk.ask(ask))

    def bundle(self, task: Task | str) -> Json:
        """What the last handoff left for the next stage; None where there was none. Raises NotFound, Denied."""
        return self._desk.ask(handoff.ShowAsk(_task(task), bundle=True))["bundle"]

    def list(self, *, status: str | None = None, most: int = 200) -> list[Task]:
        """The last so many that may be read, in the order of asking."""
        return _items(Task, self._desk.ask(tasks.ListAsk(status, most)))


def _of(kind: type[T], found: dict[str, Json]) -> T:
    return kind(**{one.name: found[one.name] for one in fields(cast(Any, kind))})


def _items(kind: type[T], found: dict[str, Json]) -> list[T]:
    return [_of(kind, item) for item in cast(list[dict[str, Json]], found["items"])]


def _json(value: Json) -> str:
    try:
        text = canon.dumps(value)
        stored = state.value_of(text.encode())
    except (TypeError, ValueError, RecursionError) as error:  # a set; half of a surrogate pair; a circle
        raise Usage(f"JSON cannot say that value: {error}", fix="pass what json.dumps takes") from error
    if stored != text:
        raise Usage("JSON cannot say a number that is none", fix="pass None")
    return stored


def _seconds(time: Time) -> float:
    return clock.seconds(time) if isinstance(time, str) else float(time)


def _id(lease: Lease | str | None) -> str | None:
    return lease.id if isinstance(lease, Lease) else lease


def _task(task: Task | str) -> str:
    return task.task if isinstance(task, Task) else task


def _token(task: Task | str) -> int | None:
    return task.token if isinstance(task, Task) else None
