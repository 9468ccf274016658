"""State entries: values that agents share, versions kept with who and when, set by comparing with what was seen."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

from githarness import canon, clock, paths
from githarness.canon import Json
from githarness.errors import Conflict, Detail, NotFound, Usage
from githarness.store import state
from githarness.store.state import Entry
from githarness.work import leases
from githarness.work.coordination import Act, Caller, do
from githarness.work.parts import Parts
from githarness.work.pause import Pause

LARGEST = 1_000_000  # bytes of a value as canonical JSON
PREFIX = "@state/"  # before a key, where policy judges it and rollbacks name it
RAW = 4 * LARGEST  # bytes of a value as given, with spaces that canonical JSON has not
_LEVELS = 100  # of lists and objects in each other
_LONGEST = 3650 * 86400.0  # seconds
_SMALL = 4096  # characters of a value that its event repeats
KEPT = 30 * 86400.0  # seconds that a value is kept after it was replaced, where no policy says so
NEWEST = 1000  # versions of a key that all stay; before them the last that each run set in a row
_SWEEP = 1024  # versions between two looks for what is kept no longer


@dataclass(frozen=True, slots=True)
class SetAsk:
    key: str
    value: str  # canonical JSON, as `value_of` makes it
    if_version: int | None = None  # 0: only where there is nothing
    ttl: float | None = None  # seconds
    lease: str | None = None


@dataclass(frozen=True, slots=True)
class GetAsk:
    key: str
    at: str | None = None  # a version, or a time


@dataclass(frozen=True, slots=True)
class HistoryAsk:
    key: str
    most: int = -1


@dataclass(frozen=True, slots=True)
class ListAsk:
    prefix: str = ""


@dataclass(frozen=True, slots=True)
class DeleteAsk:
    key: str
    if_version: int | None = None
    lease: str | None = None


def value_of(data: bytes) -> str:
    """What a caller gave, as canonical JSON: text that is no JSON is a string. Raises Usage."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        raise Usage("a value is not UTF-8", fix="encode binary data, for instance with base64") from None
    try:
        value: Json = json.loads(text, parse_constant=_no_number)
        stored = canon.dumps(value)
    except ValueError:
        return _sized(canon.dumps(text.removesuffix("\n")))
    except RecursionError:
        raise _too_deep() from None
    level = [value]
    for _ in range(_LEVELS):  # of which every process that ever reads it has room for
        level = [child for one in level if isinstance(one, dict | list)
                 for child in (one.values() if isinstance(one, dict) else one)]
    if level:
        raise _too_deep()
    return _sized(stored)


def _too_deep() -> Usage:
    return Usage("a value is nested too deeply", fix=f"pass at most {_LEVELS} levels")


def _no_number(text: str) -> None:
    raise ValueError(text)


def _sized(text: str) -> str:
    size = len(text.encode())
    if size > LARGEST:
        raise Usage(f"a value of {size} bytes is larger than {LARGEST}", fix="write an artifact, and set its path")
    return text


def put(act: Act, ask: SetAsk) -> dict[str, Json]:
    """The new version. Raises Conflict, LeaseLost, Denied, Usage."""
    found = _changing(act, ask, "write")
    version = state.following(act.conn, found)
    return _added(act, Entry(ask.key, version, _sized(ask.value), *_author(act), *_until(act, ask.ttl)), "set")


def delete(act: Act, ask: DeleteAsk) -> dict[str, Json]:
    """As a version without a value: the history stays. Raises NotFound, Conflict, LeaseLost, Denied."""
    found = _changing(act, ask, "delete")
    if found is None or not lives(act, found):
        raise _missing(ask.key)
    return _added(act, Entry(ask.key, state.following(act.conn, found), None, *_author(act)), "delete")


def get(act: Act, ask: GetAsk) -> dict[str, Json]:
    """The value now, or as it was. Raises NotFound, Denied."""
    act.permit("read", _checked(ask.key))
    entry = _at(act, ask) if ask.at else state.latest(act.conn, ask.key)
    if entry is None or entry.value is None or not (ask.at or lives(act, entry)):
        raise _missing(ask.key)
    act.record("state", {"key": ask.key, "version": entry.version, "what": "get"})
    return shown(entry)


def history(act: Act, ask: HistoryAsk) -> dict[str, Json]:
    """Newest first. Raises NotFound, Denied."""
    act.permit("read", _checked(ask.key))
    found = state.history(act.conn, ask.key, ask.most)
    if not found:
        raise _missing(ask.key)
    act.record("state", {"key": ask.key, "what": "history"})
    return {"items": [shown(entry) for entry in found]}


def listed(act: Act, ask: ListAsk) -> dict[str, Json]:
    """What is there under a prefix and may be read, by key."""
    found = [entry for entry in state.newest(act.conn, ask.prefix)
             if lives(act, entry) and act.may("read", PREFIX + entry.key)]
    act.record("state", {"prefix": ask.prefix, "what": "list"})
    return {"items": [shown(entry) for entry in found]}


