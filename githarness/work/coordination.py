"""What the verbs of coordination share: who asks, and the one transaction in which it is judged, done and recorded.

    def step(act: Act) -> T: ...        judge by act.permit(), change by act.conn, tell by act.record()
    do(parts, caller, step)             one transaction; refused: nothing changed, and the refusal is on record

State, leases, channels and tasks are judged by policy as paths: `@state/KEY`, `@lease/NAME`, `@channel/NAME`,
`@task/ID` with the actions read, write and delete.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Protocol, TypeVar

from githarness import clock
from githarness.audit import line
from githarness.canon import Json
from githarness.errors import Denied, HarnessError, LeaseLost, NeedsApproval, Stopped, Usage
from githarness.git import refs
from githarness.policy.model import Agent, Request
from githarness.settings import Settings
from githarness.store import events
from githarness.store.db import Connection
from githarness.store.fences import Tokens
from githarness.store.rows import EventRow, RunRow
from githarness.work import audit_record, breaker, ends, people
from githarness.work.governance import Governance
from githarness.work.parts import Parts
from githarness.work.permit import Permit, denied
from githarness.work.runbook import Runbook, name_of, tier

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks: an agent or a person of the fleet, one of the two. What its word is worth is found out later."""

    agent: str | None
    human: str | None
    run: str
    chain: tuple[str, ...] = ()  # --on-behalf-of, outermost first
    token: str | None = None  # proves the run (T1)

    @property
    def name(self) -> str:
        return self.agent or self.human or ""


class Door(Protocol):
    """What naming a caller needs of `wiring.Harness`."""

    settings: Settings

    @property
    def mail(self) -> str: ...
    def token(self) -> str | None: ...
    def governance(self) -> Governance: ...


def caller_of(door: Door, *, agent: str | None = None, human: str | None = None, run: str | None = None,
              chain: Sequence[str] = ()) -> Caller:
    """As CLI.md says: as named, else the agent of the environment, else the person of git's user.email.

    Raises Usage, NotFound.
    """
    if agent and human:
        raise Usage("an agent and a person cannot both act", fix="pass --agent or --as, not both")
    settings = door.settings
    if not human:
        agent = agent or settings.agent
    if not agent and not human:
        human = door.governance().human_of(door.mail).name
    return Caller(agent, human, run or settings.run_of(agent or human or ""), tuple(chain), door.token())


def operator_of(door: Door) -> Caller:
    """The person of git's user.email, whatever the environment says: for what operators do. Raises NotFound."""
    human = door.governance().human_of(door.mail).name
    return Caller(None, human, f"r-human-{human}")


class Again(Exception):
    """Not an error: this transaction is too light for what a step does in it, and all is begun again in one that lasts
    and in which each step can be undone by itself."""


@dataclass(slots=True)
class Turn:
    """One write transaction, in which several callers may be served one after the other."""

    parts: Parts
    conn: Connection
    governance: Governance
    now: float  # Unix seconds
    boot: float  # seconds of the boot clock
    boot_id: str
    durable: bool
    guarded: bool  # by savepoints: then a step that changed something can be refused all the same
    permit: Permit
    book: Runbook
    tokens: Tokens
    events: list[EventRow] = field(default_factory=list)

    def serve(self, caller: Caller, step: Callable[[Act], T]) -> T | HarnessError:
        """What the step returns, or why it did not happen; then nothing of it did. Raises Again."""
        mark, changes = len(self.events), self.conn.total_changes
        if self.guarded:
            self.conn.execute("SAVEPOINT step")
        try:
            return step(self._act(caller))
        except (HarnessError, UnicodeEncodeError, OverflowError) as raised:
            error = raised if isinstance(raised, HarnessError) else Usage(
                "a text is not UTF-8, or a number is too large", fix="repeat it in UTF-8, with a smaller number")
            self._undo(changes)
            del self.events[mark:]
            if isinstance(error, Denied | NeedsApproval | Stopped | LeaseLost):
                self._refused(caller, error)
            return error

    def _undo(self, changes: int) -> None:
        """What the step in hand did since the connection had made so many changes; mostly it did nothing."""
        if self.guarded:
            self.conn.execute("ROLLBACK TO step")
            self.tokens.forget()
        elif self.conn.total_changes != changes:
            raise Again

    def _act(self, caller: Caller) -> Act:
        if caller.human:
            who, run = people.as_writer(self.governance, caller.human), f"human:{caller.human}"
        else:
            who, run = self.permit.agent(caller.agent or ""), caller.agent or ""
        row = self.book.run(caller.run, run)
        return Act(self, caller, who, row, tier(row, caller.token))

    def _refused(self, caller: Caller, error: HarnessError) -> None:
        """A refusal is on disk before anybody hears of it."""
        if not self.durable:
            raise Again
        kind = "denial" if isinstance(error, Denied) else "refusal"
        named = [name for name in ("path", "action", "rule") if name in error.details]
        fields: dict[str, Json] = {name: str(error.details[name]) for name in named}
        self.events.append(EventRow(
            clock.new_id("e", self.now), self.now, kind, caller.agent, caller.human, caller.run, outcome=error.code,
            safe=audit_record.shown(fields), body=audit_record.body({"message": error.message})))
        if kind == "denial" and caller.agent in self.governance.registry.agents:
            here = sum(event.kind == "denial" and event.agent == caller.agent for event in self.events)
            self.permit.count_denials(caller.agent or "", here)

    def save(self) -> None:
        """At the end, before the transaction does."""
        self.tokens.save()
        self.book.save_runs(self.conn)
        events.add(self.conn, self.events)
        if self.permit.new_stops:
            breaker.keep(self.conn, self.permit.new_stops)


