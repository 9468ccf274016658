"""Every verb of coordination by name: what it is asked with, what carries it out, and whether it has to be on disk.

Asks and answers are values of JSON, so that they pass to another process, be it a daemon or who has the lock just now.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from functools import cache
from operator import attrgetter
from typing import Any, NamedTuple, get_args, get_origin, get_type_hints

from githarness import canon
from githarness.canon import Json
from githarness.errors import Denied, Usage
from githarness.work import channels, handoff, leases, state, tasks
from githarness.work.coordination import Act, Caller, Step


class Verb(NamedTuple):
    ask: type[Any]  # a frozen dataclass
    step: Callable[[Act, Any], dict[str, Json]]
    durable: bool = True
    repeats: bool = False  # twice is as good as once, so it is asked again where an answer got lost
    own_key: bool = False  # of a person it rests on a key of theirs, so no other process carries it out


VERBS: dict[str, Verb] = {
    "state.set": Verb(state.SetAsk, state.put),
    "state.delete": Verb(state.DeleteAsk, state.delete),
    "state.get": Verb(state.GetAsk, state.get, durable=False, repeats=True),
    "state.history": Verb(state.HistoryAsk, state.history, durable=False, repeats=True),
    "state.list": Verb(state.ListAsk, state.listed, durable=False, repeats=True),
    "lease.acquire": Verb(leases.AcquireAsk, leases.acquire, durable=False),
    "lease.renew": Verb(leases.RenewAsk, leases.renew, durable=False, repeats=True),
    "lease.release": Verb(leases.ReleaseAsk, leases.release, durable=False),
    "lease.leave": Verb(leases.LeaveAsk, leases.leave, durable=False, repeats=True),
    "lease.steal": Verb(leases.StealAsk, leases.steal, own_key=True),
    "lease.list": Verb(leases.ListAsk, leases.listed, durable=False, repeats=True),
    "channel.publish": Verb(channels.PublishAsk, channels.publish),
    "channel.reply": Verb(channels.ReplyAsk, channels.reply),
    "channel.read": Verb(channels.ReadAsk, channels.read, durable=False, repeats=True),
    "channel.ack": Verb(channels.AckAsk, channels.ack, repeats=True),
    "channel.answer": Verb(channels.AnswerAsk, channels.answer, durable=False, repeats=True),
    "channel.set": Verb(channels.SetAsk, channels.settle, own_key=True),
    "channel.leave": Verb(channels.LeaveAsk, channels.leave, own_key=True),
    "channel.show": Verb(channels.ShowAsk, channels.show, durable=False, repeats=True),
    "channel.list": Verb(channels.ListAsk, channels.listed, durable=False, repeats=True),
    "task.add": Verb(tasks.AddAsk, tasks.add),
    "task.claim": Verb(tasks.ClaimAsk, tasks.claim, durable=False),
    "task.beat": Verb(tasks.BeatAsk, tasks.beat, durable=False, repeats=True),
    "task.done": Verb(tasks.DoneAsk, tasks.done, repeats=True),
    "task.fail": Verb(tasks.FailAsk, tasks.fail),
    "task.handoff": Verb(handoff.HandoffAsk, handoff.handoff, own_key=True),
    "task.show": Verb(handoff.ShowAsk, handoff.show, durable=False, repeats=True),
    "task.list": Verb(tasks.ListAsk, tasks.listed, durable=False, repeats=True),
}
_TEXTS = ("value", "body", "result", "questions")  # fields that are canonical JSON
_NAMES: dict[type[Any], str] = {verb.ask: name for name, verb in VERBS.items()}


def _getter(kind: type[Any]) -> Callable[[object], tuple[Json, ...]]:
    """The values of a dataclass in their order; `dataclasses.astuple` copies deeply and takes ten times as long."""
    get: Callable[[object], Any] = attrgetter(*(names := [field.name for field in fields(kind)]))
    return get if len(names) > 1 else lambda one: (get(one),)


_KINDS: list[type[Any]] = [Caller, *_NAMES]
_FIELDS: dict[type[Any], Callable[[object], tuple[Json, ...]]] = {kind: _getter(kind) for kind in _KINDS}


def name_of(ask: object) -> str:
    return _NAMES[type(ask)]


def step_of(ask: object) -> Step[dict[str, Json]]:
    verb = VERBS[name_of(ask)]
    return lambda act: verb.step(act, ask)


def is_own(caller: Caller, ask: object) -> bool:
    """Whether only the caller's process can carry it out: another one would lend its key to whoever gives a name."""
    return bool(caller.human) and VERBS[name_of(ask)].own_key


