"""Routes: where an agent's HTTP requests go, and which secret they are given there; asked for each of them.

A route is a lease of mode proxy, bound to an origin and known by a token that stands in the agent's base URL. What an
upstream refuses is counted by secret, version and who asked; after `_PATIENCE` answers of 401 in a row nothing is sent
for a time: for who had them, and for all once two of them wait. So nobody takes a secret from others by asking badly.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field

from githarness import clock
from githarness.canon import Json
from githarness.errors import Denied, NotFound, Unavailable, Usage
from githarness.proxy import spool as audit
from githarness.proxy.desk import Ask, Desk, Ready, Reply, Session
from githarness.proxy.leases import LONGEST, Lease
from githarness.vault import wire
from githarness.vault.record import BEARER, Header, way

_PATIENCE = 3
_FIRST_PAUSE, _LONGEST_PAUSE = 5.0, 300.0
_MOST = 10_000
_KEPT = 128  # asks of one route that are answered without a decision
_USUAL = {"https": 443, "http": 80}
_KINDS = {401: "credential-rejected", 403: "credential-rejected", 404: "upstream-changed", 410: "upstream-changed"}


@dataclass(slots=True, eq=False)
class Route:
    session: Session
    lease: Lease
    name: str
    scheme: str
    host: str  # as the record has it, with its port
    started: int  # when the process of the session did
    ready: dict[tuple[str, str], Ready] = field(default_factory=dict)

    @property
    def who(self) -> str:
        """For whom refusals are counted."""
        return self.session.caller.who if self.session.caller else ""

    @property
    def origin(self) -> dict[str, Json]:
        host, colon, port = self.host.rpartition(":")
        bare = (host if colon and port.isdigit() else self.host).strip("[]")
        return {"scheme": self.scheme, "host": bare, "port": int(port) if colon and port.isdigit()
                else _USUAL[self.scheme]}


@dataclass(slots=True, eq=False)
class _Refusals:
    """What upstreams have answered to one caller with one version of a secret since they last took it."""

    counts: dict[int, int] = field(default_factory=dict)
    in_row: int = 0
    until: float = 0.0  # of the boot clock
    last: float = 0.0


class Routes:
    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._by_token: dict[str, Route] = {}
        self._refusals: dict[tuple[str, int], dict[str, _Refusals]] = {}

    def open(self, session: Session, name: str, host: str, lease: Lease) -> tuple[str, Route]:
        """The token of a new route. `host`: one of the record's, or empty for its first.

        Raises NotFound, Denied, Usage, Unavailable.
        """
        desk = self._desk
        caller = desk.caller(session)
        desk.leases.check(caller, name)
        if desk.holding.locked:
            raise desk.locked()
        header = desk.holding.get(name).header
        if "proxy" not in header.modes:
            raise Denied(f"'{name}' is not for mode proxy, but for {', '.join(header.modes)}",
                         details={"rule": "mode"}, fix=way(header))
        if len(self._by_token) >= _MOST:
            self.sweep()
        if len(self._by_token) >= _MOST:
            raise Unavailable("there are too many routes", fix="githarness vault revoke --all")
        scheme, host = _origin(header, host)
        lease.hosts = lease.hosts or (host,)
        desk.leases.add(lease)
        token = secrets.token_urlsafe(24)
        route = self._by_token[token] = Route(Session(session.pid, caller), lease, name, scheme, host,
                                                clock.process_start(session.pid))
        return token, route

    def sweep(self) -> None:
        """Routes end with their lease, and with the process that asked for them."""
        starts = {pid: clock.process_start(pid) for pid in {route.session.pid for route in self._by_token.values()}}
        gone = [token for token, route in self._by_token.items() if self._desk.booted >= route.lease.until
                or not (route.started == starts[route.session.pid] > 0)]
        self._desk.leases.drop(self._by_token.pop(token).lease for token in gone)

    def use(self, number: int, token: str, method: str, path: str) -> Reply:
        """The value for one request. Raises NotFound for no route, and as `Desk.use` does."""
        route = self._route(token)
        self._desk.caller(route.session)
        ready = self._ready(route, method, path)
        header = ready.held.header
        told = {"id": number, "name": route.name, "version": header.version, **route.origin,
                "header": header.header or BEARER}
        return Reply(wire.head(told, len(ready.held.value)), ready.held.value, number)

    def _route(self, token: str) -> Route:
        route = self._by_token.get(token)
        if route is None or self._desk.booted >= route.lease.until:
            raise NotFound("there is no such route", fix="githarness vault exec --proxy VAR=NAME gives one")
        return route

    def _ready(self, route: Route, method: str, path: str) -> Ready:
        """As `Desk.quick`: what was decided once holds until something changes; every use is noted."""
        desk, asked = self._desk, (method, path)
        self._hold_back(route)
        ready = route.ready.get(asked)
        if ready and ready.epoch == desk.epoch and not desk.spool.blocked and ready.lease.spend(desk.booted):
            desk.spool.note(ready.line, desk.now, durable=ready.durable)
            return ready
        caller = desk.caller(route.session)
        ready = desk.use(caller, Ask(route.name, "proxy", route.host, method, path), route.lease.id)
        if ready.epoch:
            if len(route.ready) >= _KEPT:
                route.ready.clear()
            route.ready[asked] = ready
        return ready

    def _hold_back(self, route: Route) -> None:
        """Raises Unavailable while an upstream that refused this version again and again is left alone."""
        if self._desk.holding.locked:
            return
        version = self._desk.holding.get(route.name).header.version
        waits = {who: one for who, one in self._refusals.get((route.name, version), {}).items()
                 if self._desk.booted < one.until}
        if len(waits) > 1 or route.who in waits:
            last = max(waits.values(), key=lambda one: one.until)
            left = round(last.until - self._desk.booted + 0.5)
            raise Unavailable(f"'{route.host}' refused version {version} of '{route.name}' {last.in_row} times in a "
                              f"row: nothing is sent for {left} seconds", fix=f"githarness vault rotate {route.name}",
                              details={"kind": "credential-rejected", "seconds": left})

    def outcome(self, token: str, version: int, status: int) -> None:
        """What the upstream answered, where it refused, or took what it had refused before."""
        desk, route = self._desk, self._route(token)
        key = route.name, version
        if status not in _KINDS:
            self._refusals.pop(key, None)
            return
        refused = self._refusals.setdefault(key, {}).setdefault(route.who, _Refusals())
        refused.counts[status] = refused.counts.get(status, 0) + 1
        refused.last = desk.now
        if status == 401:
            refused.in_row += 1
            if refused.in_row >= _PATIENCE:
                pause = min(_FIRST_PAUSE * 2 ** min(refused.in_row - _PATIENCE, 10), _LONGEST_PAUSE)
                refused.until = desk.booted + pause
        self.note_refusal(route.session, route.name, {"version": version, "mode": "proxy", "host": route.host,
                                                      "status": status, "lease": route.lease.id}, _KINDS[status])

    def note_refusal(self, session: Session, name: str, safe: dict[str, Json], kind: str = _KINDS[401]) -> None:
        """An event that the other end did not take a secret."""
        caller = session.caller
        if caller:
            line = audit.prefix("secret", caller.agent, caller.human, caller.run, kind,
                                {"secret": name, "tier": caller.tier, "chain": [*caller.chain], **safe})
            self._desk.spool.note(line, self._desk.now, durable=False)

    def rows(self) -> list[Json]:
        """What upstreams refuse, for `vault status`."""
        return [{"secret": name, "version": version, "by": who,
                 "answers": {str(code): n for code, n in one.counts.items()},
                 "last": clock.rfc3339(one.last), "paused": self._desk.booted < one.until}
                for (name, version), each in sorted(self._refusals.items()) for who, one in sorted(each.items())]

    def __len__(self) -> int:
        return len(self._by_token)


def lease_of(session: Session, desk: Desk, name: str, ttl: str, methods: tuple[str, ...]) -> Lease:
    """For as long as a run may last, unless it says a `ttl`: each request is decided anew. Raises Usage."""
    caller = desk.caller(session)
    seconds = clock.seconds(ttl) if ttl else LONGEST
    if not 0 < seconds <= LONGEST:
        raise Usage("a lease lasts a day at most", fix="write a ttl like 5m or 2h")
    return Lease(clock.new_id("vl", desk.now), caller.agent, caller.run, caller.human, (name,), ("proxy",),
                 desk.booted + seconds, (), methods)


def _origin(header: Header, wanted: str) -> tuple[str, str]:
    """Scheme and host of the record's entry for `wanted`, or of its first that is no pattern. Raises Denied, Usage."""
    plain = [entry for entry in header.hosts if not entry.startswith("*.")]
    if not wanted and not plain:
        raise Usage(f"the record of '{header.name}' names no single host", fix="name it: --proxy VAR=NAME@HOST")
    for entry in [wanted, f"http://{wanted}"] if wanted else plain[:1]:
        if entry in header.hosts:
            scheme, mark, host = entry.rpartition("://")
            return (scheme if mark else "https"), host
    if any(entry.startswith("*.") and wanted.endswith(entry[1:]) for entry in header.hosts) and _is_host(wanted):
        return "https", wanted
    raise Denied(f"'{header.name}' is not for host '{wanted}'", details={"rule": "hosts"}, fix="githarness vault list")


def _is_host(text: str) -> bool:
    return len(text) <= 253 and all(part and part.isascii() and part.replace("-", "").replace("_", "").isalnum()
                                    for part in text.split("."))
