"""Leases: locks that end by themselves, with a token that grows, so that a holder that slept too long is found out.

A lease ends with its time on the boot clock, when the machine starts anew, or where somebody sees that the process that
it was acquired for is gone; never because a wall clock was set. `path:GLOB` as a name is a lease on artifacts: others
cannot write what matches.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from githarness import clock, paths
from githarness.canon import Json
from githarness.clock import SYSTEM
from githarness.errors import Denied, Detail, LeaseLost, Locked, NotFound, Usage
from githarness.policy import globs
from githarness.store import leases
from githarness.store.leases import PATHS, Lease, Wait
from githarness.work import lease_holder
from githarness.work.coordination import Act, Caller
from githarness.work.parts import Parts
from githarness.work.pause import Pause

_PATH = "@lease/"
_LONGEST = 7 * 86400.0  # seconds
TURN = 0.25  # seconds that who is first in the queue has before the next one may pass
_STARS = 8  # of a glob: whether two overlap is looked for under the lock, and takes longer with each
_SWEEP = 1024  # tokens between two sweeps
_KEPT = 3600.0  # seconds that a lease that ended is still remembered


@dataclass(frozen=True, slots=True)
class AcquireAsk:
    name: str
    ttl: float  # seconds
    note: str = ""
    pid: int | None = None  # of the holder, where it is a process that goes on
    pid_start: int | None = None
    pid_space: int | None = None  # lease_holder.namespace of who looked at it
    patient: bool = False  # it gets a ticket where the lease is not to be had
    ticket: int | None = None
    waiter: int = 0  # the process that waits
    waiter_start: int = 0
    until_boot: float = 0.0  # until when it waits


@dataclass(frozen=True, slots=True)
class RenewAsk:
    lease: str
    ttl: float | None = None  # None: as before


@dataclass(frozen=True, slots=True)
class ReleaseAsk:
    lease: str


@dataclass(frozen=True, slots=True)
class StealAsk:
    name: str
    why: str


@dataclass(frozen=True, slots=True)
class LeaveAsk:
    ticket: int


@dataclass(frozen=True, slots=True)
class ListAsk:
    prefix: str = ""


Ask = Callable[[Caller, AcquireAsk | LeaveAsk], dict[str, Json]]  # carries out one verb


def acquire(act: Act, ask: AcquireAsk) -> dict[str, Json]:
    """The lease; for who is patient, where it is not to be had, {"ticket"} with the holder. Raises Locked, Denied."""
    act.permit("write", _checked(ask.name))
    if not 0 < ask.ttl <= _LONGEST:
        raise Usage(f"a lease of {ask.ttl:g} seconds is none", fix="pass --ttl 5m; the longest is 7d")
    found, awaited = leases.look(act.conn, ask.name)
    queue = _queue(act, ask.name) if awaited else []
    mine = [one.ticket for one in queue if one.ticket == ask.ticket and one.run == act.caller.run]
    ahead = [one.ticket for one in queue if not mine or one.ticket < mine[0]]
    holder = _holder(act, ask.name, found)
    if holder is None and _may_pass(act, ask.name, len(ahead)):
        if queue:
            leases.leave(act.conn, [*ahead, *mine])
        return _given(act, ask)
    if not ask.patient:
        raise busy(ask.name, holder)
    return {"ticket": mine[0] if mine else _queued(act, ask)}


def _given(act: Act, ask: AcquireAsk) -> dict[str, Json]:
    turn, caller = act.turn, act.caller
    lease = Lease(ask.name, clock.new_id("ls", turn.now), token(act), caller.agent, caller.human, caller.run,
                  turn.boot_id, ask.pid, ask.pid_start, ask.pid_space, ask.ttl, turn.now, turn.now + ask.ttl,
                  turn.boot + ask.ttl, ask.note[:200])
    if lease.token % _SWEEP == 0:
        leases.sweep(act.conn, turn.boot_id, turn.boot - _KEPT)
    leases.put(act.conn, lease)
    _record(act, lease, "acquire")
    return shown(lease)


def token(act: Act) -> int:
    """A fencing token greater than every one before, for ever."""
    tokens = act.turn.tokens
    while (found := tokens.next()) is None:
        act.must_last()
        tokens.reserve()
    return found


def renew(act: Act, ask: RenewAsk) -> dict[str, Json]:
    """Raises LeaseLost where it ended, Denied for who does not hold it."""
    lease = must_hold(act, ask.lease)
    ttl = ask.ttl or lease.ttl
    if not 0 < ttl <= _LONGEST:
        raise Usage(f"a lease of {ttl:g} seconds is none", fix="pass --ttl 5m; the longest is 7d")
    lease = lease._replace(ttl=ttl, expires=act.turn.now + ttl, until_boot=act.turn.boot + ttl)
    leases.renew(act.conn, lease)
    _record(act, lease, "renew")
    return shown(lease)


def release(act: Act, ask: ReleaseAsk) -> dict[str, Json]:
    """Raises LeaseLost where it ended, Denied for who does not hold it."""
    lease = must_hold(act, ask.lease)
    leases.let_go(act.conn, lease.name, act.turn.boot)
    _record(act, lease, "release")
    return shown(lease)


def steal(act: Act, ask: StealAsk) -> dict[str, Json]:
    """Ends somebody's lease, by an operator. Raises Denied, NotFound where nobody holds it."""
    act.require("operator", "steal a lease")
    if not ask.why.strip():
        raise Usage("a lease is stolen for a reason", fix="pass --why TEXT")
    lease = leases.get(act.conn, ask.name)
    if lease is None or not lease.held(act.turn.boot_id, act.turn.boot):
        raise NotFound(f"nobody holds the lease '{ask.name[:200]}'", fix="githarness lease list")
    act.must_last()
    leases.let_go(act.conn, lease.name, act.turn.boot)
    act.record("lease", {"name": lease.name, "token": lease.token, "what": "steal", "why": ask.why,
                         "holder": lease.agent or lease.human}, outcome="stolen")
    return shown(lease)