def step_for(caller: Caller, ask: object) -> Step[dict[str, Json]]:
    """For an ask of another process."""
    return _not_for_others if is_own(caller, ask) else step_of(ask)


def _not_for_others(act: Act) -> dict[str, Json]:
    raise Denied(f"human '{act.caller.human}' asks this in a process that has the key",
                 fix="use the commands of githarness, as that person", details={"rule": "own-key"})


def packed(caller: Caller, ask: object) -> list[Json]:
    """As values of JSON; fields stand in their order, without their names."""
    return [name_of(ask), list(_FIELDS[Caller](caller)), list(_FIELDS[type(ask)](ask))]


def unpacked(found: list[Any]) -> tuple[Caller, object]:
    name, (agent, human, run, chain, token), values = found
    return Caller(agent, human, run, tuple(chain), token), VERBS[name].ask(*values)


def lasts(ask: object) -> bool:
    """Whether what it does has to be on disk before it is answered."""
    return VERBS[name_of(ask)].durable


@cache
def look() -> str:
    """Names what asks look like: processes of another version of the program cannot read each other's."""
    return canon.sha256(repr([(kind.__name__, [field.name for field in fields(kind)]) for kind in _KINDS]).encode())[:8]


def named(ask: object) -> dict[str, Json]:
    """The values by name as a client sends them; what is as it is by default is left out."""
    kind: Any = type(ask)
    told = zip(fields(kind), _FIELDS[kind](ask), strict=True)
    return {one.name: list(value) if isinstance(value, tuple) else value for one, value in told
            if value != one.default}


def of_client(verb: str, caller: object, values: object) -> tuple[Caller, object]:
    """What `named` made on the other side, with every value of its type and none that is not known. Raises Usage."""
    if verb not in VERBS:
        raise Usage(f"'{verb[:80]}' is no verb of coordination", fix="see docs/protocol.md")
    found = _typed("", caller)
    if not isinstance(found, Caller) or bool(found.agent) == bool(found.human):
        raise Usage("a caller is an agent or a person", fix="see docs/protocol.md")
    return found, _typed(verb, values)


def _typed(verb: str, table: object) -> object:
    hints, values = _hints(verb), dict[str, Any]()
    for name, value in table.items() if isinstance(table, Mapping) else [("", None)]:
        if name not in hints or not _fits(hints[name], value):
            raise _wrong(name)
        values[name] = tuple(value) if isinstance(value, list) else _canonical(name, value)
    try:
        return _kind(verb)(**values)
    except TypeError:
        raise _wrong(next(name for name in hints if name not in values)) from None


def _canonical(name: str, value: Json) -> Json:
    """A client's JSON is as it likes to write it."""
    return state.value_of(value.encode("utf-8", "surrogatepass")) if name in _TEXTS and type(value) is str else value


@cache
def _hints(verb: str) -> dict[str, frozenset[type[Any]]]:
    """Which types the values of each field may have; none: a list of texts."""
    return {name: _kinds(hint) for name, hint in get_type_hints(_kind(verb)).items()}


def _kinds(hint: Any) -> frozenset[type[Any]]:
    if get_origin(hint) in (tuple, Sequence):
        return frozenset()
    found = frozenset(get_args(hint) or (hint,))
    return found | {int} if float in found else found


def _kind(verb: str) -> type[Any]:
    return VERBS[verb].ask if verb else Caller


def _fits(kinds: frozenset[type[Any]], value: object) -> bool:
    if isinstance(value, list):
        return not kinds and all(type(one) is str for one in value)
    if type(value) is int:
        return int in kinds and abs(value) < 1 << 63
    if type(value) is float:
        return float in kinds and math.isfinite(value)
    return type(value) in kinds


def _wrong(name: object) -> Usage:
    return Usage(f"'{str(name)[:80]}' is missing, of another type or unknown", fix="see docs/protocol.md")
