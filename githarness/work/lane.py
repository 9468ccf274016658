"""The write path in process: one writer at a time per repository, one commit per ask, one durable landing per group.

Locks are taken in one order: the lane's flock, git's index.lock of the checkout, the ref's lock, SQLite. Readers take
none of them. What a call raised changed nothing; what it returned is on disk.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from githarness import flock
from githarness.errors import HarnessError, Locked, NotFound, Unavailable
from githarness.git import fold, refs
from githarness.git.checkout import CheckedOut, Held
from githarness.git.repo import Checkout, checkouts
from githarness.git.trees import Trees
from githarness.policy.model import Agent
from githarness.seal.signer import Signer
from githarness.store import events
from githarness.store.db import Connection
from githarness.work import landing, plans, recover
from githarness.work.admit import Scene
from githarness.work.asks import Ask, Doc, Plan, ReadAsk, Written
from githarness.work.governance import FOLDER_NAME
from githarness.work.group import Group, answered
from githarness.work.landing import Ground
from githarness.work.parts import Parts, checked_out
from githarness.work.read import read
from githarness.work.runbook import Runbook

_TRIES = 6
Result = Written | HarnessError
Ack = Callable[[list[Result]], None]


class LocalLane:
    """One per process and repository; not for use by two threads at once."""

    def __init__(self, parts: Parts, *, largest: int | None = None, tidy: Callable[[], None] | None = None) -> None:
        """`largest`: artifacts of more bytes are left to another lane, by TooLarge; the daemon's memory stays small.
        `tidy`: what `maintain` does beside folding, which takes seconds.
        """
        self._parts = parts
        self._tidy = tidy
        self._largest = largest
        self._trees = Trees(parts.reader.tree)
        self._checkouts: dict[Checkout, CheckedOut] = {}
        self._signers: dict[tuple[str, str], Signer] = {}
        self._last = ("", "")  # a commit that we made, and its tree

    def write(self, ask: Ask) -> Written:
        result = self.write_group([ask])[0]
        self.fold()
        if isinstance(result, HarnessError):
            raise result
        return result

    def write_as(self, ask: Ask, human: str) -> Written:
        """The same by a person of the fleet, with that person's key."""
        return self.write(replace(ask, agent=human, human=human))

    def preview(self, ask: Ask, *, human: str | None = None) -> Written:
        """What `write` would do, judged and thrown away. Raises what `write` would raise."""
        if human:
            ask = replace(ask, agent=human, human=human)
        with self._parts.db.read() as conn:
            group = self._new_group(self.head(), conn, None)
            placed = group.place(ask)
        if isinstance(placed, HarnessError):
            raise placed
        done = self._result(placed, group, None, [])
        assert isinstance(done, Written)
        return replace(done, commit=None, event=None)

    def read(self, ask: ReadAsk) -> Doc:
        return read(self._parts, ask, largest=self._largest)

    def write_group(self, asks: Sequence[Ask], ack: Ack | None = None) -> list[Result]:
        """One commit per admitted ask, all landing together; a refused ask gets its error in its place.

        `ack` is called as soon as everything is on disk, before the bookkeeping that a crash cannot hurt.
        """
        for _ in range(_TRIES):
            with self._locked(), contextlib.suppress(refs.Moved):
                return self._group(asks, ack)
        raise self._too_busy()

    def _group(self, asks: Sequence[Ask], ack: Ack | None) -> list[Result]:
        parts, head = self._parts, self.head()
        with self._hold() as held:
            ground = Ground(parts.repo, parts.db, parts.ref, head, held)
            with parts.db.read() as conn:
                group = self._new_group(head, conn, held)
                placed = [group.place(ask) for ask in asks]
            pending = self._land(ground, group)
        self._last = (group.tip, group.scene.root)
        results = [self._result(one, group, held, pending) for one in placed]
        if ack:
            ack(results)
        if group.drafts or group.book.learned:
            landing.record(ground, group.drafts, group.book)
        return results

    def _new_group(self, head: str, conn: Connection, held: Held | None) -> Group:
        parts, now = self._parts, self._parts.clock.now()
        root = self._root(head)
        governance = parts.governed.of(head, self._trees.lookup(root, FOLDER_NAME))
        scene = Scene(parts.reader, self._trees, root, self._largest)
        return Group(head, scene, governance, Runbook(conn, now), held, self._signer(governance.digest), now)

    def _land(self, ground: Ground, group: Group) -> list[str]:
        if group.drafts:
            with _disk_faults():
                return landing.land(ground, group.drafts, group.scene.objects, group.refused, group.book)
        if group.refused or group.book.new_runs:
            with ground.db.write(durable=any(event.kind == "denial" for event in group.refused)) as conn:
                events.add(conn, group.refused)
                group.book.save_runs(conn)
        return []

    def _result(self, one: int | Written | HarnessError, group: Group, held: Held | None, pending: list[str]) -> Result:
        if not isinstance(one, int):
            return one
        draft = group.drafts[one]
        late = held is not None and any(change.path in pending for change in draft.changes)
        state = "none" if held is None else "pending" if late else "updated"
        return answered(draft.commit.oid, draft.operation, draft.answer, state)

    def land(self, plan: Plan) -> Written:
        """A change that a person decided. Raises refs.Moved where a path is not as the plan found it, Dirty, Locked."""
        for _ in range(_TRIES):
            with self._locked():
                head = refs.read(self._parts.repo.common_dir, self._parts.ref)
                try:
                    return self._land_plan(plan, head)
                except refs.Moved:
                    if refs.read(self._parts.repo.common_dir, self._parts.ref) == head:
                        raise
        raise self._too_busy()

    def _land_plan(self, plan: Plan, head: str | None) -> Written:
        parts = self._parts
        root = self._root(head) if head else None
        with self._hold() as held:
            ground = Ground(parts.repo, parts.db, parts.ref, head, held)
            drafted = plans.draft_plan(plan, ground, parts, self._trees, root)
            with _disk_faults():
                pending = landing.land(ground, [drafted.draft], drafted.objects)
            landing.record(ground, [drafted.draft])
        state = "none" if held is None else "pending" if pending else "updated"
        return answered(drafted.draft.commit.oid, drafted.draft.operation, drafted.draft.answer, state)

    def signer(self, agent: str) -> Signer:
        """The key of an agent that this host holds. Raises NotFound, Unavailable."""
        governance = self._parts.governed.at(self.head())
        return self._signer(governance.digest)(governance.agent(agent))

    def head(self) -> str:
        """Raises NotFound where the governed branch has no commit."""
        head = refs.read(self._parts.repo.common_dir, self._parts.ref)
        if head is None:
            raise NotFound(f"the governed branch '{self._parts.ref}' has no commit", fix="githarness init")
        return head

    def recover(self, *, wait: float = flock.WAIT) -> int:
        """Finishes what a crash left; how many writes that were. Raises Locked where a writer lives."""
        with flock.exclusive(self._parts.repo.home / "lane.lock", wait=wait, what="the write path"):
            return recover.recover(self._parts, self._checked_out())

    def maintain(self) -> None:
        """For a quiet moment, in a thread of its own; safe beside everything."""
        self.fold()
        if self._tidy:
            self._tidy()

    def fold(self) -> None:
        """Makes one of our small packs where there are many; cheap. Safe beside everything."""
        fold.fold_where_due(self._parts.repo.common_dir / "objects" / "pack")

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        self._parts.repo.home.mkdir(mode=0o700, exist_ok=True)
        with flock.exclusive(self._parts.repo.home / "lane.lock", what="the write path"):
            checkout = self._checked_out()
            if recover.needed(self._parts, checkout):
                recover.recover(self._parts, checkout)
            yield

    @contextlib.contextmanager
    def _hold(self) -> Iterator[Held | None]:
        found = self._checked_out()
        if found is None:
            yield None
            return
        with found.hold() as held:
            yield held

    def _checked_out(self) -> CheckedOut | None:
        """The checkout of the governed branch; git admits one, a person may force a second, which then lags."""
        found = checkouts(self._parts.repo, self._parts.ref)
        if not found:
            return None
        if found[0] not in self._checkouts:
            self._checkouts = {found[0]: checked_out(self._parts, found[0])}
        return self._checkouts[found[0]]

    def _root(self, head: str) -> str:
        return self._last[1] if head == self._last[0] else self._parts.reader.commit(head).tree

    def _signer(self, digest: str) -> Callable[[Agent], Signer]:
        def signer_of(agent: Agent) -> Signer:
            known = self._signers.get((agent.name, digest))
            if known is None:
                known = self._parts.keyring.find(key.key for key in agent.keys if not key.retired)
                if known is None:
                    raise Unavailable(f"this host holds no key of agent '{agent.name}'",
                                      fix=f"githarness agent enroll {agent.name}")
                self._signers[agent.name, digest] = known
            return known
        return signer_of

    def _too_busy(self) -> Locked:
        return Locked(f"'{self._parts.ref}' kept moving under {_TRIES} attempts", fix="repeat the command")


@contextlib.contextmanager
def _disk_faults() -> Iterator[None]:
    """Maps what disks do where it enters: nothing was acknowledged, the next command closes the open intents."""
    try:
        yield
    except OSError as error:
        raise Unavailable(f"the write could not be made durable: {error.strerror}",
                          fix="free disk space or repair the file system, then repeat",
                          details={"errno": error.errno}) from error
