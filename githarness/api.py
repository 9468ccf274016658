"""The Python door: what the commands do, typed, with the errors of `githarness.errors`.

    with githarness.open(".") as h:
        me = h.agent("deployer")
        doc = me.read("runbooks/release.md")
        me.write(doc.path, doc.text + "- verify\\n", base=doc.blob)

One object per thread. A repository talks to the daemon where one listens and works in process where none does.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Literal, Self

from githarness import clock, settings, wiring
from githarness.canon import Json
from githarness.errors import HarnessError
from githarness.shared import Channel, Desk, Lease, State, Tasks, Time
from githarness.store import commits
from githarness.work import audit_record, guard, runs
from githarness.work.asks import Ask, Doc, Op, ReadAsk, Written
from githarness.work.coordination import Caller

if TYPE_CHECKING:
    from githarness.store.rows import CommitRow
    from githarness.work.rollback import Report

Content = str | bytes


@dataclass(frozen=True, slots=True)
class Done:
    """One landed write. `blob` is None after a delete, `commit` None where nothing differed."""

    commit: str | None
    path: str
    blob: str | None
    previous: str | None
    merged: bool
    event: str | None
    worktree: str


def open_repository(directory: str | Path) -> Repository:
    return Repository(wiring.open(Path(directory), settings.load()))


class Repository:
    def __init__(self, harness: wiring.Harness) -> None:
        self._harness = harness

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._harness.close()

    def agent(self, name: str, *, run: str | None = None, on_behalf_of: Sequence[str] = (),
              assisted_by: str | None = None) -> Actor:
        """`run` defaults to GITHARNESS_RUN, else to one run for this login session."""
        return Actor(self._harness, name, run or self._harness.settings.run_of(name), tuple(on_behalf_of), assisted_by)

    def run(self, agent: str, *, parent: str | None = None, once: str | None = None) -> Running:
        """`with h.run("hourly-review") as me:` a run of its own for `agent`, which ends as the block does."""
        return Running(self._harness, agent, parent, once)

    def log(self, *, agent: str | None = None, run: str | None = None, since: str | None = None,
            until: str | None = None, path: str | None = None, limit: int | None = None) -> list[CommitRow]:
        """Commits of the governed branch, newest first; times as `githarness log` takes them."""
        self._harness.fresh_index()
        wanted = commits.CommitFilter(agent=agent, run=run, since=self._time(since), until=self._time(until), path=path,
                                      limit=limit)
        with self._harness.db.read() as conn:
            return commits.log(conn, wanted)

    def rollback(self, agent: str | None = None, *, run: str | None = None,  # noqa: PLR0913  CLI.md fixes them
                 commit: Sequence[str] = (), since: str | None = None, until: str | None = None,
                 path: Sequence[str] = (),
                 with_delegates: bool = False, on_conflict: Literal["stop", "skip"] = "stop",
                 dry_run: bool = False, message: str | None = None) -> Report:
        """Undoes exactly the selected commits. Raises errors.Conflict where it stops on one, errors.NotFound."""
        from githarness.work import rollback  # noqa: PLC0415  the weave is not needed to write

        selection = rollback.Selection(agent=agent, run=run, commits=tuple(commit), since=self._time(since),
                                       until=self._time(until), paths=tuple(path), with_delegates=with_delegates)
        return rollback.rollback(self._harness, selection, on_conflict=on_conflict, dry_run=dry_run, message=message)

    def _time(self, text: str | None) -> float | None:
        return None if text is None else clock.instant(text, self._harness.clock.now())


@dataclass(frozen=True, slots=True)
class Actor:
    """An agent in a run: what it reads arms the guard of its writes."""

    _harness: wiring.Harness
    name: str
    run: str
    _chain: tuple[str, ...]
    _assisted_by: str | None

    @property
    def state(self) -> State:
        """Values that agents share."""
        return State(self._desk)

    @property
    def tasks(self) -> Tasks:
        """Work that is asked for and claimed."""
        return Tasks(self._desk)

    def lease(self, name: str, *, ttl: Time = 300.0, wait: Time = 0.0, note: str = "") -> Lease:
        """For a `with` block; `wait`: for so long in turn where it is held. `path:GLOB` guards matching artifacts."""
        return Lease(self._desk, name, ttl=ttl, wait=wait, note=note)

    def channel(self, name: str) -> Channel:
        """It is made by the first message in it."""
        return Channel(self._desk, name)

    @property
    def _desk(self) -> Desk:
        return Desk(self._harness, Caller(self.name, None, self.run, self._chain, self._harness.token()))

    def read(self, path: str, *, at: str | None = None) -> Doc:
        """Raises NotFound, BadPath, Denied."""
        return self._harness.lane.read(ReadAsk(path, self.name, self.run, at, self._harness.token()))

    def write(self, path: str, content: Content, *,  # noqa: PLR0913  CLI.md fixes them
              base: str | None = None, merge: bool = False,
              message: str | None = None, operation: str | None = None, executable: bool | None = None,
              lease: Lease | str | None = None) -> Done:
        """The whole new content. `base`: the blob that it is made from, `"absent"` for a file that must be new.

        Raises Unread, StaleWrite (`.details["diff"]`), Conflict (with `merge`), Dirty, Denied, BadPath, Locked,
        LeaseLost.
        """
        mode = None if executable is None else "100755" if executable else "100644"
        op = Op("write", path, _bytes(content), if_match=base, mode=mode)
        done = self.apply([op], message=message, operation=operation, merge=merge, lease=lease)
        return _done(done, path)

    def append(self, path: str, addition: Content, *, message: str | None = None, operation: str | None = None) -> Done:
        """Adds lines at the end; never stale."""
        return self._one(Op("append", path, _bytes(addition)), path, message, operation)

    def delete(self, path: str, *, base: str | None = None, message: str | None = None,
               operation: str | None = None) -> Done:
        return self._one(Op("delete", path, if_match=base), path, message, operation)

    def rename(self, path: str, to: str, *, base: str | None = None, message: str | None = None,
               operation: str | None = None) -> Done:
        return self._one(Op("rename", path, to=to, if_match=base), to, message, operation)

    def called(self, tool: str, arguments: Json = None, result: Json = None, *, status: str | None = None) -> str:
        """Records a call of a tool in the audit log; the id of the event. Secrets are taken out before it is stored.

        Raises Unavailable where it cannot be recorded: then do not call.
        """
        from githarness.work import journal  # noqa: PLC0415  not needed to write

        details: dict[str, Json] = {"tool": tool, "arguments": arguments, "result": result, "status": status}
        entry = journal.Entry(self.name, self.run, "tool", details, self._harness.token())
        return journal.add(self._harness.parts, entry)

    def apply(self, ops: Iterable[Op], *, message: str | None = None, operation: str | None = None,
              merge: bool = False, lease: Lease | str | None = None) -> Written:
        """All of `ops` (`githarness.work.asks.Op`) in one commit, or none of them; under a lease where one is given."""
        ask = Ask(self.name, self.run, tuple(ops), message, operation, merge, self._chain, self._assisted_by,
                  self._harness.token(), lease=lease.id if isinstance(lease, Lease) else lease)
        return self._harness.lane.write(ask)

    def _one(self, op: Op, path: str, message: str | None, operation: str | None) -> Done:
        return _done(self.apply([op], message=message, operation=operation), path)


class Running:
    """A run from the beginning of a block to its end: ok, failed where it raises, cancelled at ctrl-c.

    Entering gives the `Actor`, which proves its run by its token, and raises Denied, Quarantined, Paused, Conflict
    (`once`, work that was begun before), NotFound. A thread says that the run is alive.
    """

    def __init__(self, harness: wiring.Harness, agent: str, parent: str | None, once: str | None) -> None:
        self._outer, self._agent, self._parent, self._once = harness, agent, parent, once
        self._over = threading.Event()
        self._pulse = threading.Thread(target=self._beat, name="beat", daemon=True)

    def __enter__(self) -> Actor:
        outer, known = self._outer, self._outer.settings
        named = self._parent or known.run
        cause = runs.Cause(named, outer.token() if named == known.run else None, known.run) if named else None
        outer.watch()
        runner = runs.Runner(os.getpid(), ())
        row = runs.start(outer.parts, self._agent, head=outer.head(), cause=cause, runner=runner,
                         errand=runs.Errand(self._once))
        own = replace(known, agent=self._agent, run=row.id, token_file=runs.token_file(outer.repo, row.id))
        self._harness = wiring.Harness(own, outer.repo, ref=outer.ref, clock=outer.clock)
        self.id = row.id
        self._pulse.start()
        return Actor(self._harness, self._agent, row.id, (), None)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._pulse.join()
        status = "ok" if kind is None else "cancelled" if kind is KeyboardInterrupt else "failed"
        if isinstance(error, SystemExit) and not error.code:
            status = "ok"
        note = f"{kind.__name__}: {error}"[:200] if kind and status != "ok" else ""
        try:
            runs.finish(self._harness.parts, self.id, status, note=audit_record.redacted(note))
            self._harness.watch()
        finally:
            self._harness.close()

    def _beat(self) -> None:
        parts = self._harness.parts
        while not self._over.wait(guard.BEAT):
            with contextlib.suppress(HarnessError):  # a turn that does not come now is left to the next time
                guard.beat(parts, self.id, wait=1.0)
        parts.db.close()


def _done(done: Written, path: str) -> Done:
    landed = done.at(path)
    return Done(done.commit, landed.path, landed.blob, landed.previous, landed.merged, done.event, done.worktree)


def _bytes(content: Content) -> bytes:
    return content.encode() if isinstance(content, str) else content
