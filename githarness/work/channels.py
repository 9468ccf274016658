"""Channels: messages between agents, delivered at least once to each subscriber, in the order of publishing.

Who reads a channel subscribes to it. What was delivered comes again until it is acknowledged; acknowledging moves the
subscriber's cursor, which never goes back. A channel that is full refuses; what waits in it is not dropped for room.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from githarness import canon, clock, paths
from githarness.canon import Json
from githarness.errors import Conflict, Denied, NotFound, Unavailable, Usage
from githarness.git import refs
from githarness.policy import roles
from githarness.store import channels, runs
from githarness.store.channels import ALL, Channel, Cursor, Message
from githarness.work import people, state
from githarness.work.coordination import Act

_PATH = "@channel/"
_MOST = 1000  # messages that may wait in a channel that nobody has set otherwise
_PAGE = 1000  # messages of one read
_BYTES = 8_000_000  # characters of bodies of one read
_HOLD = 86400.0  # seconds
_REFS = 100
_SMALL = 4096  # characters of a text that its event repeats


@dataclass(frozen=True, slots=True)
class PublishAsk:
    channel: str
    body: str  # canonical JSON, as `body_of` makes it
    to: str = ALL  # or an agent, human:NAME, role:NAME
    reply_to: str | None = None
    refs: Sequence[str] = ()  # paths of artifacts and ids of runs


@dataclass(frozen=True, slots=True)
class ReplyAsk:
    message: str
    body: str
    refs: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class ReadAsk:
    channel: str
    after: int | None = None  # None: what is not acknowledged
    most: int = 100
    hold: float = 0.0  # seconds in which it is not delivered again


@dataclass(frozen=True, slots=True)
class AckAsk:
    channel: str
    cursor: int


@dataclass(frozen=True, slots=True)
class AnswerAsk:
    message: str
    taken: str | None = None  # the reply that has arrived


@dataclass(frozen=True, slots=True)
class SetAsk:
    channel: str
    most: int | None = None
    keep: float | None = None  # seconds; 0: until acknowledged


@dataclass(frozen=True, slots=True)
class LeaveAsk:
    channel: str
    who: str | None = None  # an agent, or human:NAME; None: who asks


@dataclass(frozen=True, slots=True)
class ShowAsk:
    channel: str


@dataclass(frozen=True, slots=True)
class ListAsk:
    prefix: str = ""


def body_of(data: bytes) -> str:
    """A message's body as canonical JSON; text that is no JSON is a string. Raises Usage."""
    if len(data) > state.RAW:
        raise Usage(f"a body of {len(data)} bytes is larger than {state.LARGEST}",
                    fix="write an artifact, and name it with --ref")
    return state.value_of(data)


def publish(act: Act, ask: PublishAsk) -> dict[str, Json]:
    """The message. Raises NotFound, Denied, Usage; Unavailable where the channel is full."""
    act.permit("write", _checked(ask.channel))
    if ask.reply_to is not None:
        _answerable(act, ask.reply_to, ask.channel)
    return _published(act, ask, addressed(act, ask.to))


def reply(act: Act, ask: ReplyAsk) -> dict[str, Json]:
    """To who sent the message, in its channel. Raises as `publish`."""
    original = _answerable(act, ask.message)
    act.permit("write", _checked(original.channel))
    return _published(act, PublishAsk(original.channel, ask.body, reply_to=original.id, refs=ask.refs),
                      _sender(original))


def _published(act: Act, ask: PublishAsk, audience: str) -> dict[str, Json]:
    turn, caller = act.turn, act.caller
    channel = _room(act, ask.channel)
    message = Message(
        channel.name, channel.last + 1, clock.new_id("m", turn.now), turn.now, turn.boot_id, turn.boot, caller.agent,
        caller.human, caller.run, audience, ask.reply_to, canon.dumps(references(act, ask.refs)), ask.body)
    channels.add(act.conn, message)
    act.record("channel", {"name": channel.name, "message": message.id, "cursor": message.seq, "to": _to(audience),
                           "what": "publish"}, excerpt(ask.body))
    return {"channel": channel.name, **_shown(message)}


