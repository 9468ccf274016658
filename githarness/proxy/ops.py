"""The operations of the protocol beside `get`: each takes the desk, the session and what was said, and gives fields.

An operation of `ORDERS` is a person's: refused to agents and to whatever runs inside a run.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from githarness import clock
from githarness.canon import Json
from githarness.errors import Denied, HarnessError, Usage
from githarness.policy import rates
from githarness.policy.model import Request
from githarness.proxy import identity
from githarness.proxy import spool as audit
from githarness.proxy.desk import Desk, Reply, Session, failed
from githarness.proxy.identity import Caller
from githarness.proxy.leases import IMPLICIT, LONGEST, OF, Lease
from githarness.store import exposures
from githarness.vault import arena, opening, wire
from githarness.vault.keyslots import Offer
from githarness.vault.record import MODES, TIERS, Header

Fields = dict[str, Json]


class Call(NamedTuple):
    """`body` is wiped after the answer was made."""

    desk: Desk
    session: Session
    said: dict[str, Any]
    body: bytearray


Operation = Callable[[Call], Fields | Reply]

UNPROTECTED = (
    "a process of the same user without a sandbox: it may name any agent, and ask for what that one is allowed",
    "root: it may trace the daemon before it hardens itself, or replace it",
    "history: git keeps the old ciphertext of every version, and whoever had a key opens it",
    "what an agent was given with get or exec: it may keep it until the secret is rotated",
)


def hello(call: Call) -> Fields:
    try:
        caller = call.session.caller = identity.introduce(call.desk.ground, call.session.pid, call.said)
    except Denied as error:
        named = {name: str(call.said[name])[:200] for name in ("agent", "run") if name in call.said}
        line = audit.prefix("denial", named.get("agent"), None, named.get("run"), error.code,
                            {"action": "secret", "rule": "identity", "why": error.message})
        call.desk.spool.note(line, call.desk.now, durable=False)
        raise
    call.session.ready.clear()
    return {"state": call.desk.state, "tier": caller.tier, "agent": caller.agent, "run": caller.run,
            "human": caller.human, "protocol": wire.PROTOCOL}


def lease(call: Call) -> Fields:
    """Raises Denied where nothing that it would be for is allowed now."""
    caller = call.desk.caller(call.session)
    names, modes = _texts(call.said, "names"), _texts(call.said, "modes")
    if not names or not modes or not set(modes) <= set(MODES):
        raise Usage("a lease is for 'names' and 'modes'", fix="use modes " + ", ".join(MODES))
    ttl = clock.seconds(str(call.said["ttl"])) if "ttl" in call.said else IMPLICIT
    uses = call.said.get("uses")
    if uses is not None and (not isinstance(uses, int) or isinstance(uses, bool) or uses < 1):
        raise Usage("'uses' is no number from 1 on")
    if not 0 < ttl <= LONGEST:
        raise Usage("a lease lasts a day at most", fix="write a ttl like 5m or 2h")
    made = Lease(clock.new_id("vl", call.desk.now), caller.agent, caller.run, caller.human, names, modes,
                 call.desk.booted + ttl, _texts(call.said, "hosts"), _texts(call.said, "methods"), uses,
                 rates.rate(str(call.said["rate"])) if "rate" in call.said else None)
    if call.desk.holding.locked:
        raise call.desk.locked()
    allowed = [header.name for header in in_scope(call.desk, call.session)
               if any(made.covers(header.name, mode, next(iter(made.hosts), ""), next(iter(made.methods), ""))
                      for mode in header.modes)]
    if not allowed:
        raise Denied(f"{caller.who} may use nothing that is called {' or '.join(names)}", details={"rule": "lease"},
                     fix=f"githarness vault list --agent {caller.agent}" if caller.agent else "githarness vault list")
    call.desk.leases.add(made)
    return {"lease": made.id, "expires": clock.rfc3339(call.desk.now + ttl)}


def listing(call: Call) -> Fields:
    """Only what the caller could use now; everything for people."""
    if call.desk.holding.locked:
        raise call.desk.locked()
    rows: list[Json] = [{"name": one.name, "version": one.version, "modes": [*one.modes], "hosts": [*one.hosts],
                         "tier": one.tier, "state": one.state} for one in in_scope(call.desk, call.session)]
    return {"items": rows}


def in_scope(desk: Desk, session: Session) -> list[Header]:
    """What policy lets the caller use now; everything for people."""
    caller = desk.introduced(session)
    if not caller.agent:
        return desk.holding.headers() if caller.is_free else []
    found = []
    with desk.ground.permit() as permit:
        agent = permit.agent(caller.agent)
        permit.chain(caller.chain, caller.agent)
        for one in desk.holding.headers():
            request = Request(agent.name, agent.roles, "secret", one.name, chain=caller.chain, tier=caller.tier,
                              time=permit.now)
            if TIERS.index(caller.tier) >= TIERS.index(one.tier) and permit.decide(request).effect == "allow":
                found.append(one)
    return [one for one in found if not _is_revoked(desk, caller, one.name)]


def _is_revoked(desk: Desk, caller: Caller, name: str) -> bool:
    try:
        desk.leases.check(caller, name)
    except Denied:
        return True
    return False


def status(call: Call) -> Fields:
    """What there is, without a name for who acts as an agent."""
    holding = call.desk.holding
    with call.desk.ground.parts.db.read() as conn:
        seen = len(exposures.listed(conn))
    orders = call.desk.introduced(call.session).is_free
    refused: list[Json] = [{"name": name, "why": why} for name, why in sorted(holding.refused.items())]
    return {"state": call.desk.state, "why": holding.why_locked if holding.locked else call.desk.spool.blocked,
            "unlocked_by": holding.opened_by, "memory": holding.arena.kind, "swap": arena.swap_is_on(),
            "secrets": len(holding.headers()), "refused": refused if orders else len(refused),
            "clients": call.desk.clients(), "leases": len(call.desk.leases), "exposures": seen, "pid": os.getpid(),
            "not_protected": [*UNPROTECTED],
            **(call.desk.more["doors"](call.session, {}) if call.desk.more else {})}


def leases(call: Call) -> Fields:
    rows: list[Json] = [{**row, "expires": clock.rfc3339(float(str(row["expires"])))}
                        for row in call.desk.leases.rows(call.desk.booted, call.desk.now)]
    return {"items": rows}


def revoke(call: Call) -> Fields:
    """At once, also for requests that wait; what runs that are there had is not given to them again."""
    what: dict[str, str] = {name: str(call.said[name]) for name in OF if name in call.said}
    if len(what) + ("all" in call.said) != 1:
        raise Usage("name one of lease, run, agent, secret and all", fix="githarness vault revoke --help")
    call.desk.revoked += 1
    call.desk.holding.withdraw()
    ended = call.desk.leases.revoke(what, call.desk.now)
    who = call.desk.introduced(call.session).human
    safe: dict[str, Json] = {**what, "what": "vault", "leases": ended}
    call.desk.spool.note(audit.prefix("revoke", None, who, None, None, safe), call.desk.now, durable=True)
    return {"revoked": ended}


def stop(_call: Call) -> Fields:
    """Which process ends by SIGTERM, for who may give such orders."""
    return {"pid": os.getpid()}


def _noted(call: Call, what: str) -> None:
    """An event of what a person did to the vault as a whole."""
    who = call.desk.introduced(call.session).human
    call.desk.spool.note(audit.prefix("secret", None, who, None, None, {"what": what}), call.desk.now, durable=True)


def unlock(call: Call) -> Fields:
    """By the passphrase that came as the body, else by what needs no person. Raises VaultLocked."""
    holding, place = call.desk.holding, call.desk.holding.vault().place
    was_locked = opening.is_locked(place)
    try:
        if call.body:
            holding.unlock([Offer("passphrase", call.body)])
        opening.release(place)
        if not call.body:
            holding.open_alone()
    except HarnessError:
        if was_locked:
            opening.lock(place)
        raise
    _noted(call, "unlock")
    return {"state": call.desk.state, "unlocked_by": call.desk.holding.opened_by}


def lock(call: Call) -> Fields:
    opening.lock(call.desk.holding.vault().place)
    call.desk.holding.lock("the vault was locked by githarness vault lock")
    call.desk.leases.clear()
    _noted(call, "lock")
    return {"state": call.desk.state}


def reload(call: Call) -> Fields:
    call.desk.catch_up()
    return {"state": call.desk.state, "refused": len(call.desk.holding.refused)}


def _texts(said: Mapping[str, Any], name: str) -> tuple[str, ...]:
    found = said.get(name, [])
    if not isinstance(found, list) or len(found) > 100 or not all(isinstance(one, str) and 0 < len(one) <= 200
                                                                   for one in found):
        raise Usage(f"'{name}' is no list of texts", fix="see docs/vault-protocol.md")
    return tuple(found)


OPERATIONS: dict[str, Operation] = {
    "hello": hello, "lease": lease, "list": listing, "status": status, "leases": leases, "revoke": revoke,
    "unlock": unlock, "lock": lock, "reload": reload, "stop": stop,
}
ORDERS = frozenset(("leases", "revoke", "unlock", "lock", "reload", "exposures", "stop"))


def answer(desk: Desk, session: Session, header: bytes, body: bytearray) -> Reply:
    """To one request. Whatever is wrong with it is an answer too."""
    number = 0
    try:
        said = wire.parse(header)
        found, op = said.get("id"), said.get("op")
        if not isinstance(found, int) or isinstance(found, bool) or not 0 < found < 1 << 53:
            raise Usage("'id' is no number", fix="see docs/vault-protocol.md")
        number = found
        if op == "get":
            return desk.get(session, header, said)
        if op != "hello":
            desk.introduced(session)
        if isinstance(op, str) and op in desk.more:
            return Reply(wire.head({"id": number, **desk.more[op](session, said)}), id=number)
        if not isinstance(op, str) or op not in OPERATIONS:
            raise Usage(f"there is no operation '{str(op)[:40]}'", fix="see docs/vault-protocol.md")
        if op in ORDERS:
            identity.may_order(desk.introduced(session), f"vault {op}")
        done = OPERATIONS[op](Call(desk, session, said, body))
        return done if isinstance(done, Reply) else Reply(wire.head({"id": number, **done}), id=number)
    except HarnessError as error:
        return failed(number, error)
    finally:
        body[:] = bytes(len(body))


