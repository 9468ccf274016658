"""The write path in process: one writer at a time per repository, one commit per ask, one durable landing per group.

Locks are taken in one order: the lane's flock, git's index.lock of the checkout, the ref's lock, SQLite. Readers take
none of them. What a call raised changed nothing; what it returned is on disk.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from threading import Thread
from time import sleep

from githarness import clock, flock
from githarness.clock import SYSTEM
from githarness.errors import Detail, HarnessError, Locked, NeedsApproval, Unavailable
from githarness.git import fold, refs
from githarness.git.checkout import CheckedOut
from githarness.git.repo import Checkout, checkouts, rebasing
from githarness.git.trees import Trees
from githarness.git.worktrees import AllHeld, Worktrees
from githarness.policy.model import Agent, Human, Key
from githarness.seal.signer import Signer
from githarness.store import commits, events
from githarness.store.db import Connection
from githarness.work import breaker, ends, held, index, landing, people, plans, proposed, recover
from githarness.work.admit import Scene
from githarness.work.asks import Ask, Doc, LeftAsk, Plan, ReadAsk, Withheld, Written
from githarness.work.governance import FOLDER_NAME, Governance
from githarness.work.group import Gates, Group, answered
from githarness.work.held import Reason
from githarness.work.landing import Arrival, Batch, Ground
from githarness.work.lease_guard import LeaseGuard
from githarness.work.parts import Parts, checked_out
from githarness.work.permit import Permit
from githarness.work.read import read
from githarness.work.runbook import Runbook
from githarness.work.together import TRIES, Ack, Result, Together, in_turn, too_busy
from githarness.work.verify import verifier

OwnersCheck = Callable[[Parts, str, Plan], Plan]


class LocalLane:
    """One per process and repository; not for use by two threads at once."""

    def __init__(self, parts: Parts, gates: Gates | None = None, *, largest: int | None = None,
                 tidy: Callable[[], None] | None = None, owners: OwnersCheck | None = None) -> None:
        """`gates`: makes what judges a group's writes; who only lands plans needs none.
        `largest`: artifacts of more bytes are left to another lane, by TooLarge; the daemon's memory stays small.
        `owners`: what lets a plan for governance land where one owner is not enough, or holds it.
        `tidy`: what `maintain` does beside folding, which takes seconds.
        """
        self._parts = parts
        self._gates = gates
        self._tidy = tidy
        self._owners = owners
        self._tidying = Thread()
        self._fault: HarnessError | OSError | None = None  # of the last tidying
        self._largest = largest
        self._trees = Trees(parts.reader.tree)
        self._checkouts: dict[Checkout, CheckedOut] = {}
        self._signers: dict[tuple[Key, ...], Signer] = {}
        self._last = ("", "")  # a commit that we made, and its tree
        self._together = Together(parts.repo.home, self._locked, self._group)

    def write(self, ask: Ask) -> Written:
        """By itself where the lane is free; else whoever has it carries this out along with its own."""
        self._know_operations([ask])
        done = self._together.write(ask)
        self.fold()
        if isinstance(done, HarnessError):
            raise done
        return done

    def write_as(self, ask: Ask, human: str) -> Written:
        """The same by a person of the fleet, with that person's key."""
        return self.write(replace(ask, agent=human, human=human))

    def preview(self, ask: Ask, *, human: str | None = None) -> Written:
        """What `write` would do, judged and thrown away. Raises what `write` would raise."""
        if human:
            ask = replace(ask, agent=human, human=human)
        head = self.head()
        self._know_what_counts(head)
        with self._look() as seen, self._parts.db.read() as conn:
            group = self._new_group(head, conn, seen)
            placed = group.place(ask)
        if isinstance(placed, HarnessError):
            raise placed
        done = _result(placed, group, Arrival(checked_out=False))
        assert isinstance(done, Written)
        return replace(done, commit=None, event=None)

    def read(self, ask: ReadAsk) -> Doc:
        return read(self._parts, ask, largest=self._largest)

    def write_group(self, asks: Sequence[Ask], ack: Ack | None = None) -> list[Result]:
        """One commit per admitted ask, all landing together; a refused ask gets its error in its place.

        `ack` is called as soon as everything is on disk, before the bookkeeping that a crash cannot hurt.
        """
        self._know_operations(asks)
        return in_turn(self._locked, lambda: self._group(asks, ack))

    def _know_operations(self, asks: Sequence[Ask]) -> None:
        """Some may be in commits that this database has not seen: of another clone, or from before it was deleted."""
        if any(ask.operation for ask in asks):
            self._index(self.head())

    def _know_what_counts(self, head: str) -> None:
        """Limits and uses of grants are counted in the index, which somebody may have deleted; ends, by this boot.

        In the lane nothing that another process landed is missing afterwards.
        """
        governance = self._governance(head)
        ends.note(self._parts.db, governance.ends, self._parts.clock)
        if governance.counts:
            self._index(head)

    def _index(self, head: str) -> None:
        with self._parts.db.read() as conn:
            known = commits.head(conn) == head
        if not known:
            index.update(self._parts.db, self._parts.reader, head, verifier(self._parts))

    def _group(self, asks: Sequence[Ask], ack: Ack | None) -> list[Result]:
        parts, head = self._parts, self.head()
        ground = Ground(parts.repo, parts.db, parts.ref, head, self._hold)
        self._know_what_counts(head)
        with self._look() as seen, parts.db.read() as conn:
            group = self._new_group(head, conn, seen)
            placed = [group.place(ask) for ask in asks]
        batch = Batch(group.drafts, group.scene.objects, group.refused, group.book, group.permit.new_stops)
        arrival = self._land(ground, batch) if group.drafts else self._note(batch, Arrival(seen is not None))
        self._last = (group.tip, group.scene.root)
        if not group.governed_anew:
            parts.governed.followed(head, group.tip)
        results = [self._kept(ask, one, group) if isinstance(one, Withheld) and not isinstance(ask, LeftAsk)
                   else _result(one, group, arrival) for ask, one in zip(asks, placed, strict=True)]
        if ack:
            ack(results)
        if group.drafts or group.book.learned:
            landing.record(ground, batch, arrival)
        return results

    def _kept(self, ask: Ask, withheld: Withheld, group: Group) -> Result:
        """What its caller hears once the change is held; on the commit that this group left."""
        agent = people.as_writer(group.governance, ask.human) if ask.human else group.governance.agent(ask.agent)
        codes = {change.path: withheld.code for change in withheld.changes}
        why = Reason(agent.name, ask.run, codes, withheld.text or ask.message or "", withheld.pairs)
        try:
            if ask.human and withheld.pairs:
                return self._decreed(ask, withheld, people.named(group.governance, ask.human), self._signer(agent))
            if withheld.pairs:
                return proposed.keep(self._parts, group.tip, withheld, why, self._signer(agent))
            kept = held.keep(self._parts, group.tip, withheld.changes, why, self._signer(agent))
        except HarnessError as error:
            return error
        return NeedsApproval(f"{withheld.message}; it is held as {', '.join(kept)}",
                             fix=f"githarness held resolve {kept[0]} --from FILE, once it is mended: {withheld.fix}",
                             details={**withheld.details, "held": kept[0], "all_held": list[Detail](kept)})

    def _decreed(self, ask: Ask, withheld: Withheld, human: Human, signer: Signer) -> Written:
        """A person's write of governance lands, or waits, as a plan does."""
        subject, _, body = withheld.text.partition("\n")
        operation = (("Operation", ask.operation),) if ask.operation else ()
        plan = Plan("write", withheld.changes, subject, human, signer, body.strip(), operation, ask.run)
        return self._land_plan(plan, self.head())

    def _new_group(self, head: str, conn: Connection, held: AllHeld | None) -> Group:
        parts, now = self._parts, self._parts.clock.now()
        governance = self._governance(head)
        scene = Scene(parts.reader, self._trees, self._root(head), self._largest)
        assert self._gates
        gate = self._gates(governance.config, conn, datetime.fromtimestamp(now, UTC).date())
        permit = Permit.of(governance, conn, parts.clock, now)
        guard = LeaseGuard(conn, clock.boot_id(), parts.clock.boot())
        return Group(head, scene, permit, gate, Runbook(conn, now), held, self._signer, now, guard)

    def _governance(self, head: str) -> Governance:
        return self._parts.governed.of(head, self._trees.lookup(self._root(head), FOLDER_NAME))

    def _land(self, ground: Ground, batch: Batch) -> Arrival:
        with _disk_faults():
            return landing.land(ground, batch)

    def _note(self, batch: Batch, arrival: Arrival) -> Arrival:
        """Where nothing lands: what was refused, and runs that were seen first."""
        book = batch.book
        if batch.refused or batch.stops or (book and book.new_runs):
            durable = bool(batch.stops) or any(event.kind == "denial" for event in batch.refused)
            with self._parts.db.write(durable=durable) as conn:
                events.add(conn, batch.refused)
                breaker.keep(conn, batch.stops)
                if book:
                    book.save_runs(conn)
        return arrival

    def land(self, plan: Plan) -> Written:
        """A change that a person decided. Raises refs.Moved where a path is not as the plan found it, Dirty, Locked."""
        for _ in range(TRIES):
            with self._locked():
                head = refs.read(self._parts.repo.common_dir, self._parts.ref)
                try:
                    return self._land_plan(plan, head)
                except refs.Moved:
                    if refs.read(self._parts.repo.common_dir, self._parts.ref) == head:
                        raise
        raise too_busy()

    def _land_plan(self, plan: Plan, head: str | None) -> Written:
        parts = self._parts
        root = self._root(head) if head else None
        ground = Ground(parts.repo, parts.db, parts.ref, head, self._hold)
        if self._owners and head and not plan.fleet and parts.governed.salvaged(head).policy.owners:
            plan = self._owners(parts, head, plan)
        with self._look() as seen:
            drafted = plans.draft_plan(plan, plans.Footing(head, root, seen), parts, self._trees)
        batch = Batch([drafted.draft], drafted.objects, drafted.events)
        arrival = self._land(ground, batch)
        with contextlib.suppress(HarnessError):  # it is on disk; the next command does the bookkeeping
            landing.record(ground, batch, arrival)
        draft = drafted.draft
        return answered(draft.commit.oid, draft.operation, draft.answer, arrival.of(draft.changes))

    def signer(self, agent: str) -> Signer:
        """The key of an agent that this host holds. Raises NotFound, Unavailable."""
        governance = self._parts.governed.at(self.head())
        return self._signer(governance.agent(agent))

    def head(self) -> str:
        """Raises NotFound where the governed branch has no commit."""
        return refs.head(self._parts.repo.common_dir, self._parts.ref)

    def recover(self, *, wait: float = flock.WAIT) -> int:
        """Finishes what a crash left; how many writes that were. Raises Locked where a writer lives."""
        with flock.exclusive(self._parts.repo.home / "lane.lock", wait=wait, what="the write path"), _disk_faults():
            return recover.recover(self._parts, self._worktrees())

    def maintain(self) -> None:
        """For a quiet moment, or now and then, in a thread or process of its own; safe beside everything."""
        fold.fold_where_due(self._parts.repo, every=1)
        if self._tidy and not self._tidying.is_alive():
            self._tidying = Thread(target=self._tidied, daemon=True)
            self._tidying.start()
        if fault := self._fault:
            self._fault = None
            raise fault

    def _tidied(self) -> None:
        """Beside further folding: it takes seconds."""
        assert self._tidy
        try:
            self._tidy()
        except (HarnessError, OSError) as error:
            self._fault = error

    def fold(self) -> None:
        """Makes one of our small packs where there are many; cheap. Safe beside everything."""
        fold.fold_where_due(self._parts.repo)

    @contextlib.contextmanager
    def _locked(self, wait: float = flock.WAIT) -> Iterator[None]:
        self._parts.repo.home.mkdir(mode=0o700, exist_ok=True)
        self._await_rebase(flock.WAIT)
        lock = flock.exclusive(self._parts.repo.home / "lane.lock", wait=wait, what="the write path")
        with contextlib.ExitStack() as afterwards, lock:
            afterwards.callback(self._together.ring)
            self._await_rebase(0.0)
            worktrees = self._worktrees()
            if recover.needed(self._parts, worktrees):
                with _disk_faults():
                    recover.recover(self._parts, worktrees)
            yield

    def _await_rebase(self, wait: float) -> None:
        deadline = SYSTEM.monotonic() + wait
        while place := rebasing(self._parts.repo, self._parts.ref):
            if SYSTEM.monotonic() >= deadline:
                raise Locked(f"a rebase of '{self._parts.ref}' is in progress in '{place}'",
                             fix="finish it with git rebase --continue or --abort", details={"lock": str(place)})
            sleep(0.02)

    def _look(self) -> contextlib.AbstractContextManager[AllHeld | None]:
        return self._worktrees().look()

    def _hold(self) -> contextlib.AbstractContextManager[AllHeld | None]:
        return self._worktrees().hold()

    def _worktrees(self) -> Worktrees:
        found = checkouts(self._parts.repo, self._parts.ref)
        known = self._checkouts
        self._checkouts = {one: known.get(one) or checked_out(self._parts, one) for one in found}
        return Worktrees(tuple(self._checkouts.values()))

    def _root(self, head: str) -> str:
        return self._last[1] if head == self._last[0] else self._parts.reader.commit(head).tree

    def _signer(self, agent: Agent) -> Signer:
        known = self._signers.get(agent.keys)  # not by name: a person may have an agent's
        if known is None:
            known = self._parts.keyring.find(key.key for key in agent.keys if key.usable)
            if known is None:
                raise Unavailable(f"this host holds no key of agent '{agent.name}'",
                                  fix=f"githarness agent enroll {agent.name}")
            self._signers[agent.keys] = known
        return known


def _result(one: int | Written | HarnessError, group: Group, arrival: Arrival) -> Result:
    if isinstance(one, HarnessError):
        return one
    if isinstance(one, Written):  # nothing to land: what was there before is in the checkout already
        return replace(one, worktree=arrival.of(())) if one.commit else one
    draft = group.drafts[one]
    return answered(draft.commit.oid, draft.operation, draft.answer, arrival.of(draft.changes))


@contextlib.contextmanager
def _disk_faults() -> Iterator[None]:
    """Maps what disks do where it enters: nothing was acknowledged, the next command closes the open intents."""
    try:
        yield
    except OSError as error:
        raise Unavailable(f"the write could not be made durable: {error.strerror}",
                          fix="free disk space or repair the file system, then repeat",
                          details={"errno": error.errno}) from error