def _room(act: Act, name: str) -> Channel:
    """The channel, with room for one more; what is done with leaves when room is needed. Raises Unavailable."""
    channel = channels.get(act.conn, name)
    if channel is None:
        channel = channels.fresh(act.conn, name, _MOST)
        channels.put(act.conn, channel)
    channel = channels.drop_late(act.conn, channel, act.turn.now, act.turn.boot_id, act.turn.boot)
    if channels.waiting(act.conn, name) < channel.most:
        return channel
    for agent in act.turn.governance.registry.agents.values():
        if agent.retired:
            channels.retire(act.conn, name, f"agent:{agent.name}")
    channels.drop_done(act.conn, name)
    if (waiting := channels.waiting(act.conn, name)) < channel.most:
        return channel
    behind = [_to(one.subscriber) for one in channels.cursors(act.conn, name)[:5]]
    raise Unavailable(f"channel '{name}' is full: {waiting} messages wait to be acknowledged",
                      fix=f"githarness channel show '{name}' says who is behind; an operator may set --most",
                      details={"channel": name, "waiting": waiting, "most": channel.most, "behind": [*behind]})


def read(act: Act, ask: ReadAsk) -> dict[str, Json]:
    """{"items", "cursor", "missed"}: `cursor` is what to acknowledge, `missed` how many left by age. Raises Denied."""
    act.permit("read", _checked(ask.channel))
    if not (0 < ask.most <= _PAGE and 0 <= ask.hold <= _HOLD and (ask.after or 0) >= 0):
        raise Usage("that is not a part of a channel", fix=f"pass -n 1 to {_PAGE}, --hold up to 1d, --after from 0 on")
    channel = channels.get(act.conn, ask.channel) or channels.fresh(act.conn, ask.channel, _MOST)
    mine = _cursor(act, channel) if ask.after is None else None
    start = ask.after or 0 if mine is None else _in_sight(act, mine)
    found = channels.after(act.conn, channel.name, start, _audiences(act), (ask.most, _BYTES))
    whole = not channels.after(act.conn, channel.name, found[-1].seq, _audiences(act), (1, 1)) if found else True
    end = max(start, channel.last) if whole else found[-1].seq
    missed = max(0, channel.gone - mine.acked) if mine else 0
    if mine:
        _delivered(act, mine, ask, end=end, skipped=(found[0].seq - 1 if found else channel.last) if not missed else 0)
    if found:
        act.record("channel", {"name": channel.name, "after": start, "cursor": end, "what": "read"})
    return {"items": [_shown(one) for one in found], "cursor": end, "missed": missed}


def _delivered(act: Act, mine: Cursor, ask: ReadAsk, *, end: int, skipped: int) -> None:
    """What was not for this subscriber, before the first message that was, needs no acknowledging."""
    new = mine
    if mine.acked == _in_sight(act, mine) < skipped:
        new = new._replace(acked=skipped)
    if ask.hold:
        new = new._replace(seen=end, boot=act.turn.boot_id, until_boot=act.turn.boot + ask.hold)
    if new != mine:
        channels.put_cursor(act.conn, new)


def ack(act: Act, ask: AckAsk) -> dict[str, Json]:
    """Everything up to `cursor` is done with, for this subscriber. Raises Usage for what was never published."""
    act.permit("read", _checked(ask.channel))
    channel = _known(act, ask.channel)
    if not 0 <= ask.cursor <= channel.last:
        raise Usage(f"channel '{channel.name}' has no message {ask.cursor}",
                    fix="pass the cursor that githarness channel read printed")
    mine = _cursor(act, channel)
    if ask.cursor > mine.acked:
        mine = mine._replace(acked=ask.cursor)
        channels.put_cursor(act.conn, mine)
        act.record("channel", {"name": channel.name, "cursor": ask.cursor, "what": "ack"})
    return {"channel": channel.name, "cursor": mine.acked}


