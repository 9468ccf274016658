"""Every verb of coordination by name: what it is asked with, what carries it out, and whether it has to be on disk.

Asks and answers are values of JSON, so that they pass to another process, be it a daemon or who has the lock just now.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from operator import attrgetter
from typing import Any, NamedTuple

from githarness.canon import Json
from githarness.work import channels, handoff, leases, state, tasks
from githarness.work.coordination import Act, Caller, Step


class Verb(NamedTuple):
    ask: type[Any]  # a frozen dataclass
    step: Callable[[Act, Any], dict[str, Json]]
    durable: bool = True


VERBS: dict[str, Verb] = {
    "state.set": Verb(state.SetAsk, state.put),
    "state.delete": Verb(state.DeleteAsk, state.delete),
    "state.get": Verb(state.GetAsk, state.get, durable=False),
    "state.history": Verb(state.HistoryAsk, state.history, durable=False),
    "state.list": Verb(state.ListAsk, state.listed, durable=False),
    "lease.acquire": Verb(leases.AcquireAsk, leases.acquire, durable=False),
    "lease.renew": Verb(leases.RenewAsk, leases.renew, durable=False),
    "lease.release": Verb(leases.ReleaseAsk, leases.release, durable=False),
    "lease.leave": Verb(leases.LeaveAsk, leases.leave, durable=False),
    "lease.steal": Verb(leases.StealAsk, leases.steal),
    "lease.list": Verb(leases.ListAsk, leases.listed, durable=False),
    "channel.publish": Verb(channels.PublishAsk, channels.publish),
    "channel.reply": Verb(channels.ReplyAsk, channels.reply),
    "channel.read": Verb(channels.ReadAsk, channels.read, durable=False),
    "channel.ack": Verb(channels.AckAsk, channels.ack),
    "channel.answer": Verb(channels.AnswerAsk, channels.answer, durable=False),
    "channel.set": Verb(channels.SetAsk, channels.settle),
    "channel.leave": Verb(channels.LeaveAsk, channels.leave),
    "channel.show": Verb(channels.ShowAsk, channels.show, durable=False),
    "channel.list": Verb(channels.ListAsk, channels.listed, durable=False),
    "task.add": Verb(tasks.AddAsk, tasks.add),
    "task.claim": Verb(tasks.ClaimAsk, tasks.claim, durable=False),
    "task.beat": Verb(tasks.BeatAsk, tasks.beat, durable=False),
    "task.done": Verb(tasks.DoneAsk, tasks.done),
    "task.fail": Verb(tasks.FailAsk, tasks.fail),
    "task.handoff": Verb(handoff.HandoffAsk, handoff.handoff),
    "task.show": Verb(handoff.ShowAsk, handoff.show, durable=False),
    "task.list": Verb(tasks.ListAsk, tasks.listed, durable=False),
}
_NAMES = {verb.ask: name for name, verb in VERBS.items()}


def _getter(kind: type[Any]) -> Callable[[object], tuple[Json, ...]]:
    """The values of a dataclass in their order; `dataclasses.astuple` copies deeply and takes ten times as long."""
    names = [field.name for field in fields(kind)]
    return attrgetter(*names) if len(names) > 1 else lambda one: (attrgetter(*names)(one),)


_FIELDS = {kind: _getter(kind) for kind in (Caller, *_NAMES)}


def name_of(ask: object) -> str:
    return _NAMES[type(ask)]


def step_of(ask: object) -> Step[dict[str, Json]]:
    verb = VERBS[name_of(ask)]
    return lambda act: verb.step(act, ask)


def packed(caller: Caller, ask: object) -> list[Json]:
    """As values of JSON; fields stand in their order, without their names."""
    return [name_of(ask), list(_FIELDS[Caller](caller)), list(_FIELDS[type(ask)](ask))]


def unpacked(found: list[Any]) -> tuple[Caller, object]:
    name, (agent, human, run, chain, token), values = found
    return Caller(agent, human, run, tuple(chain), token), VERBS[name].ask(*values)


def lasts(ask: object) -> bool:
    """Whether what it does has to be on disk before it is answered."""
    return VERBS[name_of(ask)].durable