def listed(act: Act, ask: ListAsk) -> dict[str, Json]:
    """What is held, by name, as far as the caller may see it."""
    found = leases.all_held(act.conn, act.turn.boot_id, act.turn.boot, ask.prefix)
    return {"items": [shown(lease) for lease in found if act.may("read", _checked(lease.name))
                      and not lease_holder.is_gone(lease)]}


def leave(act: Act, ask: LeaveAsk) -> dict[str, Json]:
    """For who waits no longer."""
    leases.give_up(act.conn, ask.ticket, act.caller.run)
    return {}


def must_hold(act: Act, lease: str) -> Lease:
    """What a write with --lease rests on: in its own transaction. Raises LeaseLost, Denied."""
    found = leases.by_id(act.conn, lease)
    if found is None or not found.held(act.turn.boot_id, act.turn.boot):
        raise lost(lease, found)
    if (found.agent, found.human) != (act.caller.agent, act.caller.human):
        raise Denied(f"lease '{lease[:80]}' belongs to {found.holder}", fix="githarness lease list",
                     details={"rule": "lease"})
    return found


def lost(lease: str, found: Lease | None) -> LeaseLost:
    name = f" on '{found.name}'" if found else ""
    return LeaseLost(f"lease '{lease[:80]}'{name} has ended, or was never given", details={"lease": lease})


def wait_for(parts: Parts, caller: Caller, ask: AcquireAsk, carry_out: Ask, *, wait: float) -> dict[str, Json]:
    """`acquire`, in order of asking, for up to so many seconds. Raises what it raises; Locked when the time is over."""
    if wait <= 0:
        return carry_out(caller, ask)
    deadline, pause = parts.clock.boot() + wait, Pause(parts)
    began = SYSTEM.monotonic()
    ask = replace(ask, patient=True, until_boot=deadline)
    try:
        while True:
            pause.mark()
            if ask.ticket is None or _worth_asking(parts, ask):
                found = carry_out(caller, ask)
                if "lease" in found:
                    return found
                ask = replace(ask, ticket=int(str(found["ticket"])))
            if (left := wait - (SYSTEM.monotonic() - began)) <= 0:
                raise busy(ask.name, _now_held(parts, ask.name))
            pause.wait(min(left, TURN))
    except BaseException:
        if ask.ticket is not None:
            carry_out(caller, LeaveAsk(ask.ticket))
        raise