def answer(act: Act, ask: AnswerAsk) -> dict[str, Json]:
    """Replies to a message of the caller that have not been taken; one that was taken is not delivered again."""
    found = [one for one in channels.replies(act.conn, ask.message)
             if one.audience == _subscriber(act) and act.may("read", _PATH + one.channel)]
    for one in found:
        if one.id == ask.taken:
            channels.drop(act.conn, one.id)
            act.record("channel", {"name": one.channel, "message": one.id, "what": "answer"})
    return {"items": [_shown(one) for one in found if one.id != ask.taken]}


def settle(act: Act, ask: SetAsk) -> dict[str, Json]:
    """How much may wait and for how long, by an operator. Raises Denied, Usage."""
    _checked(ask.channel)
    act.require("operator", "set a channel")
    if ask.most is not None and not 0 < ask.most <= 1_000_000:
        raise Usage("a channel has room for 1 to 1,000,000 messages", fix="pass --most 1000")
    channel = channels.get(act.conn, ask.channel) or channels.fresh(act.conn, ask.channel, _MOST)
    keep = channel.keep_seconds if ask.keep is None else ask.keep or None
    channel = channel._replace(most=ask.most or channel.most, keep_seconds=keep)
    channels.put(act.conn, channel)
    act.record("channel", {"name": channel.name, "most": channel.most, "keep": keep, "what": "set"})
    return _settings(act, channel)


def leave(act: Act, ask: LeaveAsk) -> dict[str, Json]:
    """Ends a subscription: its own, or by an operator another's. Raises NotFound, Denied."""
    act.permit("read", _checked(ask.channel))
    if ask.who is not None:
        act.require("operator", "end somebody's subscription")
    who = _subscriber(act) if ask.who is None else ask.who if ask.who.startswith("human:") else f"agent:{ask.who}"
    if not channels.forget(act.conn, ask.channel, who):
        raise NotFound(f"'{_to(who)[:80]}' has not subscribed to '{ask.channel[:200]}'",
                       fix="githarness channel show NAME")
    act.must_last()
    act.record("channel", {"name": ask.channel, "who": _to(who), "what": "leave"})
    return {"channel": ask.channel, "who": _to(who)}


def show(act: Act, ask: ShowAsk) -> dict[str, Json]:
    """A channel with who has subscribed. Raises NotFound, Denied."""
    act.permit("read", _checked(ask.channel))
    channel = _known(act, ask.channel)
    found = channels.cursors(act.conn, channel.name)
    return {**_settings(act, channel),
            "subscribers": [{"who": _to(one.subscriber), "cursor": one.acked, "behind": channel.last - one.acked}
                            for one in found]}


def listed(act: Act, ask: ListAsk) -> dict[str, Json]:
    """The channels that begin so and may be read, by name."""
    return {"items": [_settings(act, one) for one in channels.every(act.conn)
                      if one.name.startswith(ask.prefix) and act.may("read", _PATH + one.name)]}


def references(act: Act, names: Sequence[str]) -> list[Json]:
    """Artifacts with their blobs as of now, and runs. Raises NotFound, Denied for what the caller may not read."""
    parts, found = act.turn.parts, list[Json]()
    if len(names) > _REFS:
        raise Usage(f"a message refers to {_REFS} things at most", fix="write an artifact that lists them")
    head = refs.head(parts.repo.common_dir, parts.ref)
    for name in names:
        run = act.run if name == act.run.id else runs.get(act.conn, name) if name.startswith("r-") else None
        if run:
            found.append({"run": run.id, "agent": run.agent, "status": run.status})
            continue
        act.permit("read", paths.check(name))
        entry = parts.reader.entry(head, name)
        if entry is None:
            raise NotFound(f"no artifact and no run '{name}'", fix="pass --ref PATH, or --ref RUN")
        found.append({"path": name, "blob": entry.oid, "commit": head})
    return found