def watch(parts: Parts, caller: Caller, prefix: str) -> Iterator[Entry]:
    """Every version that is set or deleted from now on and may be read, in order; never ends."""
    with parts.db.read() as conn:
        mark = state.last(conn)
    do(parts, caller, lambda act: act.record("state", {"prefix": prefix, "what": "watch"}), durable=False)
    pause = Pause(parts)
    while True:
        pause.mark()
        for entry, visible in _news(parts, caller, mark, prefix):
            mark = entry.seq
            if visible:
                yield entry
        pause.wait()


def _news(parts: Parts, caller: Caller, mark: int, prefix: str) -> list[tuple[Entry, bool]]:
    with parts.db.read() as conn:
        found = state.since(conn, mark, prefix)
    if not found:
        return []
    return do(parts, caller, lambda act: [(one, act.may("read", PREFIX + one.key)) for one in found], durable=False)


def shown(entry: Entry) -> dict[str, Json]:
    """The JSON form of CLI.md."""
    return {"key": entry.key, "value": json.loads(entry.value) if entry.value is not None else None,
            "version": entry.version, "agent": entry.agent, "human": entry.human, "run": entry.run,
            "time": clock.rfc3339(entry.time), "deleted": entry.value is None,
            "expires": clock.rfc3339(entry.expires) if entry.expires else None, "undoes": entry.undoes,
            "gap": entry.gap > 0}


def lives(act: Act, entry: Entry) -> bool:
    """Neither deleted nor expired: by the boot clock in the boot that it was set in, else by the wall clock."""
    if entry.value is None or entry.expires is None or entry.until_boot is None:
        return entry.value is not None
    turn = act.turn
    return turn.boot < entry.until_boot if entry.boot == turn.boot_id else turn.now < entry.expires


def _changing(act: Act, ask: SetAsk | DeleteAsk, action: str) -> Entry | None:
    act.permit(action, _checked(ask.key))
    if ask.lease:
        leases.must_hold(act, ask.lease)
    found = state.latest(act.conn, ask.key)
    version = found.version if found and lives(act, found) else 0
    if ask.if_version is not None and ask.if_version != version:
        details: dict[str, Detail] = {"key": ask.key, "version": version, "expected": ask.if_version}
        if found and version:
            details |= {"agent": found.agent, "human": found.human, "time": clock.rfc3339(found.time)}
        raise Conflict(f"'{ask.key}' has version {version}, not {ask.if_version}", details=details,
                       fix=f"githarness state get {ask.key}, and repeat with the version that it says")
    return found


def _until(act: Act, ttl: float | None) -> tuple[float, str, float] | tuple[None, None, None]:
    if ttl is None:
        return (None, None, None)
    if not 0 < ttl <= _LONGEST:
        raise Usage(f"a time to live of {ttl:g} seconds is none", fix="pass --ttl 5m; without --ttl it stays")
    return (act.turn.now + ttl, act.turn.boot_id, act.turn.boot + ttl)


def _author(act: Act) -> tuple[str | None, str | None, str, str, float]:
    chain = canon.dumps([*act.run.chain, *act.caller.chain])
    return (act.caller.agent, act.caller.human, act.caller.run, chain, act.turn.now)


def _added(act: Act, entry: Entry, what: str) -> dict[str, Json]:
    seq = state.add(act.conn, entry)
    if entry.version > NEWEST:
        state.thin(act.conn, entry.key, entry.version - NEWEST)
    if seq % _SWEEP == 0:
        state.let_go(act.conn, _since(act), act.turn.boot_id, act.turn.boot)
    tell(act, entry, what)
    return shown(entry)


def _since(act: Act) -> float:
    """What was the value at this time, or later, is kept."""
    return act.turn.now - (act.turn.governance.policy.history or KEPT)


def tell(act: Act, entry: Entry, what: str, *, outcome: str | None = None) -> None:
    """The event of a new version; a large value stands in the history alone."""
    value = entry.value or ""
    body: dict[str, Json] = {"sha256": canon.sha256(value.encode()), "size": len(value)}
    if len(value) <= _SMALL:
        body["value"] = json.loads(entry.value) if entry.value is not None else None
    act.record("state", {"key": entry.key, "version": entry.version, "what": what}, body, outcome=outcome)


def _at(act: Act, ask: GetAsk) -> Entry | None:
    """Raises NotFound by name where what was there is not kept: an older or newer value is no answer."""
    at = ask.at or ""
    if at.isdecimal():
        number, time = int(at[:18]), None
        found = state.version(act.conn, ask.key, number)
        after = None if found else state.later(act.conn, ask.key, number)
    else:
        time = clock.instant(at, act.turn.now)
        found = state.at(act.conn, ask.key, time)
        after = state.later(act.conn, ask.key, found.version if found else 0)
    if (after and after.gap) or (found is None and time is not None and time < _since(act)):
        raise NotFound(f"what '{ask.key}' was then is no longer kept", fix=f"githarness state history {ask.key}",
                       details={"key": ask.key, "kept": after.version if after else None})
    return found


def _checked(key: str) -> str:
    return paths.check(PREFIX + key)


def _missing(key: str) -> NotFound:
    return NotFound(f"no state '{key[:200]}'", fix="githarness state list", details={"key": key})