@dataclass(frozen=True, slots=True)
class Act:
    """One caller in its turn: known, on its feet, with its run and what its word is worth."""

    turn: Turn
    caller: Caller
    who: Agent  # or the person in the shape of one
    run: RunRow
    tier: str

    @property
    def conn(self) -> Connection:
        return self.turn.conn

    def permit(self, action: str, path: str) -> None:
        """`path` begins with `@`. Raises Denied, NeedsApproval, RateLimited, Quarantined."""
        chain = (*map(name_of, self.run.chain), *self.caller.chain)
        request = Request(self.who.name, self.who.roles, action, path, chain, self.tier, time=self.turn.now)
        if not self.caller.human:
            self.turn.permit.allow(request)
        elif people.decide(request).effect == "deny":
            raise denied("human", request, people.decide(request))

    def may(self, action: str, path: str) -> bool:
        """For lists: who may not is not told, and nothing is recorded."""
        try:
            self.permit(action, path)
        except (Denied, NeedsApproval, Stopped):
            return False
        return True

    def require(self, role: str, what: str) -> None:
        """Raises Denied for agents and for people below that role, Unavailable where this host has no key of theirs."""
        if not self.caller.human:
            raise Denied(f"agent '{self.who.name}' may not {what}; that takes an {role}",
                         fix="ask an operator; githarness human list shows who is one")
        human, _ = people.acting(self.turn.parts, self.turn.governance, name=self.caller.human, mail="")
        people.require(human, role, what)

    def record(self, kind: str, fields: Mapping[str, Json], body: Json = None, *, outcome: str | None = None) -> str:
        """An event by this caller; its id. `fields` are for everybody, the body is kept apart (DESIGN §8).

        With an `outcome` the story in git tells it by a line of its own.
        """
        told = {name: _shown(value) if isinstance(value, str) else value for name, value in fields.items()}
        told |= {"tier": self.tier, "chain": list[Json]((*self.run.chain, *self.caller.chain))}
        event = clock.new_id("e", self.turn.now)
        self.turn.events.append(EventRow(
            event, self.turn.now, kind, self.caller.agent, self.caller.human, self.caller.run, outcome=outcome,
            safe=line.safe(told), body="{}" if body is None else audit_record.body(body)))
        return event

    def must_last(self) -> None:
        """For a step whose effect has to outlast a power cut: it is begun again in a transaction that does."""
        if not self.turn.durable:
            raise Again


Step = Callable[[Act], T]
Ready = Callable[[Sequence[T | HarnessError], str | None], None]


def do(parts: Parts, caller: Caller, step: Step[T], *, durable: bool = True) -> T:
    """One step in a transaction of its own; raises what the step raises. `durable`: on disk when this returns."""
    found = together(parts, [(caller, step)], durable=durable)[0]
    if isinstance(found, HarnessError):
        raise found
    return found


def together(parts: Parts, asked: Sequence[tuple[Caller, Step[T]]], *, durable: bool | Callable[[], bool],
             wait: float | None = None, ready: Ready[T] | None = None) -> list[T | HarnessError]:
    """Several in one transaction, in order; each is done as a whole or not at all.

    `durable` as a question may add to `asked`: it comes when the turn has come. `ready` hears what came of it before
    the transaction ends, with the id of an event that is there only if it does. Raises flock.Held after `wait` seconds.
    """
    with parts.db.turn(wait):  # one for both tries: nobody comes between them
        with contextlib.suppress(Again), parts.db.write(durable=durable) as conn:
            return _in_turn(_turn(parts, conn, guarded=False), asked, ready)
        with parts.db.write() as conn:
            return _in_turn(_turn(parts, conn, guarded=True), asked, ready)


def _turn(parts: Parts, conn: Connection, *, guarded: bool) -> Turn:
    governance = parts.governed.at(refs.head(parts.repo.common_dir, parts.ref))
    ends.tie(conn, governance.ends, parts.clock)
    now, boot = parts.clock.now(), _boot_id(clock.boot_id)
    return Turn(parts, conn, governance, now, parts.clock.boot(), boot, parts.db.lasts, guarded,
                Permit.of(governance, conn, parts.clock, now), Runbook(conn, now), Tokens(conn, boot))


def _in_turn(turn: Turn, asked: Sequence[tuple[Caller, Step[T]]], ready: Ready[T] | None) -> list[T | HarnessError]:
    found = [turn.serve(caller, step) for caller, step in asked]
    turn.save()
    if ready:
        ready(found, turn.events[-1].id if turn.events else None)
    return found


@lru_cache(maxsize=1)
def _boot_id(ask: Callable[[], str]) -> str:
    """The machine that started anew has no process that knew the boot before."""
    return ask()


_shown = lru_cache(maxsize=4096)(audit_record.redacted)  # the same few names, over and over
