"""What the desk stands on: governance at head and the database, looked at again as soon as either may have changed."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import replace

from githarness.errors import Denied, HarnessError
from githarness.git import refs
from githarness.policy import evaluate
from githarness.policy.delegation import PERSON
from githarness.policy.model import Decision, Human, Request
from githarness.store import runs
from githarness.store.rows import RunRow
from githarness.store.stops import Stop, in_force
from githarness.work import breaker, ends, people
from githarness.work.governance import Governance
from githarness.work.parts import Parts
from githarness.work.permit import Permit, denied, needs_approval
from githarness.work.runbook import Runbook

_RANK = "operator"  # the least role of a person who may be given a secret
_MINUTE = 60
_DEEPEST = 64  # runs that were started by each other


class Ground:
    """`epoch` grows when what was decided before may be decided otherwise now."""

    def __init__(self, parts: Parts) -> None:
        self.parts = parts
        self.epoch = 0
        self.head = ""
        self.moved = False  # whether head is another than when the records were loaded
        common = parts.repo.common_dir
        self._ref, self._packed = str(common / parts.ref), str(common / "packed-refs")
        self._stamps: object = None
        self._stops: dict[str, Stop] = {}
        self._open_runs: set[str] = set()  # of those that have asked
        self._version = -1
        self._late: list[Stop] = []
        self._minute = -1
        self._next_end = float("inf")
        self.look(parts.clock.now())

    def governance(self) -> Governance:
        """Raises NotFound, Integrity."""
        return self.parts.governed.at(self.head)

    def look(self, now: float) -> None:
        """Once before the requests of a round: cheap where nothing has changed."""
        stamps = _stamp(self._ref) or (_stamp(self._packed),)  # git, too, looks there only then
        if stamps != self._stamps:
            self._stamps = stamps
            self._read_head()
        version = self.parts.db.changes()
        if version != self._version:
            self._version = version
            self._read_database()
        minute = int(now // _MINUTE)
        if minute != self._minute or now >= self._next_end:  # windows of policies begin and end with a minute
            self._minute = minute
            self._plan_end(now)
            self.epoch += 1

    def _read_head(self) -> None:
        head = refs.head(self.parts.repo.common_dir, self.parts.ref)
        if head != self.head:
            self.head, self.moved = head, True
            self.epoch += 1
            with contextlib.suppress(HarnessError):
                ends.note(self.parts.db, self.governance().ends, self.parts.clock)
            self._plan_end(self.parts.clock.now())

    def _plan_end(self, now: float) -> None:
        with contextlib.suppress(HarnessError):
            self._next_end = min((at for at in self.governance().ends.values() if at > now), default=float("inf"))

    def _read_database(self) -> None:
        with self.parts.db.read() as conn:
            stops = in_force(conn)
            open_runs = {run for run in self._open_runs if _is_open(runs.get(conn, run))}
        if stops != self._stops or open_runs != self._open_runs:
            self._stops, self._open_runs = stops, open_runs
            self.epoch += 1

    def run(self, run: str, agent: str) -> RunRow:
        """The record of a run, made on first use. Raises Usage; Denied where it is another's, or has ended."""
        with self.parts.db.read() as conn:
            book = Runbook(conn, self.parts.clock.now())
            row = book.run(run, agent)
        if book.new_runs:
            with self.parts.db.write() as conn:
                book.save_runs(conn)
        self._open_runs.add(run)
        return row

    def is_open(self, run: str | None) -> bool:
        return run is None or run in self._open_runs

    def within(self, ancestry: Mapping[int, int]) -> RunRow | None:
        """The nearest open run that one of these processes is recorded for; `ancestry`: start time by process id."""
        with self.parts.db.read() as conn:
            started = {(row.pid, row.pid_start): row for row in runs.list(conn, status="open") if row.pid}
        return next((started[each] for each in ancestry.items() if each in started), None)

    def lineage(self, run: str) -> list[RunRow]:
        """A run and those of agents that it was started by, over however many; empty where it is not known."""
        found: list[RunRow] = []
        with self.parts.db.read() as conn:
            row = runs.get(conn, run)
            while row and not row.agent.startswith(PERSON) and len(found) < _DEEPEST:
                found.append(row)
                row = runs.get(conn, row.parent) if row.parent else None
        return found

    def human(self, name: str) -> Human:
        """Raises NotFound; Denied for who may be given no secret."""
        people.as_writer(self.governance(), name)
        human = self.governance().registry.humans[name]
        people.require(human, _RANK, "being given a secret")
        return human

    def decide(self, request: Request, url: str | None = None) -> Decision:
        """What policy says of a use. `url`: the path that is called with the secret at `request.host`.

        Raises Denied, Quarantined, RateLimited, NeedsApproval; too many denials stop the agent.
        """
        try:
            return self._decided(request, url)
        finally:
            late, self._late = self._late, []
            if late:
                with self.parts.db.write() as conn:
                    breaker.keep(conn, late)
                self._read_database()

    def _decided(self, request: Request, url: str | None) -> Decision:
        with self.permit() as permit:
            try:
                asked = replace(request, roles=permit.agent(request.agent).roles, time=permit.now)
                permit.chain(request.chain, request.agent)
                decision = permit.allow(asked)
                if url is not None:
                    _check_api(permit, replace(asked, action="api", path=url))
                return decision
            except Denied:
                permit.count_denials(request.agent, 1)
                raise
            finally:
                self._late = list(permit.new_stops)

    @contextlib.contextmanager
    def permit(self) -> Iterator[Permit]:
        """One view of governance and stops, for many questions."""
        governance = self.governance()
        with self.parts.db.read() as conn:
            yield Permit.of(governance, conn, self.parts.clock, self.parts.clock.now())


def _check_api(permit: Permit, request: Request) -> None:
    """Whether a rule refuses the call itself, whatever lends it its secret; that none allows it is no reason here."""
    decision = permit.decide(request)
    if decision.effect == "deny" and decision.rule != evaluate.DEFAULT:
        raise denied("agent", request, decision)
    if decision.effect == "require_approval":
        raise needs_approval(request, decision)


def _is_open(row: RunRow | None) -> bool:
    return row is not None and row.status == "open"


def _stamp(file: str) -> tuple[int, int, int] | None:
    try:
        status = os.stat(file)
    except OSError:
        return None
    return status.st_mtime_ns, status.st_ino, status.st_size