def _worth_asking(parts: Parts, ask: AcquireAsk) -> bool:
    """A look that locks nothing: free, and either our turn, or who is first does not come."""
    if _now_held(parts, ask.name):
        return False
    with parts.db.read() as conn:
        places = [place.ticket for place in leases.waits(conn, ask.name)]
        found = leases.get(conn, ask.name)
    rank = places.index(ask.ticket) if ask.ticket in places else 0
    return (found is None or parts.clock.boot() - found.until_boot >= rank * TURN
            or lease_holder.is_gone(found))


def _now_held(parts: Parts, name: str) -> Lease | None:
    with parts.db.read() as conn:
        found = leases.get(conn, name)
    held = found and found.held(clock.boot_id(), parts.clock.boot()) and not lease_holder.is_gone(found)
    return found if held else None


def _queue(act: Act, name: str) -> list[Wait]:
    """The places of who waits, who came first, first; what dead ones left is removed."""
    places = leases.waits(act.conn, name)
    gone = [one.ticket for one in places if _gone(act, one)]
    if gone:
        leases.leave(act.conn, gone)
    return [one for one in places if one.ticket not in gone]


def _gone(act: Act, place: Wait) -> bool:
    return (place.boot != act.turn.boot_id or place.until_boot <= act.turn.boot
            or (place.pid > 0 and clock.process_start(place.pid) != place.pid_start))


def _holder(act: Act, name: str, found: Lease | None) -> Lease | None:
    """Who stands in the way: of the lease itself, or of one on the same artifacts."""
    turn = act.turn
    if found and found.held(turn.boot_id, turn.boot) and not _lapsed(act, found):
        return found
    if not name.startswith(PATHS):
        return None
    mine = name.removeprefix(PATHS)
    others = leases.all_held(act.conn, turn.boot_id, turn.boot, PATHS)
    return next((one for one in others if globs.witness([mine, one.name.removeprefix(PATHS)])
                 and not _lapsed(act, one)), None)


def _lapsed(act: Act, lease: Lease) -> bool:
    """Its process is gone, and the lease with it: what else has the lease's id holds nothing any more either."""
    if not lease_holder.is_gone(lease):
        return False
    leases.let_go(act.conn, lease.name, act.turn.boot)
    act.record("lease", {"name": lease.name, "token": lease.token, "what": "lapse",
                         "holder": lease.agent or lease.human})
    return True


def _may_pass(act: Act, name: str, ahead: int) -> bool:
    """Each one in front has its time to come; who is first need not wait."""
    found = leases.get(act.conn, name) if ahead else None
    return found is None or act.turn.boot - found.until_boot >= ahead * TURN


def _queued(act: Act, ask: AcquireAsk) -> int:
    return leases.wait(act.conn, Wait(0, ask.name, act.turn.boot_id, ask.waiter, ask.waiter_start, ask.until_boot,
                                     act.caller.run))


def busy(name: str, holder: Lease | None) -> Locked:
    fix = f"githarness lease acquire '{name[:200]}' --wait 1m"
    if holder is None:
        return Locked(f"others wait for the lease '{name[:200]}'", fix=fix)
    return Locked(f"the lease '{name[:200]}' is held by {holder.holder}", fix=fix, details=details_of(holder))


def details_of(holder: Lease) -> dict[str, Detail]:
    return {"name": holder.name, "agent": holder.agent, "human": holder.human, "run": holder.run,
            "expires": clock.rfc3339(holder.expires)}


def holding(holder: Lease) -> dict[str, Json]:
    """Who holds it, without what would let others use it."""
    return {"name": holder.name, "agent": holder.agent, "human": holder.human, "run": holder.run,
            "expires": clock.rfc3339(holder.expires)}


def shown(lease: Lease) -> dict[str, Json]:
    """The JSON form of CLI.md."""
    return {"lease": lease.id, "token": lease.token, **holding(lease), "acquired": clock.rfc3339(lease.acquired),
            "ttl": lease.ttl, "note": lease.note}


def _record(act: Act, lease: Lease, what: str) -> None:
    act.record("lease", {"name": lease.name, "token": lease.token, "what": what})


def _checked(name: str) -> str:
    """The path that policy judges. Raises BadPath, Usage."""
    if name.startswith(PATHS):
        if name.replace("**", "*").count("*") > _STARS:
            raise Usage(f"a lease on artifacts has at most {_STARS} '*'", fix="lease a folder: path:runbooks/**")
        return paths.check(f"{_PATH}path/{paths.valid_glob(name.removeprefix(PATHS))}")
    return paths.check(_PATH + name)
