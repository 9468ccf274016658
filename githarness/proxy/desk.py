"""The desk of the vault: who asks, what policy says, a line in the audit spool, and only then a value.

The same desk serves a daemon's connections and, where none runs, one command in its own process. It holds values as
views of the arena; nothing here makes bytes of one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from githarness import clock, paths
from githarness.canon import Json
from githarness.errors import Denied, HarnessError, Internal, Quarantined, Unavailable, Usage, VaultLocked
from githarness.policy.model import Decision, Request
from githarness.proxy import identity
from githarness.proxy import spool as audit
from githarness.proxy.ground import Ground
from githarness.proxy.holding import Held, Holding
from githarness.proxy.identity import Caller
from githarness.proxy.leases import IMPLICIT, Lease, Leases, admits
from githarness.proxy.spool import Spool
from githarness.vault import wire
from githarness.vault.record import MODES, TIERS, way

_UNLOCK = "githarness vault serve, then githarness vault unlock"
_KEPT = 256  # asks of one connection that are answered without a decision
_LONGEST = 1024  # bytes of such an ask
_ID = b'{"id":'
_UNSEEN = ("proxy", "sign")  # the daemon's own doors use these for the agent


class Reply(NamedTuple):
    """A frame: its head, and the value that is its body."""

    head: bytes
    value: memoryview | bytes = b""
    id: int = 0


class Ask(NamedTuple):
    """One use of one secret."""

    name: str
    mode: str
    host: str = ""
    method: str = ""
    path: str = ""

    @property
    def fields(self) -> dict[str, Json]:
        return {"secret": self.name, "mode": self.mode, "host": self.host, "method": self.method, "path": self.path}


class Ready(NamedTuple):
    """What was decided, for as long as the epoch lasts."""

    epoch: int
    lease: Lease
    held: Held
    line: bytes
    rest: bytes  # of the answer's header, after its id
    durable: bool


@dataclass(slots=True, eq=False)
class Session:
    """One connection, as the desk knows it."""

    pid: int
    caller: Caller | None = None
    ready: dict[bytes, Ready] = field(default_factory=dict)


class Desk:
    def __init__(self, ground: Ground, holding: Holding, spool: Spool, leases: Leases) -> None:
        self.ground = ground
        self.holding = holding
        self.spool = spool
        self.leases = leases
        self.clock = ground.parts.clock
        self.revoked = 0
        self.clients: Callable[[], int] = lambda: 0
        self.before_turn: Callable[[], None] = lambda: None  # until the other file of the spool is empty
        self.moving: Callable[[], bool] = lambda: False  # whether that other file is not empty yet
        self.more: dict[str, Callable[[Session, dict[str, Any]], dict[str, Json]]] = {}  # what only a daemon can do
        self.trouble = ""  # why governance or database cannot be looked at now
        self.now = self.clock.now()
        self.booted = self.clock.boot()

    @property
    def state(self) -> str:
        if self.spool.blocked:
            return "audit-blocked"
        return "locked" if self.holding.locked else "unlocked"

    @property
    def epoch(self) -> int:
        return self.ground.epoch + self.holding.epoch + self.revoked

    def begin(self) -> None:
        """Before the requests of a round: what has changed since the last one is seen."""
        self.now, self.booted = self.clock.now(), self.clock.boot()
        self.ground.look(self.now)
        if self.ground.moved:
            self.catch_up()

    def catch_up(self) -> None:
        """Loads what head has; where there is no vault to be believed any more, nothing is served."""
        try:
            if self.holding.locked:
                self.ground.moved = False
                self.holding.open_alone()
            else:
                self.holding.load()
        except HarnessError as error:
            self.holding.lock(error.message, "" if isinstance(error, VaultLocked) else error.fix)

    def quick(self, session: Session, header: bytes) -> Reply | None:
        """The answer to what this connection has asked before, if nothing has changed since; else None.

        Two such requests differ in their ids alone, which is what comes first in them.
        """
        comma = header.find(b",", 6, 26)
        ready, number = session.ready.get(header[comma:]), header[6:comma]
        if ready is None or ready.epoch != self.epoch or not number.isdigit() or not header.startswith(_ID):
            return None
        if self.spool.blocked or self.trouble or not ready.lease.spend(self.booted):
            return None
        self.spool.note(ready.line, self.now, durable=ready.durable)
        text = b'{"id":%b%b' % (number, ready.rest)
        size = len(ready.held.value)
        return Reply(wire.LENGTHS.pack(4 + len(text) + size, len(text)) + text, ready.held.value, int(number))

    def get(self, session: Session, header: bytes, said: dict[str, Any]) -> Reply:
        """Raises Denied, NeedsApproval, VaultLocked, NotFound, Integrity, RateLimited, Unavailable."""
        lease, ask = _text(said, "lease") if "lease" in said else None, _ask(said)
        if ask.mode in _UNSEEN:
            raise Denied(f"mode {ask.mode} hands no value out", details={"rule": "mode"},
                         fix="githarness vault exec --proxy VAR=NAME, or --ssh")
        ready = self.use(self.caller(session), ask, lease)
        rest = f',"version":{ready.held.header.version},"lease":"{ready.lease.id}"}}'.encode()
        comma = header.find(b",", 6, 26)
        again = ready.epoch and ready.lease.rate is None  # else the next one is looked at anew
        if again and len(header) <= _LONGEST and header.startswith(_ID) and header[6:comma] == b"%d" % said["id"]:
            if len(session.ready) >= _KEPT:
                session.ready.clear()
            session.ready[header[comma:]] = ready._replace(rest=rest)
        fields = {"id": said["id"], "version": ready.held.header.version, "lease": ready.lease.id}
        return Reply(wire.head(fields, len(ready.held.value)), ready.held.value, said["id"])

    def introduced(self, session: Session) -> Caller:
        """Who a connection is; one that did not say is what the kernel says of its process. Raises Denied."""
        if session.caller is None:
            session.caller = identity.introduce(self.ground, session.pid, {})
        return session.caller

    def caller(self, session: Session) -> Caller:
        """Who may be given a secret. Raises Denied where nobody was named."""
        caller = session.caller
        if caller is None or not (caller.agent or caller.human):
            raise Denied("nobody has said who asks",
                         fix="name the agent with --agent or GITHARNESS_AGENT, or yourself with --as")
        return caller

    def use(self, caller: Caller, ask: Ask, lease: str | None = None) -> Ready:
        """One use, decided, spent and noted; its value may leave once the spool was written. Raises as `get` does.

        `lease`: the id of one that the caller has; without it there is one for this secret and mode.
        """
        if self.spool.blocked:
            raise Unavailable(f"uses of secrets cannot be recorded: {self.spool.blocked}",
                              fix="make room on the disk of the repository", details={"state": "audit-blocked"})
        if self.trouble:
            raise Unavailable(f"nothing can be decided now: {self.trouble}", fix="githarness doctor")
        try:
            decision = self.decide(caller, ask)
            held = self._fit(caller, ask)
            spent = self._lease(caller, ask, self.leases.get(lease, caller) if lease else None)
        except HarnessError as error:
            self._note_refusal(caller, ask, error)
            raise
        line = self._line(caller, ask, held, spent, decision)
        durable = held.header.audit == "durable"
        self.spool.note(line, self.now, durable=durable)
        keeps = self.epoch if not any(limit.what == "calls" for limit in decision.limits) else 0
        return Ready(keeps, spent, held, line, b"", durable)

    def decide(self, caller: Caller, ask: Ask) -> Decision:
        """By policy, of an agent; by role, of a person. What was used before counts where policy limits calls."""
        if caller.human:
            return Decision("allow", f"human:{self.ground.human(caller.human).role}")
        if not self.ground.is_open(caller.run):
            raise Denied(f"run '{caller.run}' has finished", fix=f"githarness runs start --agent {caller.agent}")
        self.leases.check(caller, ask.name)
        request = Request(caller.agent or "", (), "secret", ask.name, chain=caller.chain, tier=caller.tier,
                          host=ask.host, method=ask.method)
        url = ask.path if ask.method else None
        decision = self.ground.decide(request, url)
        if (self.spool.waiting or self.moving()) and any(limit.what == "calls" for limit in decision.limits):
            self.settle()
            decision = self.ground.decide(request, url)
        return decision

    def settle(self) -> None:
        """Makes events of all that was noted, for who counts them. Raises Unavailable."""
        if not self.spool.write():
            raise Unavailable(f"uses of secrets cannot be recorded: {self.spool.blocked}", fix="make room on the disk")
        self.before_turn()
        audit.move(self.ground.parts.db, self.spool.turn())

    def locked(self) -> VaultLocked:
        """Why nothing is served. Raises NotFound, Integrity where there is no vault to be believed."""
        self.holding.vault()
        return VaultLocked(self.holding.why_locked, fix=self.holding.fix or _UNLOCK)

    def _fit(self, caller: Caller, ask: Ask) -> Held:
        """The secret, where it is to be used so. Raises VaultLocked, NotFound, Integrity, Denied."""
        if self.holding.locked:
            raise self.locked()
        held = self.holding.get(ask.name)
        header = held.header
        if ask.mode not in header.modes:
            raise Denied(f"'{ask.name}' is not for mode {ask.mode}, but for {', '.join(header.modes)}",
                         details={"rule": "mode", "modes": [*header.modes]}, fix=way(header))
        if TIERS.index(caller.tier) < TIERS.index(header.tier) and not caller.human:
            raise Denied(f"'{ask.name}' takes {header.tier}, and {caller.who} asks as {caller.tier}",
                         details={"rule": "tier"}, fix="start the agent with githarness run")
        if (ask.host or ask.mode == "proxy") and not admits(header.hosts, ask.host):
            raise Denied(f"'{ask.name}' is not for host '{ask.host}'", details={"rule": "hosts"},
                         fix="githarness vault list")
        if header.methods and ask.mode == "proxy" and ask.method not in header.methods:
            raise Denied(f"'{ask.name}' is not for {ask.method}", details={"rule": "methods"},
                         fix="githarness vault list")
        if header.paths and ask.mode == "proxy" and not any(paths.matches(glob, ask.path) for glob in header.paths):
            raise Denied(f"'{ask.name}' is not for path '{ask.path}'", details={"rule": "paths"},
                         fix="githarness vault list")
        return held

    def _lease(self, caller: Caller, ask: Ask, lease: Lease | None) -> Lease:
        """The lease that this use is under, with one use less. Raises Denied, RateLimited."""
        if lease is not None and not lease.covers(ask.name, ask.mode, ask.host, ask.method):
            raise Denied(f"lease '{lease.id}' is not for '{ask.name}' in mode {ask.mode}",
                         details={"rule": "lease"}, fix="ask for another")
        found = lease or self.leases.implicit(caller, ask.name, ask.mode)
        if found and found.spend(self.booted):
            return found
        if lease is not None:
            raise Denied(f"lease '{lease.id}' is over or used up", details={"rule": "lease"}, fix="ask for another")
        return self.leases.add(Lease(clock.new_id("vl", self.now), caller.agent, caller.run, caller.human, (ask.name,),
                                     (ask.mode,), self.booted + IMPLICIT, implicit=True))

    def _line(self, caller: Caller, ask: Ask, held: Held, lease: Lease, decision: Decision) -> bytes:
        safe: dict[str, Json] = {**ask.fields, "version": held.header.version, "lease": lease.id, "tier": caller.tier,
                "chain": [*caller.chain], "rule": decision.rule, "grant": decision.grant}
        return audit.prefix("secret", caller.agent, caller.human, caller.run, None, safe)

    def _note_refusal(self, caller: Caller, ask: Ask, error: HarnessError) -> None:
        kind = "denial" if isinstance(error, Denied | Quarantined) else "refusal"
        safe: dict[str, Json] = {**ask.fields, "action": "secret", "tier": caller.tier, "chain": [*caller.chain],
                "rule": str(error.details.get("rule", ""))}
        self.spool.note(audit.prefix(kind, caller.agent, caller.human, caller.run, error.code, safe), self.now,
                        durable=False)


def failed(number: int, error: HarnessError) -> Reply:
    return Reply(wire.head({"id": number, **error.document()}), id=number)


def unexpected(number: int, error: Exception) -> Reply:
    """Names the kind of fault and nothing of what it was about, which could be a secret."""
    return failed(number, Internal(f"the vault daemon met a fault: {type(error).__name__}", fix="report it"))


def _ask(said: dict[str, Any]) -> Ask:
    name, mode = _text(said, "name"), _text(said, "mode")
    if mode not in MODES:
        raise Usage(f"there is no mode '{mode[:20]}'", fix="use " + ", ".join(MODES))
    return Ask(name, mode, *(_text(said, one) if one in said else "" for one in ("host", "method", "path")))


def _text(said: dict[str, Any], name: str) -> str:
    found = said.get(name)
    if not isinstance(found, str) or not 0 < len(found) <= 2000:
        raise Usage(f"'{name}' is missing, or is no text", fix="see docs/vault-protocol.md")
    return found
