"""What the doors ask the daemon on their own lines, and what clients ask about doors: `route`, `ssh` and `rejected`."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

from githarness import clock, sockets
from githarness.canon import Json
from githarness.errors import Denied, HarnessError, NotFound, Usage
from githarness.proxy import identity
from githarness.proxy.desk import Ask, Desk, Reply, Session, failed
from githarness.proxy.doors import ADOPTED, Child
from githarness.proxy.http_routes import Routes, lease_of
from githarness.proxy.ops import in_scope
from githarness.settings import Settings
from githarness.vault import signing, wire
from githarness.vault.arena import Slot

Fields = dict[str, Json]
Watch = Callable[[socket.socket, int, Callable[[bytes], Reply]], None]
_BACKLOG = 128


def ssh_socket(settings: Settings, common_dir: Path) -> Path:
    """Where the ssh-agent of a repository's vault listens."""
    return wire.socket_path(settings, common_dir).with_name(
        "vault-agent-" + wire.socket_path(settings, common_dir).stem.removeprefix("vault-") + ".sock")


class Doors:
    """`watch`: has the server read a door's line, and send what is made of each header."""

    def __init__(self, desk: Desk, settings: Settings, common_dir: Path, watch: Watch) -> None:
        self._desk, self._watch, self._settings, self._environ = desk, watch, settings, settings.environ
        self._adopted: dict[str, tuple[Slot, memoryview]] = {}  # by public key
        self._stamp = 0
        self.routes = Routes(desk)
        self._seat = sockets.bound(ssh_socket(settings, common_dir), stop="githarness vault serve --stop")
        self._seat.listener.settimeout(None)
        self._ssh = Child("githarness.proxy.ssh_door", self._seat.listener, self._environ, self._line(self._of_ssh))
        self._http: Child | None = None
        self._bound: dict[tuple[int, int], Session] = {}  # process and its start: who its descendants are
        desk.more = {"route": self.route, "ssh": self.ssh, "rejected": self.rejected, "doors": self.status}
        self.tick()

    def tick(self) -> None:
        """Now and then: what is needed runs, and what is over is forgotten."""
        self.routes.sweep()
        self._bound = {each: one for each, one in self._bound.items() if clock.process_start(each[0]) == each[1] > 0}
        with contextlib.suppress(HarnessError):  # said to who asks for a signature
            self._look_for_adopted()
        if self._adopted or any("sign" in header.modes for header in self._desk.holding.headers()):
            self._ssh.ensure()
        if self._http and len(self.routes):
            self._http.ensure()

    def close(self) -> None:
        self._seat.leave()
        for door in (self._ssh, self._http):
            if door:
                door.close()

    def status(self, session: Session, _said: dict[str, Any]) -> Fields:
        """What there is, and what upstreams refuse; to agents how many, to people which."""
        rejected = self.routes.rows()
        free = self._desk.introduced(session).is_free
        return {"routes": len(self.routes), "rejected": rejected if free else len(rejected),
                "ssh_agent": str(self._seat.path)}

    def route(self, session: Session, said: dict[str, Any]) -> Fields:
        """`route {name, methods?, ttl?}` gives {url, lease, host, expires}; after a name, `@HOST` says which one."""
        name, _, host = _text(said, "name").partition("@")
        ttl = _text(said, "ttl")
        methods = said.get("methods", [])
        if not isinstance(methods, list) or not all(isinstance(each, str) for each in methods):
            raise Usage("'methods' is no list of texts", fix="see docs/vault-protocol.md")
        lease = lease_of(session, self._desk, name, ttl, tuple(methods))
        token, route = self.routes.open(session, name, host, lease)
        if self._http is None:
            listener = socket.create_server(("127.0.0.1", 0), backlog=_BACKLOG)
            self._http = Child("githarness.proxy.http_door", listener, self._environ, self._line(self._of_http))
        self._http.ensure()
        port = self._http.listener.getsockname()[1]
        expires = clock.rfc3339(self._desk.now + lease.until - self._desk.booted)
        return {"url": f"http://127.0.0.1:{port}/{token}", "lease": lease.id, "host": route.host, "expires": expires}

    def ssh(self, session: Session, _said: dict[str, Any]) -> Fields:
        """The process that asks, and all that it starts, are its caller to the ssh-agent."""
        self._desk.caller(session)
        self._ssh.ensure()
        self._bound[session.pid, clock.process_start(session.pid)] = Session(session.pid, session.caller)
        return {"socket": str(self._seat.path)}

    def rejected(self, session: Session, said: dict[str, Any]) -> Fields:
        """A client tells that the other end did not take a secret; nothing is held back for it."""
        name, caller = _text(said, "name"), self._desk.caller(session)
        if self._desk.holding.locked:
            raise self._desk.locked()
        if not any(header.name == name for header in in_scope(self._desk, session)):
            raise Denied(f"{caller.who} may not use secret '{name}'", fix="githarness vault list")
        version = self._desk.holding.get(name).header.version
        self.routes.note_refusal(session, name, {"version": version, "mode": "get", "host": _text(said, "host")})
        return {}

    def _line(self, asked: Callable[[int, dict[str, Any]], Reply]) -> Callable[[socket.socket, int], None]:
        """A door asks what is its own alone: one that was taken over by what it parses gets at nothing else."""
        def answer(header: bytes) -> Reply:
            said = wire.parse(header)
            number = int(said["id"])
            try:
                return asked(number, said)
            except HarnessError as error:
                return failed(number, error)

        return lambda line, pid: self._watch(line, pid, answer)

    def _of_http(self, number: int, said: dict[str, Any]) -> Reply:
        if said["op"] == "use":
            return self.routes.use(number, said["route"], said["method"], said["path"])
        self.routes.outcome(said["route"], said["version"], said["status"])
        return Reply(wire.head({"id": number}), id=number)

    def _of_ssh(self, number: int, said: dict[str, Any]) -> Reply:
        self._look_for_adopted()
        if said["op"] == "keys":
            return Reply(wire.head({"id": number, "keys": self._keys(said["pid"])}), id=number)
        if adopted := self._adopted.get(str(said["name"]).removeprefix(ADOPTED)):
            return Reply(wire.head({"id": number, "version": 0}, len(adopted[1])), adopted[1], number)
        return self._key(number, self._who(said["pid"]), said["name"])

    def _who(self, pid: int) -> Session:
        """By the nearest process above it that was bound, or that a run is recorded for. Raises Denied."""
        above = identity.ancestry(pid)
        within = self._desk.ground.within(above)
        for each in above.items():
            if each in self._bound:
                return self._bound[each]
            if within and each == (within.pid, within.pid_start):
                return Session(pid, identity.introduce(self._desk.ground, pid, {}))
        raise Denied("this process is of no run and of no githarness vault exec", fix="githarness vault exec --ssh")

    def _look_for_adopted(self) -> None:
        """Agents' own signing keys, which are for every process of this user; also while the vault is locked."""
        with contextlib.suppress(NotFound):
            place = self._desk.holding.vault().place
            if (stamp := signing.stamp(place)) != self._stamp:
                old, self._adopted = self._adopted, {}
                for slot, _ in old.values():
                    slot.free()
                slots: list[Slot] = []
                found = signing.load(self._settings, place, lambda size: self._room(slots, size))
                self._adopted = {public: (slots[-1], view) for public, view in found}
                self._stamp = stamp

    def _room(self, slots: list[Slot], size: int) -> memoryview:
        slots.append(self._desk.holding.arena.take(size))
        return slots[-1].view

    def _keys(self, pid: int) -> list[Json]:
        found: list[Json] = [{"name": ADOPTED + public, "public": public} for public in self._adopted]
        with contextlib.suppress(HarnessError):  # who is nobody has these alone
            found += self._secrets(self._who(pid))
        return found

    def _secrets(self, session: Session) -> list[Json]:
        found: list[Json] = []
        for header in in_scope(self._desk, session):
            if "sign" in header.modes:
                found.append({"name": header.name, "version": header.version})
        return found

    def _key(self, number: int, session: Session, name: str) -> Reply:
        ready = self._desk.use(self._desk.caller(session), Ask(name, "sign"))
        told = {"id": number, "version": ready.held.header.version}
        return Reply(wire.head(told, len(ready.held.value)), ready.held.value, number)


def _text(said: dict[str, Any], name: str) -> str:
    found = said.get(name, "")
    if not isinstance(found, str) or len(found) > 300:
        raise Usage(f"'{name}' is no text", fix="see docs/vault-protocol.md")
    return found