def excerpt(text: str) -> dict[str, Json]:
    """What an event keeps of canonical JSON that somebody gave: all of a short one."""
    found: dict[str, Json] = {"sha256": canon.sha256(text.encode()), "size": len(text)}
    return found | {"value": json.loads(text)} if len(text) <= _SMALL else found


def _cursor(act: Act, channel: Channel) -> Cursor:
    """Who has none subscribes, from the oldest message on that is still there."""
    found = channels.cursor(act.conn, channel.name, _subscriber(act))
    if found is None:
        act.must_last()
        found = Cursor(channel.name, _subscriber(act), channel.gone, 0, "", 0.0)
        channels.put_cursor(act.conn, found)
    return found


def _in_sight(act: Act, mine: Cursor) -> int:
    """Behind what is acknowledged, and what another reader of the same subscriber has in hand."""
    held = mine.boot == act.turn.boot_id and act.turn.boot < mine.until_boot
    return max(mine.acked, mine.seen) if held else mine.acked


def _subscriber(act: Act) -> str:
    return f"agent:{act.caller.agent}" if act.caller.agent else f"human:{act.caller.human}"


def _audiences(act: Act) -> list[str]:
    return [ALL, _subscriber(act), *(f"role:{role}" for role in act.who.roles)]


def addressed(act: Act, to: str) -> str:
    """Raises NotFound, Conflict where nobody can ever read it."""
    governance = act.turn.governance
    if to == ALL:
        return to
    if to.startswith("role:"):
        known = {*roles.SHIPPED, *people.RANKS, *(one for rule in governance.policy.rules for one in rule.roles or ())}
        if to.removeprefix("role:") not in known:
            raise NotFound(f"no role '{to[5:85]}' in this fleet", fix="use role:" + " or role:".join(sorted(known)))
        return to
    if to.startswith("human:"):
        people.named(governance, to.removeprefix("human:"))
        return to
    if governance.agent(to).retired:
        raise Conflict(f"agent '{to}' was retired", fix="githarness agent list")
    return f"agent:{to}"


def _answerable(act: Act, message: str, channel: str | None = None) -> Message:
    """One that was for the caller, or from it. Raises NotFound, Denied."""
    found = channels.find(act.conn, message)
    if found is None or channel not in (None, found.channel):
        raise NotFound(f"no message '{message[:80]}'" + (f" in channel '{channel}'" if channel else ""),
                       fix="githarness channel read NAME; what everybody has acknowledged may be gone")
    act.permit("read", _checked(found.channel))
    if found.audience not in _audiences(act) and _sender(found) != _subscriber(act):
        raise Denied(f"message '{found.id}' is for '{_to(found.audience)}', who alone may reply",
                     fix="githarness channel publish", details={"rule": "audience"})
    return found


def _sender(message: Message) -> str:
    return f"agent:{message.agent}" if message.agent else f"human:{message.human}"


def _known(act: Act, name: str) -> Channel:
    found = channels.get(act.conn, name)
    if found is None:
        raise NotFound(f"no channel '{name[:200]}'", fix="githarness channel list")
    return found


def _settings(act: Act, channel: Channel) -> dict[str, Json]:
    return {"name": channel.name, "last": channel.last, "waiting": channels.waiting(act.conn, channel.name),
            "most": channel.most, "keep": channel.keep_seconds}


def _shown(message: Message) -> dict[str, Json]:
    """The JSON form of CLI.md."""
    return {"id": message.id, "cursor": message.seq, "time": clock.rfc3339(message.time), "agent": message.agent,
            "human": message.human, "run": message.run, "to": _to(message.audience), "reply_to": message.reply_to,
            "refs": json.loads(message.refs), "body": json.loads(message.body)}


def _to(audience: str) -> str:
    return audience.removeprefix("agent:")


def _checked(name: str) -> str:
    return paths.check(_PATH + name)
