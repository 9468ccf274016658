"""Tells operators what stops agents or waits for people, as `notify` of config.toml says: a channel, a command.

Nothing that an agent does waits for it: it looks at what has happened when a run begins or ends, in the daemon's
pauses, and at `runs health`. The same cause is told once an hour, each stop of an agent that is still in force, each
held change and each grant that ends once. What was told is noted before it is sent, so that two processes do not both
tell it; a command that fails is an event.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from githarness import canon, clock
from githarness.audit import line
from githarness.canon import Json
from githarness.errors import HarnessError
from githarness.git import refs
from githarness.settings import Notify
from githarness.store import channels, events, notices, stops
from githarness.store.channels import Message
from githarness.store.db import Connection
from githarness.store.notices import Notable
from githarness.store.rows import EventRow
from githarness.work import audit_record, held
from githarness.work.governance import Governance
from githarness.work.parts import Parts

_AGAIN, _KEPT = 3600.0, 30 * 86400.0  # seconds: the same cause is told anew, what was told is forgotten
_MOST = 20_000  # events that one look takes in
_DENIALS = 5  # in a row, without a write that landed, within an hour
_SOON = 3600.0  # seconds before its end that a grant is told of
_LONG = 60.0  # seconds that uses of secrets may wait to be recorded
_WAITING = 1000  # messages that may wait in the channel
SPOOLS = ("vault-audit.spool", "vault-audit.spool-2")  # proxy/spool.py

Deliver = Callable[[Sequence[str], bytes], str]  # why it failed, empty where it did not


class Notice(NamedTuple):
    cause: str
    text: str
    agent: str | None = None
    once: bool = False
    since: float = 0.0  # told before that, it was told of another one


def tell(parts: Parts, deliver: Deliver | None) -> list[Notice]:
    """What is told now. `deliver`: runs the command; None where this clone runs none.

    Raises what the database raises; that uses of secrets wait for it too, the command is told all the same.
    """
    governance = parts.governed.salvaged(refs.head(parts.repo.common_dir, parts.ref))
    config, now = governance.config.notify, parts.clock.now()
    if config is None:
        return []
    try:
        found = _noted(parts, governance, config, now)
    except HarnessError:
        for one in _stuck(parts, now):
            if deliver and config.command and _is_due(parts.repo.home / "notified", now):
                deliver(config.command, canon.dumps(_message(parts, one)).encode() + b"\n")
        raise
    if deliver:
        _run(parts, deliver, config, found)
    return found


def _noted(parts: Parts, governance: Governance, config: Notify, now: float) -> list[Notice]:
    with parts.db.read() as conn:
        after, until = notices.span(conn, _MOST, clock.new_id("e", now - _AGAIN))
        found = [*_of_events(conn, after, until, now), *_standing(parts, governance, now)]
        if not _due(conn, found, now) and until - after < _MOST // 2:
            return []
    with parts.db.write() as conn:
        found = _due(conn, found, now)
        notices.put(conn, [one.cause for one in found], now, until)
        notices.forget(conn, now - _KEPT)
        if config.channel:
            _publish(parts, conn, config.channel, found)
    return found


def _is_due(mark: Path, now: float) -> bool:
    """Once an hour, by the time of a file where the database takes nothing up."""
    with contextlib.suppress(OSError):
        if mark.exists() and now - mark.stat().st_mtime < _AGAIN:
            return False
        mark.touch()
    return True


def _due(conn: Connection, found: list[Notice], now: float) -> list[Notice]:
    each = {one.cause: one for one in found}
    told = notices.told(conn, each)
    return [one for one in each.values() if one.cause not in told or told[one.cause] < one.since
            or not (one.once or now - told[one.cause] < _AGAIN)]


def _of_events(conn: Connection, after: int, until: int, now: float) -> Iterator[Notice]:
    denied, stopped = set(), stops.in_force(conn)
    for one in notices.notable(conn, after, until):
        if one.outcome == "credential-rejected":
            secret = _said(one, "secret")
            text = f"'{_said(one, 'host')}' rejected the credential '{secret}'"
            yield Notice(f"credential:{secret}", text, one.agent)
        elif one.kind == "denial":
            denied.add(one.agent or "")
        elif one.agent in stopped and not one.human:
            word = "paused" if one.kind == "guard" else "quarantined"
            yield Notice(f"{word}:{one.agent}", f"agent '{one.agent}' is {word}: {_said(one, 'why')}", one.agent,
                         once=True, since=stopped[one.agent].since)
    for agent in sorted(denied):
        if (count := notices.denials(conn, agent, now - _AGAIN)) >= _DENIALS:
            yield Notice(f"denials:{agent}", f"agent '{agent}' was denied {count} times in a row", agent)


def _said(one: Notable, name: str) -> str:
    return str(json.loads(one.safe).get(name) or "")


def _standing(parts: Parts, governance: Governance, now: float) -> Iterator[Notice]:
    """What is so now, whatever happened before."""
    for change in held.listed(parts):
        what = "waits for approval" if change.waits else "is held"
        text = f"a change of agent '{change.agent}' {what}: {change.id}"
        yield Notice(f"held:{change.id}", text, change.agent, once=True)
    for grant in governance.grants.values():
        if now < grant.expires <= now + _SOON:
            text = f"grant {grant.id} of agent '{grant.agent}' ends at {clock.rfc3339(grant.expires)}"
            yield Notice(f"grant:{grant.id}:{grant.expires:.0f}", text, grant.agent, once=True)
    yield from _stuck(parts, now)


def _stuck(parts: Parts, now: float) -> Iterator[Notice]:
    for name in SPOOLS:
        file = parts.repo.home / name
        begun = file.exists() and file.open("rb").read(1) not in (b"", b"\0")  # it is a file of zeros before
        if begun and now - file.stat().st_mtime > _LONG:
            yield Notice("audit-blocked", "uses of secrets wait to be recorded: githarness doctor")


def _message(parts: Parts, notice: Notice) -> dict[str, Json]:
    return {"cause": notice.cause.partition(":")[0], "agent": notice.agent, "text": notice.text,
            "time": clock.rfc3339(parts.clock.now()), "repository": str(parts.repo.common_dir)}


def _publish(parts: Parts, conn: Connection, name: str, found: list[Notice]) -> None:
    """In the channel, from nobody to all; where it is full the event says so, and nothing is dropped for it."""
    channel = channels.get(conn, name)
    if channel is None:
        channel = channels.fresh(conn, name, _WAITING)
        channels.put(conn, channel)
    if channels.waiting(conn, name) + len(found) > channel.most:
        channels.drop_done(conn, name)
    now, boot = parts.clock.now(), parts.clock.boot()
    for seq, notice in enumerate(found, channel.last + 1):
        if channels.waiting(conn, name) >= channel.most:
            _failed(parts, conn, notice, f"channel '{name}' is full")
            continue
        body = canon.dumps(_message(parts, notice))
        channels.add(conn, Message(name, seq, clock.new_id("m", now), now, clock.boot_id(), boot, None, None, None,
                                   channels.ALL, None, "[]", body))


def _run(parts: Parts, deliver: Deliver, config: Notify, found: list[Notice]) -> None:
    failed = [(notice, why) for notice in found if config.command
              and (why := deliver(config.command, canon.dumps(_message(parts, notice)).encode() + b"\n"))]
    if failed:
        with parts.db.write() as conn:
            for notice, why in failed:
                _failed(parts, conn, notice, why)


def _failed(parts: Parts, conn: Connection, notice: Notice, why: str) -> None:
    now = parts.clock.now()
    events.add(conn, [EventRow(clock.new_id("e", now), now, "guard", outcome="notify-failed", safe=line.safe(
        {"what": "notify", "cause": notice.cause, "why": audit_record.redacted(why)[:400]}))])
