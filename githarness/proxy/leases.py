"""Leases: what an agent was once allowed, for a time, so that the next request needs no new decision.

A lease belongs to an agent in a run, and is worth nothing to anybody else. Its end is a moment of the boot clock. What
was revoked stays revoked for the runs that were there: a line each in `vault-revoked`, beside the database.
"""

from __future__ import annotations

import json
import os
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from githarness import paths
from githarness.canon import Json
from githarness.errors import Denied, RateLimited, Unavailable
from githarness.policy.rates import Rate
from githarness.proxy.identity import Caller

IMPLICIT = 300.0  # seconds
LONGEST = 86400.0
_MOST, _MOST_EACH = 20_000, 1_000  # of all, and that one agent has asked for
OF = ("lease", "run", "agent", "secret")


@dataclass(slots=True, eq=False)
class Lease:
    id: str
    agent: str | None
    run: str | None
    human: str | None
    names: tuple[str, ...]
    modes: tuple[str, ...]
    until: float  # seconds of the boot clock
    hosts: tuple[str, ...] = ()
    methods: tuple[str, ...] = ()
    uses: int | None = None  # left
    rate: Rate | None = None
    implicit: bool = False
    used: deque[float] = field(default_factory=deque)

    def is_of(self, caller: Caller) -> bool:
        return (self.agent, self.run, self.human) == (caller.agent, caller.run, caller.human)

    def covers(self, name: str, mode: str, host: str, method: str) -> bool:
        return (any(paths.compiled(glob).fullmatch(name) for glob in self.names) and mode in self.modes
                and (not self.hosts or admits(self.hosts, host)) and (not self.methods or method in self.methods))

    def spend(self, now: float) -> bool:
        """One use, by the boot clock; False where it is over or used up. Raises RateLimited."""
        if now >= self.until or self.uses == 0:
            return False
        if self.rate:
            self._keep(self.rate, now)
        if self.uses is not None:
            self.uses -= 1
        return True

    def _keep(self, rate: Rate, now: float) -> None:
        while self.used and self.used[0] <= now - rate.seconds:
            self.used.popleft()
        if len(self.used) >= rate.most:
            raise RateLimited(f"lease '{self.id}' admits {rate.most} uses in {rate.seconds} seconds")
        self.used.append(now)

    def row(self, now: float, wall: float) -> dict[str, Json]:
        """As `leases` lists it."""
        from_now = round(self.until - now)
        return {"lease": self.id, "agent": self.agent, "run": self.run, "human": self.human, "names": [*self.names],
                "modes": [*self.modes], "hosts": [*self.hosts], "methods": [*self.methods], "uses": self.uses,
                "implicit": self.implicit, "seconds": from_now, "expires": wall + from_now}


def admits(patterns: Iterable[str], host: str) -> bool:
    """Whether one of the hosts is this; `*.` stands for one name or more in front."""
    bare = [pattern.removeprefix("http://") for pattern in patterns]
    return any(host == one or (one.startswith("*.") and host.endswith(one[1:])) for one in bare)


class Leases:
    def __init__(self, home: Path) -> None:
        """Raises Unavailable where what was revoked cannot be read."""
        self._file = home / "vault-revoked"
        self._by_id: dict[str, Lease] = {}
        self._implicit: dict[tuple[str | None, ...], Lease] = {}
        self._barriers = _barriers(self._file)

    def __len__(self) -> int:
        return len(self._by_id)

    def add(self, lease: Lease) -> Lease:
        """Raises Unavailable where there are too many, of all or of this agent."""
        asked = 0 if lease.implicit else sum(
            one.agent == lease.agent and not one.implicit for one in self._by_id.values())
        if len(self._by_id) >= _MOST or asked >= _MOST_EACH:
            raise Unavailable("there are too many leases", fix="githarness vault revoke --agent, or --all")
        self._by_id[lease.id] = lease
        if lease.implicit:
            self._implicit[lease.agent, lease.run, lease.human, lease.names[0], lease.modes[0]] = lease
        return lease

    def get(self, lease: str, caller: Caller) -> Lease:
        """Raises Denied where there is none of this caller."""
        found = self._by_id.get(lease)
        if found is None or not found.is_of(caller):
            raise Denied(f"{caller.who} has no lease '{lease[:40]}'", fix="ask without it, or for a new one",
                         details={"rule": "lease"})
        return found

    def implicit(self, caller: Caller, name: str, mode: str) -> Lease | None:
        return self._implicit.get((caller.agent, caller.run, caller.human, name, mode))

    def check(self, caller: Caller, name: str) -> None:
        """Raises Denied where this was revoked for the run, or for one that it was started by."""
        asked = {"agent": (caller.agent, *caller.chain), "run": caller.runs, "secret": (name,)}
        for barrier in self._barriers:
            alike = all(barrier[key] in mine for key, mine in asked.items() if key in barrier)
            if caller.run and alike and caller.since <= float(str(barrier["at"])):
                raise Denied(f"the use of '{name}' was revoked for run '{caller.run}'", details={"rule": "revoked"},
                             fix=f"githarness runs start --agent {caller.agent}, as an operator; then --run ID")

    def revoke(self, what: dict[str, str], at: float) -> int:
        """Ends leases, at once and for the runs that are there; how many. `what`: one of OF, or nothing for all."""
        ended = [one for one in self._by_id.values() if _meant(one, what)]
        told = [what] if "lease" not in what else [_key(one) for one in ended if one.implicit]
        self.drop(ended)
        self._remember([{**one, "at": at} for one in told])
        return len(ended)

    def sweep(self, now: float) -> None:
        self.drop([one for one in self._by_id.values() if now >= one.until])

    def clear(self) -> None:
        self.drop([*self._by_id.values()])

    def rows(self, now: float, wall: float) -> list[dict[str, Json]]:
        return [one.row(now, wall) for one in self._by_id.values() if now < one.until]

    def drop(self, gone: Iterable[Lease]) -> None:
        for one in gone:
            one.until = 0.0
            self._by_id.pop(one.id, None)
            key = (one.agent, one.run, one.human, one.names[0], one.modes[0])
            if self._implicit.get(key) is one:
                del self._implicit[key]

    def _remember(self, barriers: list[dict[str, Json]]) -> None:
        self._barriers += barriers
        data = "".join(json.dumps(one) + "\n" for one in barriers).encode()
        try:
            file = os.open(self._file, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            try:
                end = os.lseek(file, 0, os.SEEK_END)
                if os.write(file, data) != len(data):
                    os.ftruncate(file, end)
                    raise OSError(28, "no space left on device")
                os.fsync(file)
            finally:
                os.close(file)
        except OSError as error:
            raise Unavailable(f"what was revoked cannot be written down: {error.strerror}",
                              fix="make room; until the daemon ends it is revoked all the same") from error


def _meant(lease: Lease, what: dict[str, str]) -> bool:
    mine = {"lease": (lease.id,), "run": (lease.run,), "agent": (lease.agent,), "secret": lease.names}
    return all(what[key] in mine[key] or (key == "secret" and lease.covers(what[key], lease.modes[0], "", ""))
               for key in OF if key in what)


def _key(lease: Lease) -> dict[str, str]:
    named = {"agent": lease.agent, "run": lease.run, "secret": lease.names[0]}
    return {key: text for key, text in named.items() if text is not None}


def _barriers(file: Path) -> list[dict[str, Json]]:
    try:
        whole, end, torn = file.read_text(encoding="utf-8").rpartition("\n")
        if torn:  # who gave that order was not told that it was done
            os.truncate(file, len((whole + end).encode()))
        return [json.loads(line) for line in whole.splitlines()]
    except FileNotFoundError:
        return []
    except (OSError, ValueError) as error:
        raise Unavailable(f"'{file}' cannot be read, which says what was revoked", fix=f"look at {file}") from error
